//! Shares automata between indexes while a configuration is compiled: equal
//! lists of regular expressions, and ten thousand hosts often have the same,
//! become one automaton.
//!
//! Every list is compiled when it is first seen, so that none can fail later;
//! only the first few hundred get a table, which is fast and large.

use std::collections::HashMap;
use std::sync::Arc;

use regex_syntax::hir::Hir;

use super::automaton::Automaton;
use super::{Case, PatternError, Re2};

/// Bounds on memory for regular expressions.
#[derive(Clone, Debug)]
pub struct RegexLimits {
    /// The automaton of one list before it is made deterministic (P7).
    pub nfa_bytes: usize,
    /// A table larger than this is not built; states are then found as texts
    /// need them.
    pub dense_bytes: usize,
    /// How many lists may have a table.
    pub dense_lists: usize,
    /// What states found as texts need them may take, per list and thread.
    pub cache_bytes: usize,
}

impl Default for RegexLimits {
    fn default() -> Self {
        Self {
            nfa_bytes: 1 << 20,
            dense_bytes: 64 << 10,
            dense_lists: 256,
            cache_bytes: 64 << 10,
        }
    }
}

/// The lists seen so far. Needed only while indexes are built.
#[derive(Debug, Default)]
pub struct RegexPool {
    limits: RegexLimits,
    sets: HashMap<(Case, Box<[Re2]>), Arc<RegexSet>>,
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
            sets: HashMap::new(),
        }
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

    /// If a pattern of the list is too large by itself, the error names it.
    fn automaton(&self, case: Case, patterns: &[Re2]) -> Result<Automaton, PatternError> {
        let mut limits = self.limits.clone();
        if self.sets.len() >= limits.dense_lists {
            limits.dense_bytes = 0;
        }
        let hirs: Vec<Hir> = patterns
            .iter()
            .map(|pattern| pattern.of_paths(case))
            .collect::<Result<_, _>>()?;
        Automaton::new(&hirs, &limits).map_err(|error| {
            limits.dense_bytes = 0;
            let alone = |hir: &Hir| Automaton::new(std::slice::from_ref(hir), &limits);
            let mut each = patterns.iter().zip(&hirs);
            let culprit = each.find(|(_, hir)| alone(hir).is_err()).map_or_else(
                || format!("{} regular expressions of one host", patterns.len()),
                |(pattern, _)| format!("`{}`", pattern.as_str()),
            );
            PatternError::new(format!("{culprit}: {error}"))
        })
    }
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
