//! Finds what is kept under the host patterns that match a host: one exact
//! look-up, then one for each distinct length of a suffix, longest first.
//! The cost grows neither with the number of hosts nor with an attacker's
//! choice of name: tables keep the standard, keyed hash.

use std::collections::{BTreeMap, HashMap};

use super::HostPattern;
use super::host_name::is_address;

/// Values under host patterns.
#[derive(Debug)]
pub struct HostMap<T> {
    exact: HashMap<Box<str>, T>,
    /// Longest first.
    suffixes: Box<[Level<T>]>,
    any: Option<T>,
}

/// The suffixes of one length.
#[derive(Debug)]
struct Level<T> {
    length: usize,
    /// Whether each begins with a dot, so that only labels need be tried.
    dotted: bool,
    entries: HashMap<Box<str>, T>,
}

impl<T> HostMap<T> {
    /// Builds the map. Of several values under one pattern the first stays.
    #[must_use]
    pub fn build(entries: impl IntoIterator<Item = (HostPattern, T)>) -> Self {
        let mut exact = HashMap::new();
        let mut any = None;
        let mut suffixes: BTreeMap<usize, HashMap<Box<str>, T>> = BTreeMap::new();
        for (pattern, value) in entries {
            let ending = pattern.ending();
            match (pattern, ending) {
                (HostPattern::Exact(host), _) => {
                    exact.entry(host).or_insert(value);
                }
                (_, Some(ending)) => {
                    let level = suffixes.entry(ending.len()).or_default();
                    level.entry(ending.into()).or_insert(value);
                }
                (_, None) => {
                    any.get_or_insert(value);
                }
            }
        }
        Self {
            exact,
            suffixes: suffixes.into_iter().rev().map(Level::new).collect(),
            any,
        }
    }

    /// What is kept under the most specific pattern: the exact host, else the
    /// longest suffix, else `*`. An address is found only if it was written
    /// literally: no wildcard of names speaks of it (security: H5).
    #[must_use]
    pub fn find(&self, host: &str) -> Option<&T> {
        if is_address(host) {
            return self.exact.get(host);
        }
        self.chain(host).next()
    }

    /// What is kept under each pattern that matches, the most specific first.
    /// Unlike [`HostMap::find`] this shows an address to `*`: a rule on every
    /// host holds for addresses too, or denying would have a hole.
    pub fn chain<'m>(&'m self, host: &str) -> impl Iterator<Item = &'m T> {
        let fits = self
            .suffixes
            .partition_point(|level| level.length > host.len());
        let levels = self.suffixes.iter().skip(fits);
        self.exact
            .get(host)
            .into_iter()
            .chain(levels.filter_map(|level| level.find(host)))
            .chain(&self.any)
    }
}

impl<T> Default for HostMap<T> {
    fn default() -> Self {
        Self::build([])
    }
}

impl<T> Level<T> {
    fn new((length, entries): (usize, HashMap<Box<str>, T>)) -> Self {
        Self {
            length,
            dotted: entries.keys().all(|ending| ending.starts_with('.')),
            entries,
        }
    }

    fn find(&self, host: &str) -> Option<&T> {
        let start = host.len().checked_sub(self.length)?;
        let ending = host.get(start..)?;
        match ending.starts_with('.') {
            // A label stands before the dot.
            true if start == 0 => None,
            false if self.dotted => None,
            _ => self.entries.get(ending),
        }
    }
}
