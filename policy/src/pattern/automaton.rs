//! One automaton for any number of regular expressions: a single pass over the
//! text, whatever their number, tells every one that matches all of it.
//!
//! A small automaton is a table; a large one is built as texts walk it, in a
//! bounded cache of each thread. Neither can run backwards or blow up (P7).

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::hybrid;
use regex_automata::nfa::thompson::{Compiler, NFA, WhichCaptures};
use regex_automata::util::pool::Pool;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};
use regex_syntax::hir::{Hir, Look};

use super::{PatternError, RegexLimits};

type NewCache = Box<dyn Fn() -> hybrid::dfa::Cache + Send + Sync + UnwindSafe + RefUnwindSafe>;

/// The automaton of a list of patterns; a match names its place in the list.
pub(super) enum Automaton {
    Dense(Box<dense::DFA<Vec<u32>>>),
    Lazy(Box<Lazy>),
}

pub(super) struct Lazy {
    dfa: Arc<hybrid::dfa::DFA>,
    caches: Pool<hybrid::dfa::Cache, NewCache>,
}

/// The automaton could not be walked to its end; nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unknown;

impl Automaton {
    /// Builds the automaton of patterns that each match whole texts.
    pub(super) fn new(patterns: &[Hir], limits: &RegexLimits) -> Result<Self, PatternError> {
        let nfa = nfa(patterns, limits)?;
        match dense(&nfa, limits) {
            Some(dfa) => Ok(Self::Dense(Box::new(dfa))),
            None => Ok(Self::Lazy(Box::new(Lazy::new(nfa, limits)?))),
        }
    }

    /// Tells the place of every pattern that matches the whole text.
    pub(super) fn each_match(&self, text: &[u8], found: impl FnMut(usize)) -> Result<(), Unknown> {
        match self {
            Self::Dense(dfa) => walk_dense(dfa, text, found),
            Self::Lazy(lazy) => lazy.walk(text, found),
        }
    }

    /// Bytes on the heap, caches of threads left out.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Dense(dfa) => dfa.memory_usage() + size_of::<dense::DFA<Vec<u32>>>(),
            Self::Lazy(lazy) => lazy.dfa.memory_usage() + size_of::<Lazy>(),
        }
    }
}

fn nfa(patterns: &[Hir], limits: &RegexLimits) -> Result<NFA, PatternError> {
    let anchored: Vec<Hir> = patterns.iter().map(anchored).collect();
    let config = NFA::config()
        .utf8(false)
        .which_captures(WhichCaptures::None)
        .nfa_size_limit(Some(limits.nfa_bytes));
    Compiler::new()
        .configure(config)
        .build_many_from_hir(&anchored)
        .map_err(|_| too_large(limits))
}

fn too_large(limits: &RegexLimits) -> PatternError {
    PatternError::new(format!(
        "the automaton needs more than {} KiB; write exact paths, prefixes or smaller counts",
        limits.nfa_bytes / 1024
    ))
}

fn anchored(hir: &Hir) -> Hir {
    Hir::concat(vec![
        Hir::look(Look::Start),
        hir.clone(),
        Hir::look(Look::End),
    ])
}

fn dense(nfa: &NFA, limits: &RegexLimits) -> Option<dense::DFA<Vec<u32>>> {
    if limits.dense_bytes == 0 {
        return None;
    }
    let config = dense::Config::new()
        .match_kind(MatchKind::All)
        .start_kind(StartKind::Anchored)
        .accelerate(false)
        .dfa_size_limit(Some(limits.dense_bytes))
        .determinize_size_limit(Some(limits.dense_bytes));
    dense::Builder::new()
        .configure(config)
        .build_from_nfa(nfa)
        .ok()
}

/// Every pattern ends in `\z`, so matches appear only behind the last byte.
fn walk_dense(
    dfa: &dense::DFA<Vec<u32>>,
    text: &[u8],
    mut found: impl FnMut(usize),
) -> Result<(), Unknown> {
    let start = start::Config::new().anchored(Anchored::Yes);
    let mut state = dfa.start_state(&start).map_err(|_| Unknown)?;
    for &byte in text {
        state = dfa.next_state(state, byte);
        if dfa.is_special_state(state) {
            if dfa.is_dead_state(state) {
                return Ok(());
            }
            if dfa.is_quit_state(state) {
                return Err(Unknown);
            }
        }
    }
    state = dfa.next_eoi_state(state);
    if dfa.is_match_state(state) {
        (0..dfa.match_len(state)).for_each(|ix| found(dfa.match_pattern(state, ix).as_usize()));
    }
    Ok(())
}

impl Lazy {
    /// Never gives up: without a minimum clear count the cache is emptied and
    /// filled again, and the least capacity always suffices for one state.
    fn new(nfa: NFA, limits: &RegexLimits) -> Result<Self, PatternError> {
        let config = hybrid::dfa::Config::new()
            .match_kind(MatchKind::All)
            .cache_capacity(limits.cache_bytes)
            .skip_cache_capacity_check(true);
        let dfa = hybrid::dfa::Builder::new()
            .configure(config)
            .build_from_nfa(nfa)
            .map_err(|_| too_large(limits))?;
        let dfa = Arc::new(dfa);
        let shared = Arc::clone(&dfa);
        let caches: NewCache = Box::new(move || shared.create_cache());
        Ok(Self {
            dfa,
            caches: Pool::new(caches),
        })
    }

    fn walk(&self, text: &[u8], mut found: impl FnMut(usize)) -> Result<(), Unknown> {
        let mut guard = self.caches.get();
        let (dfa, cache) = (&*self.dfa, &mut *guard);
        let start = start::Config::new().anchored(Anchored::Yes);
        let mut state = dfa.start_state(cache, &start).map_err(|_| Unknown)?;
        for &byte in text {
            state = dfa.next_state(cache, state, byte).map_err(|_| Unknown)?;
            if state.is_tagged() {
                if state.is_dead() {
                    return Ok(());
                }
                if state.is_quit() {
                    return Err(Unknown);
                }
            }
        }
        state = dfa.next_eoi_state(cache, state).map_err(|_| Unknown)?;
        if state.is_match() {
            (0..dfa.match_len(cache, state))
                .for_each(|ix| found(dfa.match_pattern(cache, state, ix).as_usize()));
        }
        Ok(())
    }
}

impl fmt::Debug for Automaton {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dense(_) => "Dense",
            Self::Lazy(_) => "Lazy",
        })
    }
}

#[cfg(test)]
#[path = "automaton_tests.rs"]
mod tests;
