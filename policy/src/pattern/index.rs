//! Finds every pattern of a list that matches a path, at a cost that hardly
//! grows with the list: one search for all exact texts and prefixes, one for
//! all suffixes, one walk of one automaton for all regular expressions.
//!
//! An index per host and policy must be possible for ten thousand hosts, so an
//! empty one is a few words and allocates nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::pool::RegexSet;
use super::table::{Backwards, Forwards, Table, TableBuilder};
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
    /// The numbers of each pattern, in the order of the set.
    ids: Box<[Box<[u32]>]>,
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
            table.hits(Forwards(path.as_bytes()), hits);
        }
        if let Some(suffixes) = &self.suffixes {
            suffixes.hits(Backwards(path.as_bytes()), hits);
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
            if let Some(ids) = self.ids.get(place) {
                hits.push_all(ids);
            }
        });
    }

    fn memory(&self) -> usize {
        let numbers = self.ids.iter().map(|ids| size_of_val(&**ids));
        size_of::<Self>() + size_of_val(&*self.ids) + numbers.sum::<usize>()
    }
}

struct Builder {
    case: Case,
    any: Vec<u32>,
    table: TableBuilder,
    suffixes: TableBuilder,
    /// Sorted, so that equal lists are found equal whatever their order.
    regexes: BTreeMap<Re2, Vec<u32>>,
}

impl Builder {
    fn new(case: Case) -> Self {
        Self {
            case,
            any: Vec::new(),
            table: TableBuilder::default(),
            suffixes: TableBuilder::default(),
            regexes: BTreeMap::new(),
        }
    }

    fn add(&mut self, pattern: &PathPattern, id: u32) {
        match pattern {
            PathPattern::Any => self.any.push(id),
            PathPattern::Exact(text) => self.exact(text, id),
            PathPattern::Prefix(text) => self.prefix(text, id),
            PathPattern::SegmentPrefix(text) => {
                self.exact(text, id);
                self.prefix(&format!("{text}/"), id);
            }
            PathPattern::Suffix(text) => {
                let backwards: Vec<u8> = self.folded(text).bytes().rev().collect();
                self.suffixes.prefix(&backwards, id);
            }
            PathPattern::Regex(regex) => self.regex(regex, id),
            PathPattern::Template(template) => self.regex(template.regex(), id),
        }
    }

    fn regex(&mut self, regex: &Re2, id: u32) {
        match regex.lowered(self.case) {
            Lowered::Any => self.any.push(id),
            Lowered::Prefix(text) => self.prefix(&text, id),
            Lowered::Exact(texts) => texts.iter().for_each(|text| self.exact(text, id)),
            Lowered::Regex => self.regexes.entry(regex.clone()).or_default().push(id),
        }
    }

    fn exact(&mut self, text: &str, id: u32) {
        let text = self.folded(text);
        self.table.exact(text.as_bytes(), id);
    }

    fn prefix(&mut self, text: &str, id: u32) {
        let text = self.folded(text);
        self.table.prefix(text.as_bytes(), id);
    }

    fn folded(&self, text: &str) -> String {
        match self.case {
            Case::Sensitive => text.to_owned(),
            Case::Folded => text.to_ascii_lowercase(),
        }
    }

    fn build(self, pool: &mut RegexPool) -> Result<PathIndex, PatternError> {
        Ok(PathIndex {
            any: self.any.into(),
            table: table(self.table)?,
            suffixes: table(self.suffixes)?,
            regexes: regexes(self.regexes, self.case, pool)?,
        })
    }
}

fn table(builder: TableBuilder) -> Result<Option<Box<Table>>, PatternError> {
    if builder.is_empty() {
        return Ok(None);
    }
    Ok(Some(Box::new(builder.build()?)))
}

fn regexes(
    regexes: BTreeMap<Re2, Vec<u32>>,
    case: Case,
    pool: &mut RegexPool,
) -> Result<Option<Box<Regexes>>, PatternError> {
    if regexes.is_empty() {
        return Ok(None);
    }
    let (patterns, ids): (Vec<Re2>, Vec<Box<[u32]>>) = regexes
        .into_iter()
        .map(|(pattern, ids)| (pattern, ids.into()))
        .unzip();
    Ok(Some(Box::new(Regexes {
        set: pool.share(case, patterns.into())?,
        ids: ids.into(),
    })))
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
