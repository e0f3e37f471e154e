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
    any: Numbers,
    others: Option<Box<Others>>,
}

/// The patterns that do not match every path.
#[derive(Debug)]
struct Others {
    beginnings: Table,
    endings: Option<Box<Table>>,
    regexes: Option<Regexes>,
}

/// The patterns that nothing simpler could replace.
#[derive(Debug)]
struct Regexes {
    set: Arc<RegexSet>,
    /// The least of the numbers.
    least: u32,
    /// Places of patterns in the set and their numbers, ascending.
    ids: Box<[(u32, u32)]>,
}

/// Numbers of patterns. A single one, which most lists are, stands in place.
#[derive(Debug)]
enum Numbers {
    One([u32; 1]),
    Many(Box<[u32]>),
}

impl Numbers {
    fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(id) => id,
            Self::Many(ids) => ids,
        }
    }

    fn memory(&self) -> usize {
        match self {
            Self::One(_) => 0,
            Self::Many(ids) => size_of_val(&**ids),
        }
    }
}

impl From<Vec<u32>> for Numbers {
    fn from(ids: Vec<u32>) -> Self {
        match ids.as_slice() {
            [id] => Self::One([*id]),
            _ => Self::Many(ids.into()),
        }
    }
}

impl Default for Numbers {
    fn default() -> Self {
        Vec::new().into()
    }
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
            builder.add(pattern, id, pool);
        }
        builder.build(pool)
    }

    /// Adds the number of every pattern that matches the path. A number comes
    /// once for each of its patterns that does.
    pub fn hits(&self, path: &str, hits: &mut Hits) {
        hits.push_all(self.any.as_slice());
        if let Some(others) = &self.others {
            others.hits(path, hits);
        }
    }

    /// The least number that `holds` of the patterns that match the path. The
    /// automaton is not walked when none of its patterns could come first.
    pub fn first(&self, path: &str, holds: impl Fn(u32) -> bool) -> Option<u32> {
        let least = |hits: &mut Hits| hits.sorted().iter().copied().find(|&id| holds(id));
        let mut hits = Hits::default();
        hits.push_all(self.any.as_slice());
        let Some(others) = &self.others else {
            return least(&mut hits);
        };
        others.texts_hit(path, &mut hits);
        let found = least(&mut hits);
        let regexes = others.regexes.as_ref();
        match regexes.filter(|regexes| found.is_none_or(|id| regexes.least < id)) {
            None => found,
            Some(regexes) => {
                regexes.hits(path, &mut hits);
                least(&mut hits)
            }
        }
    }

    /// Bytes on the heap, without automata, which indexes share.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.any.memory() + self.others.as_ref().map_or(0, |others| others.memory())
    }
}

impl Others {
    fn hits(&self, path: &str, hits: &mut Hits) {
        self.texts_hit(path, hits);
        if let Some(regexes) = &self.regexes {
            regexes.hits(path, hits);
        }
    }

    fn texts_hit(&self, path: &str, hits: &mut Hits) {
        self.beginnings.hits(path.as_bytes(), hits);
        if let Some(endings) = &self.endings {
            endings.hits(path.as_bytes(), hits);
        }
    }

    fn memory(&self) -> usize {
        let endings = self.endings.as_ref();
        size_of::<Self>()
            + self.beginnings.memory()
            + endings.map_or(0, |endings| size_of::<Table>() + endings.memory())
            + self
                .regexes
                .as_ref()
                .map_or(0, |regexes| size_of_val(&*regexes.ids))
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
}

struct Builder<'a> {
    case: Case,
    any: Vec<u32>,
    beginnings: TableBuilder<'a>,
    endings: TableBuilder<'a>,
    regexes: Vec<(&'a Re2, u32)>,
}

impl<'a> Builder<'a> {
    fn new(case: Case) -> Self {
        Self {
            case,
            any: Vec::new(),
            beginnings: TableBuilder::default(),
            endings: TableBuilder::default(),
            regexes: Vec::new(),
        }
    }

    fn add(&mut self, pattern: &'a PathPattern, id: u32, pool: &mut RegexPool) {
        match pattern {
            PathPattern::Any => self.any.push(id),
            PathPattern::Regex(regex) => self.regex(regex, id, pool),
            PathPattern::Template(template) => self.regex(template.regex(), id, pool),
            PathPattern::Exact(_)
            | PathPattern::Prefix(_)
            | PathPattern::SegmentPrefix(_)
            | PathPattern::Suffix(_) => {
                self.literal(pattern, Cow::Borrowed, id);
                if let Some(wide) = pattern.widened().filter(|_| self.case == Case::Folded) {
                    self.literal(&wide, |text| Cow::Owned(text.to_owned()), id);
                }
            }
        }
    }

    fn literal<'t>(&mut self, of: &'t PathPattern, held: fn(&'t str) -> Cow<'a, str>, id: u32) {
        match of {
            PathPattern::Exact(text) => self.exact(held(text), id),
            PathPattern::Prefix(text) => self.prefix(held(text), id),
            PathPattern::SegmentPrefix(text) => {
                self.exact(held(text), id);
                self.prefix(format!("{text}/").into(), id);
            }
            PathPattern::Suffix(text) => self.suffix(held(text), id),
            PathPattern::Any | PathPattern::Regex(_) | PathPattern::Template(_) => {}
        }
    }

    fn regex(&mut self, regex: &'a Re2, id: u32, pool: &mut RegexPool) {
        match pool.lowered(self.case, regex) {
            Lowered::Any => self.any.push(id),
            Lowered::Prefix(text) => self.prefix(String::from(text).into(), id),
            Lowered::Suffix(text) => self.suffix(String::from(text).into(), id),
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
        self.beginnings.whole(text, id);
    }

    fn prefix(&mut self, text: Cow<'a, str>, id: u32) {
        let text = self.folded(text);
        self.beginnings.part(text, id);
    }

    fn suffix(&mut self, text: Cow<'a, str>, id: u32) {
        let text = self.folded(text);
        self.endings.part(text, id);
    }

    fn folded(&self, text: Cow<'a, str>) -> Cow<'a, [u8]> {
        match (self.case, text) {
            (Case::Folded, text) => text.to_ascii_lowercase().into_bytes().into(),
            (Case::Sensitive, Cow::Borrowed(text)) => text.as_bytes().into(),
            (Case::Sensitive, Cow::Owned(text)) => text.into_bytes().into(),
        }
    }

    fn build(self, pool: &mut RegexPool) -> Result<PathIndex, PatternError> {
        let others = Others {
            beginnings: self.beginnings.build(Part::Beginning)?,
            endings: match self.endings.is_empty() {
                true => None,
                false => Some(Box::new(self.endings.build(Part::Ending)?)),
            },
            regexes: regexes(self.regexes, self.case, pool)?,
        };
        let nothing =
            others.beginnings.is_empty() && others.endings.is_none() && others.regexes.is_none();
        Ok(PathIndex {
            any: self.any.into(),
            others: (!nothing).then(|| Box::new(others)),
        })
    }
}

/// Sorted, so that equal lists are found equal whatever their order.
fn regexes(
    mut regexes: Vec<(&Re2, u32)>,
    case: Case,
    pool: &mut RegexPool,
) -> Result<Option<Regexes>, PatternError> {
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
    Ok(Some(Regexes {
        set: pool.share(case, patterns.into())?,
        least: ids.iter().map(|(_, id)| *id).min().unwrap_or(0),
        ids: ids.into(),
    }))
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
