//! Shares automata between indexes while a configuration is compiled: equal
//! lists of regular expressions, and ten thousand hosts often have the same,
//! become one automaton.
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
        self.sets.values().map(|set| set.automaton.memory()).sum()
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
            automaton: self.automaton(*case, patterns)?,
        });
        self.sets.insert(key, Arc::clone(&set));
        Ok(set)
    }

    fn automaton(&self, case: Case, patterns: &[Re2]) -> Result<Automaton, PatternError> {
        let late = self.limits.late();
        let limits = match self.sets.len() < late.large_lists {
            true => &self.limits,
            false => &late,
        };
        let pieces = patterns.iter().map(|pattern| pattern.piece(case));
        let pieces: Vec<Piece> = pieces.collect::<Result<_, _>>()?;
        // A list of the size of one pattern has none that is larger.
        Automaton::new(&pieces, limits).or_else(|_| {
            let each = patterns.iter().zip(&pieces);
            each.into_iter()
                .try_for_each(|(pattern, piece)| check(pattern, piece, &late))?;
            let long = RegexLimits {
                nfa_bytes: limits.list_nfa_bytes,
                dense_bytes: 0,
                ..limits.clone()
            };
            Automaton::new(&pieces, &long).map_err(|error| {
                let count = patterns.len();
                PatternError::new(format!("{count} regular expressions of one host: {error}"))
            })
        })
    }
}

fn check(pattern: &Re2, piece: &Piece, limits: &RegexLimits) -> Result<(), PatternError> {
    let alone = Automaton::new(std::slice::from_ref(piece), limits);
    alone
        .map(drop)
        .map_err(|error| PatternError::new(format!("`{}`: {error}", pattern.as_str())))
}

/// A list of regular expressions behind one automaton.
#[derive(Debug)]
pub(super) struct RegexSet {
    case: Case,
    patterns: usize,
    automaton: Automaton,
}

impl RegexSet {
    /// Tells the place of every pattern that matches the whole path. Should the
    /// automaton give up, which its construction excludes, it fails closed:
    /// nothing is permitted and everything is denied.
    pub(super) fn each_match(&self, path: &str, mut found: impl FnMut(usize)) {
        let walked = self.automaton.each_match(path.as_bytes(), &mut found);
        if walked.is_err() && self.case == Case::Folded {
            (0..self.patterns).for_each(found);
        }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
