//! Finds every pattern of a list that matches a path, at a cost that hardly
//! grows with the list: one search for all exact texts and prefixes, one for
//! all suffixes, one walk of one automaton for all regular expressions.
//!
//! An index per host and policy must be possible for ten thousand hosts, so an
//! empty one is a few words and allocates nothing.

use std::borrow::Cow;
use std::sync::Arc;

use super::pool::RegexSet;
use super::table::{Part, Table, TableBuilder};
use super::{Case, Hits, Lowered, PathPattern, PatternError, Re2, RegexPool};

/// Patterns with their numbers, ready to be asked.
#[derive(Debug, Default)]
pub struct PathIndex {
    any: Box<[u32]>,
    table: Option<Box<Table>>,
    suffixes: Option<Box<Table>>,
    regexes: Option<Box<Regexes>>,
}

/// The patterns that nothing simpler could replace.
#[derive(Debug)]
struct Regexes {
    set: Arc<RegexSet>,
    /// Places of patterns in the set and their numbers, ascending.
    ids: Box<[(u32, u32)]>,
}

impl PathIndex {
    /// Builds the index of patterns and their numbers; numbers may repeat.
    /// A [`Case::Folded`] index is asked in ASCII lower case.
    ///
    /// # Errors
    /// Refuses regular expressions whose common automaton is too large.
    pub fn build<'a>(
        patterns: impl IntoIterator<Item = (&'a PathPattern, u32)>,
        case: Case,
        pool: &mut RegexPool,
    ) -> Result<Self, PatternError> {
        let mut builder = Builder::new(case);
        for (pattern, id) in patterns {
            builder.add(pattern, id);
        }
        builder.build(pool)
    }

    /// Adds the number of every pattern that matches the path. A number comes
    /// once for each of its patterns that does.
    pub fn hits(&self, path: &str, hits: &mut Hits) {
        hits.push_all(&self.any);
        if let Some(table) = &self.table {
            table.hits(path.as_bytes(), hits);
        }
        if let Some(suffixes) = &self.suffixes {
            suffixes.hits(path.as_bytes(), hits);
        }
        if let Some(regexes) = &self.regexes {
            regexes.hits(path, hits);
        }
    }

    /// Bytes on the heap, without automata, which indexes share.
    #[must_use]
    pub fn memory(&self) -> usize {
        let tables = [&self.table, &self.suffixes].into_iter().flatten();
        let tables: usize = tables.map(|t| size_of::<Table>() + t.memory()).sum();
        let regexes = self.regexes.as_ref();
        size_of_val(&*self.any) + tables + regexes.map_or(0, |regexes| regexes.memory())
    }
}

impl Regexes {
    fn hits(&self, path: &str, hits: &mut Hits) {
        self.set.each_match(path, |place| {
            let before = |&(other, _): &(u32, u32)| usize::try_from(other).is_ok_and(|o| o < place);
            let from = self.ids.iter().skip(self.ids.partition_point(before));
            from.take_while(|(other, _)| usize::try_from(*other) == Ok(place))
                .for_each(|&(_, id)| hits.push(id));
        });
    }

    fn memory(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.ids)
    }
}

struct Builder<'a> {
    case: Case,
    any: Vec<u32>,
    table: TableBuilder<'a>,
    suffixes: TableBuilder<'a>,
    regexes: Vec<(&'a Re2, u32)>,
}

impl<'a> Builder<'a> {
    fn new(case: Case) -> Self {
        Self {
            case,
            any: Vec::new(),
            table: TableBuilder::default(),
            suffixes: TableBuilder::default(),
            regexes: Vec::new(),
        }
    }

    fn add(&mut self, pattern: &'a PathPattern, id: u32) {
        match pattern {
            PathPattern::Any => self.any.push(id),
            PathPattern::Exact(text) => self.exact(Cow::Borrowed(text), id),
            PathPattern::Prefix(text) => self.prefix(Cow::Borrowed(text), id),
            PathPattern::SegmentPrefix(text) => {
                self.exact(Cow::Borrowed(text), id);
                self.prefix(format!("{text}/").into(), id);
            }
            PathPattern::Suffix(text) => {
                let text = self.folded(Cow::Borrowed(text));
                self.suffixes.part(text, id);
            }
            PathPattern::Regex(regex) => self.regex(regex, id),
            PathPattern::Template(template) => self.regex(template.regex(), id),
        }
    }

    fn regex(&mut self, regex: &'a Re2, id: u32) {
        match regex.lowered(self.case) {
            Lowered::Any => self.any.push(id),
            Lowered::Prefix(text) => self.prefix(String::from(text).into(), id),
            Lowered::Exact(texts) => {
                for text in texts {
                    self.exact(String::from(text).into(), id);
                }
            }
            Lowered::Regex => self.regexes.push((regex, id)),
        }
    }

    fn exact(&mut self, text: Cow<'a, str>, id: u32) {
        let text = self.folded(text);
        self.table.whole(text, id);
    }

    fn prefix(&mut self, text: Cow<'a, str>, id: u32) {
        let text = self.folded(text);
        self.table.part(text, id);
    }

    fn folded(&self, text: Cow<'a, str>) -> Cow<'a, [u8]> {
        match (self.case, text) {
            (Case::Folded, text) => text.to_ascii_lowercase().into_bytes().into(),
            (Case::Sensitive, Cow::Borrowed(text)) => text.as_bytes().into(),
            (Case::Sensitive, Cow::Owned(text)) => text.into_bytes().into(),
        }
    }

    fn build(self, pool: &mut RegexPool) -> Result<PathIndex, PatternError> {
        Ok(PathIndex {
            any: self.any.into(),
            table: self.table.build(Part::Beginning)?,
            suffixes: self.suffixes.build(Part::Ending)?,
            regexes: regexes(self.regexes, self.case, pool)?,
        })
    }
}

/// Sorted, so that equal lists are found equal whatever their order.
fn regexes(
    mut regexes: Vec<(&Re2, u32)>,
    case: Case,
    pool: &mut RegexPool,
) -> Result<Option<Box<Regexes>>, PatternError> {
    if regexes.is_empty() {
        return Ok(None);
    }
    regexes.sort_unstable();
    let mut patterns: Vec<Re2> = Vec::new();
    let mut ids = Vec::with_capacity(regexes.len());
    for group in regexes.chunk_by(|(one, _), (other, _)| one == other) {
        let place = u32::try_from(patterns.len()).unwrap_or(u32::MAX);
        ids.extend(group.iter().map(|(_, id)| (place, *id)));
        patterns.extend(group.first().map(|(pattern, _)| (*pattern).clone()));
    }
    Ok(Some(Box::new(Regexes {
        set: pool.share(case, patterns.into())?,
        ids: ids.into(),
    })))
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
