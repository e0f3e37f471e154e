//! Shares automata between indexes while a configuration is compiled: equal
//! lists of regular expressions, and ten thousand hosts often have the same,
//! become one automaton; or a few, where one would have to remember too much.
//!
//! Every list is compiled when it is first seen, so that none can fail later.
//! Only the first few hundred get much memory, so that ten thousand do not get
//! ten thousand times as much.

use std::collections::HashMap;
use std::sync::Arc;

use super::automaton::{Automaton, Piece};
use super::{Case, Lowered, PatternError, Re2};

/// Bounds on memory for regular expressions.
#[derive(Clone, Debug)]
pub struct RegexLimits {
    /// The automaton of one pattern before it is made deterministic (P7).
    pub nfa_bytes: usize,
    /// The same of a list: two thousand ordinary patterns.
    pub list_nfa_bytes: usize,
    /// A table larger than this is not built; states are then found as texts
    /// need them.
    pub dense_bytes: usize,
    /// What states found as texts need them may take, per list and thread.
    pub cache_bytes: usize,
    /// How many lists have these; of later ones no table is built.
    pub large_lists: usize,
    /// As `cache_bytes`, for the later ones.
    pub late_cache_bytes: usize,
    /// The tables of patterns that must remember what they saw, of all lists.
    pub remembering_bytes: usize,
}

impl Default for RegexLimits {
    fn default() -> Self {
        Self {
            nfa_bytes: 1 << 20,
            list_nfa_bytes: 8 << 20,
            dense_bytes: 64 << 10,
            cache_bytes: 256 << 10,
            large_lists: 256,
            late_cache_bytes: 32 << 10,
            remembering_bytes: 256 << 20,
        }
    }
}

impl RegexLimits {
    /// The limits of the later lists.
    fn late(&self) -> Self {
        Self {
            dense_bytes: 0,
            cache_bytes: self.late_cache_bytes,
            ..self.clone()
        }
    }
}

/// The lists seen so far. Needed only while indexes are built.
#[derive(Debug, Default)]
pub struct RegexPool {
    limits: RegexLimits,
    remembering: usize,
    sets: HashMap<(Case, Box<[Re2]>), Arc<RegexSet>>,
    lowered: HashMap<(Case, Re2), Lowered>,
}

impl RegexPool {
    /// A pool with the ordinary limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A pool with limits of one's own.
    #[must_use]
    pub fn with_limits(limits: RegexLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// As [`Re2::lowered`]; a pattern that comes again is not read again.
    pub(super) fn lowered(&mut self, case: Case, pattern: &Re2) -> Lowered {
        let key = (case, pattern.clone());
        let known = self.lowered.entry(key);
        known.or_insert_with(|| pattern.lowered(case)).clone()
    }

    /// How many distinct lists there are.
    #[must_use]
    pub fn lists(&self) -> usize {
        self.sets.len()
    }

    /// Bytes of all automata, caches of threads left out.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.sets.values().map(|set| set.memory()).sum()
    }

    /// The automaton of a list, which names its patterns by their places in it.
    pub(super) fn share(
        &mut self,
        case: Case,
        patterns: Box<[Re2]>,
    ) -> Result<Arc<RegexSet>, PatternError> {
        let key = (case, patterns);
        if let Some(set) = self.sets.get(&key) {
            return Ok(Arc::clone(set));
        }
        let (case, patterns) = &key;
        let set = Arc::new(RegexSet {
            case: *case,
            patterns: patterns.len(),
            parts: self.parts(*case, patterns)?,
        });
        self.sets.insert(key, Arc::clone(&set));
        Ok(set)
    }

    fn parts(&mut self, case: Case, patterns: &[Re2]) -> Result<Box<[Part]>, PatternError> {
        let late = self.limits.late();
        let limits = match self.sets.len() < late.large_lists {
            true => self.limits.clone(),
            false => late,
        };
        let pieces = patterns.iter().map(|pattern| pattern.piece(case));
        let pieces: Vec<Piece> = pieces.collect::<Result<_, _>>()?;
        let all = || (0..patterns.len()).collect();
        if let Ok(dense @ Automaton::Dense(_)) = Automaton::new(&pieces, &limits) {
            return Ok([Part::new(dense, all())].into());
        }
        let (many, others): (Vec<usize>, Vec<usize>) =
            all().into_iter().partition(|&at| remembers(&pieces, at));
        if many.len() <= FEW {
            return Ok([common(patterns, &pieces, all(), &limits)?].into());
        }
        let mut parts = Vec::new();
        if !others.is_empty() {
            parts.push(common(patterns, &pieces, others, &limits)?);
        }
        for some in many.chunks(TOGETHER) {
            self.remembering(patterns, &pieces, some, &mut parts)?;
        }
        Ok(parts.into())
    }

