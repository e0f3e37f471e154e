//! Shares automata between indexes while a configuration is compiled: equal
//! lists of regular expressions, and ten thousand hosts often have the same,
//! become one automaton.
//!
//! Every list is checked against the same limits when it is first seen; only
//! the first few hundred automata are built then, the others on first use.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use regex_syntax::hir::Hir;

use super::automaton::{self, Automaton, Unknown};
use super::{Case, PatternError, Re2};

/// Bounds on memory for regular expressions.
#[derive(Clone, Debug)]
pub struct RegexLimits {
    /// The automaton of one list before it is made deterministic (P7).
    pub nfa_bytes: usize,
    /// A table larger than this is not built; states are then found as texts
    /// need them.
    pub dense_bytes: usize,
    /// What such states may take, per list and thread.
    pub cache_bytes: usize,
    /// How many lists are built at once; the rest wait for their first use.
    pub eager_lists: usize,
}

impl Default for RegexLimits {
    fn default() -> Self {
        Self {
            nfa_bytes: 1 << 20,
            dense_bytes: 128 << 10,
            cache_bytes: 256 << 10,
            eager_lists: 512,
        }
    }
}

/// The lists seen so far. Needed only while indexes are built.
#[derive(Debug, Default)]
pub struct RegexPool {
    limits: Arc<RegexLimits>,
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
            limits: Arc::new(limits),
            sets: HashMap::new(),
        }
    }

    /// How many distinct lists there are.
    #[must_use]
    pub fn lists(&self) -> usize {
        self.sets.len()
    }

    /// Bytes of all automata built so far, caches of threads left out.
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
        let set = Arc::new(RegexSet {
            case,
            patterns: key.1.clone(),
            limits: Arc::clone(&self.limits),
            automaton: OnceLock::new(),
        });
        set.check()?;
        if self.sets.len() < self.limits.eager_lists {
            set.automaton();
        }
        self.sets.insert(key, Arc::clone(&set));
        Ok(set)
    }
}

/// A list of regular expressions behind one automaton.
#[derive(Debug)]
pub(super) struct RegexSet {
    case: Case,
    patterns: Box<[Re2]>,
    limits: Arc<RegexLimits>,
    automaton: OnceLock<Result<Automaton, Unknown>>,
}

impl RegexSet {
    /// Tells the place of every pattern that matches the whole path. When the
    /// automaton fails, which its check at load excludes, it fails closed:
    /// nothing is permitted and everything is denied.
    pub(super) fn each_match(&self, path: &str, mut found: impl FnMut(usize)) {
        let mut walk = |automaton: &Automaton| automaton.each_match(path.as_bytes(), &mut found);
        let walked = match self.automaton() {
            Ok(automaton) => walk(automaton),
            Err(unknown) => Err(*unknown),
        };
        if walked.is_err() && self.case == Case::Folded {
            (0..self.patterns.len()).for_each(found);
        }
    }

    fn automaton(&self) -> &Result<Automaton, Unknown> {
        self.automaton.get_or_init(|| {
            let hirs = self.hirs().map_err(|_| Unknown)?;
            Automaton::new(&hirs, &self.limits).map_err(|_| Unknown)
        })
    }

    /// Refuses a list that the automaton could not be built for. If a pattern
    /// of it is too large by itself, the error names it.
    fn check(&self) -> Result<(), PatternError> {
        let hirs = self.hirs()?;
        let Err(error) = automaton::check(&hirs, &self.limits) else {
            return Ok(());
        };
        let alone = |hir: &Hir| automaton::check(std::slice::from_ref(hir), &self.limits);
        let largest = self.patterns.iter().zip(&hirs);
        let largest = largest
            .into_iter()
            .find(|(_, hir)| alone(hir).is_err())
            .map_or_else(
                || format!("{} regular expressions of one host", self.patterns.len()),
                |(pattern, _)| format!("`{}`", pattern.as_str()),
            );
        Err(PatternError::new(format!("{largest}: {error}")))
    }

    fn hirs(&self) -> Result<Vec<Hir>, PatternError> {
        let each = self.patterns.iter();
        each.map(|pattern| pattern.of_paths(self.case)).collect()
    }

    fn memory(&self) -> usize {
        match self.automaton.get() {
            Some(Ok(automaton)) => automaton.memory(),
            _ => 0,
        }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
