//! Values by host pattern, found at a cost that does not grow with their
//! number.
//!
//! All patterns that match one host are endings of it, so there is one chain
//! from the most specific to the least: the exact host, then the endings by
//! length.

use std::collections::HashMap;
use std::fmt;

use super::HostPattern;

/// See the module.
#[derive(Debug)]
pub struct HostMap<T> {
    exact: HashMap<Box<str>, T>,
    /// By length, longest first; the empty ending is every host's.
    endings: Box<[Endings<T>]>,
}

struct Endings<T> {
    length: usize,
    by_text: HashMap<Box<str>, AtEnding<T>>,
}

/// `*.b` and `*.b`'s own text as a suffix are different patterns of one ending:
/// only the latter also matches the ending itself, which no host can be.
#[derive(Debug)]
struct AtEnding<T>(Vec<T>);

impl<T: fmt::Debug> fmt::Debug for Endings<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.by_text.fmt(f)
    }
}

impl<T> HostMap<T> {
    /// Builds the map. Of equal patterns the first wins; a map of endings keeps
    /// the order of those that mean the same.
    pub fn build(entries: impl IntoIterator<Item = (HostPattern, T)>) -> Self {
        let mut exact = HashMap::new();
        let mut endings: HashMap<usize, HashMap<Box<str>, AtEnding<T>>> = HashMap::new();
        for (pattern, value) in entries {
            match pattern.suffix() {
                Some(suffix) => {
                    let same_length = endings.entry(suffix.len()).or_default();
                    let same = same_length.entry(suffix.into());
                    same.or_insert_with(|| AtEnding(Vec::new())).0.push(value);
                }
                None => {
                    if let HostPattern::Exact(host) = pattern {
                        exact.entry(host).or_insert(value);
                    }
                }
            }
        }
        let mut endings: Vec<_> = endings
            .into_iter()
            .map(|(length, by_text)| Endings { length, by_text })
            .collect();
        endings.sort_by_key(|endings| std::cmp::Reverse(endings.length));
        Self {
            exact,
            endings: endings.into(),
        }
    }

    /// The value of the most specific pattern that matches.
    #[must_use]
    pub fn find(&self, host: &str) -> Option<&T> {
        self.chain(host).next()
    }

    /// The values of all patterns that match, most specific first.
    pub fn chain<'a>(&'a self, host: &str) -> impl Iterator<Item = &'a T> {
        let endings = self.endings.iter().filter_map(|endings| {
            let start = host.len().checked_sub(endings.length)?;
            endings.by_text.get(host.get(start..)?)
        });
        self.exact
            .get(host)
            .into_iter()
            .chain(endings.flat_map(|at| &at.0))
    }

    /// How many patterns there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let endings = self.endings.iter().flat_map(|e| e.by_text.values());
        self.exact.len() + endings.map(|at| at.0.len()).sum::<usize>()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(patterns: &[&'static str]) -> HostMap<&'static str> {
        HostMap::build(patterns.iter().map(|p| (HostPattern::parse(p).unwrap(), *p)))
    }

    #[test]
    fn exact_beats_wildcard_and_the_longest_ending_wins() {
        let map = map(&["*", "*.x", "*.b.x", "*b.x", "a.b.x"]);
        let chain = |host: &str| map.chain(host).copied().collect::<Vec<_>>();
        assert_eq!(chain("a.b.x"), ["a.b.x", "*.b.x", "*b.x", "*.x", "*"]);
        assert_eq!(chain("c.b.x"), ["*.b.x", "*b.x", "*.x", "*"]);
        assert_eq!(chain("evilb.x"), ["*b.x", "*.x", "*"]);
        assert_eq!(chain("b.x"), ["*b.x", "*.x", "*"]);
        assert_eq!(chain("x"), ["*"]);
        assert_eq!(map.find("q.x"), Some(&"*.x"));
        assert_eq!(map.len(), 5);
    }

    #[test]
    fn agrees_with_asking_every_pattern() {
        let patterns = ["a.x", "*.x", "*x", "*.a.x", "*a.x", "*", "x", "b.a.x"];
        let map = map(&patterns);
        for host in ["a.x", "x", "b.a.x", "ba.x", "c.b.a.x", "y", "ax"] {
            let mut found: Vec<_> = map.chain(host).copied().collect();
            let mut expected: Vec<_> = patterns
                .into_iter()
                .filter(|p| HostPattern::parse(p).unwrap().matches(host))
                .collect();
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{host}");
        }
    }
}