    /// A table of these, or of halves of them.
    fn remembering(
        &mut self,
        patterns: &[Re2],
        pieces: &[Piece],
        places: &[usize],
        parts: &mut Vec<Part>,
    ) -> Result<(), PatternError> {
        let limits = RegexLimits {
            nfa_bytes: self.limits.list_nfa_bytes,
            ..self.limits.clone()
        };
        let part = match Automaton::new(&chosen(pieces, places), &limits) {
            Ok(dense @ Automaton::Dense(_)) => Part::new(dense, places.to_vec()),
            _ if places.len() > 1 => {
                let (some, others) = places.split_at(places.len() / 2);
                self.remembering(patterns, pieces, some, parts)?;
                return self.remembering(patterns, pieces, others, parts);
            }
            _ => common(patterns, pieces, places.to_vec(), &self.limits.late())?,
        };
        self.remembering += part.automaton.memory();
        if self.remembering > self.limits.remembering_bytes {
            return Err(PatternError::new(format!(
                "regular expressions such as `/v1/.*/x/.*/y`, which go on with what they may \
                 also end with, need more than {} MiB of tables; write exact paths, prefixes or \
                 templates",
                self.limits.remembering_bytes >> 20
            )));
        }
        parts.push(part);
        Ok(())
    }
}

/// How many patterns that must remember what they saw may be in one automaton that
/// is built as texts walk it.
const FEW: usize = 8;
/// How many have one table: it has a state for each set of them.
const TOGETHER: usize = 4;

fn remembers(pieces: &[Piece], at: usize) -> bool {
    pieces.get(at).is_some_and(Piece::remembers)
}

fn chosen(pieces: &[Piece], places: &[usize]) -> Vec<Piece> {
    let chosen = places.iter().filter_map(|&at| pieces.get(at));
    chosen.cloned().collect()
}

/// One automaton of some of a list. If it is too large, so may one pattern be, which
/// is named.
fn common(
    patterns: &[Re2],
    pieces: &[Piece],
    places: Vec<usize>,
    limits: &RegexLimits,
) -> Result<Part, PatternError> {
    let chosen = chosen(pieces, &places);
    let automaton = Automaton::new(&chosen, limits).or_else(|_| {
        let late = limits.late();
        for (&at, piece) in places.iter().zip(&chosen) {
            let pattern = patterns.get(at);
            pattern.map_or(Ok(()), |pattern| check(pattern, piece, &late))?;
        }
        let long = RegexLimits {
            nfa_bytes: limits.list_nfa_bytes,
            dense_bytes: 0,
            ..limits.clone()
        };
        Automaton::new(&chosen, &long).map_err(|error| {
            let count = patterns.len();
            PatternError::new(format!("{count} regular expressions of one host: {error}"))
        })
    })?;
    Ok(Part::new(automaton, places))
}

fn check(pattern: &Re2, piece: &Piece, limits: &RegexLimits) -> Result<(), PatternError> {
    let alone = Automaton::new(std::slice::from_ref(piece), limits);
    alone
        .map(drop)
        .map_err(|error| PatternError::new(format!("`{}`: {error}", pattern.as_str())))
}

/// A list of regular expressions behind one automaton, or a few.
#[derive(Debug)]
pub(super) struct RegexSet {
    case: Case,
    patterns: usize,
    parts: Box<[Part]>,
}

/// An automaton, and the places of its patterns in the list.
#[derive(Debug)]
struct Part {
    automaton: Automaton,
    places: Box<[usize]>,
}

impl Part {
    fn new(automaton: Automaton, places: Vec<usize>) -> Self {
        let places = places.into();
        Self { automaton, places }
    }
}

impl RegexSet {
    /// Tells the place of every pattern that matches the whole path. Should an
    /// automaton give up, which its construction excludes, it fails closed:
    /// nothing is permitted and everything is denied.
    pub(super) fn each_match(&self, path: &str, mut found: impl FnMut(usize)) {
        for Part { automaton, places } in &self.parts {
            let walked = automaton.each_match(path.as_bytes(), |ix| {
                if let Some(&place) = places.get(ix) {
                    found(place);
                }
            });
            if walked.is_err() && self.case == Case::Folded {
                return (0..self.patterns).for_each(found);
            }
        }
    }

    fn memory(&self) -> usize {
        let parts = self.parts.iter();
        let each = parts.map(|part| part.automaton.memory() + size_of_val(&*part.places));
        each.sum()
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
