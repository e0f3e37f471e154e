//! One automaton for any number of regular expressions: a single pass over the
//! text, whatever their number, tells every one that matches.
//!
//! A small automaton is a table; a large one is built as texts walk it, in a
//! bounded cache of each thread. Neither can run backwards or blow up (P7).

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::hybrid::{self, LazyStateID};
use regex_automata::nfa::thompson::{Compiler, NFA, WhichCaptures};
use regex_automata::util::pool::Pool;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};
use regex_syntax::hir::{Hir, Look};

use super::{PatternError, RegexLimits};

type NewCache = Box<dyn Fn() -> hybrid::dfa::Cache + Send + Sync + UnwindSafe + RefUnwindSafe>;

/// A pattern, and what may stand between a match and the edges of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) hir: Hir,
    pub(super) before: Margin,
    pub(super) behind: Margin,
}

/// An automaton that were to walk through `.*` would have to remember which of
/// many patterns it saw before, at a cost beyond bounds: a thousand of them
/// took a second. What may be anything is therefore no part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Margin {
    Empty,
    Anything,
}

impl Piece {
    /// Matches whole texts.
    pub(super) fn whole(hir: Hir) -> Self {
        Self {
            hir,
            before: Margin::Empty,
            behind: Margin::Empty,
        }
    }

    /// Matches any part of a text.
    pub(super) fn part(hir: Hir) -> Self {
        Self {
            hir,
            before: Margin::Anything,
            behind: Margin::Anything,
        }
    }

    fn bounded(&self) -> Hir {
        let edge = |margin, look| match margin {
            Margin::Empty => Hir::look(look),
            Margin::Anything => Hir::empty(),
        };
        let start = edge(self.before, Look::Start);
        let end = edge(self.behind, Look::End);
        Hir::concat(vec![start, self.hir.clone(), end])
    }
}

/// The automaton of a list of patterns; a match names its place in the list.
pub(super) enum Automaton {
    Dense(Box<Dense>),
    Lazy(Box<Lazy>),
}

pub(super) struct Dense {
    pub(super) dfa: dense::DFA<Vec<u32>>,
    pub(super) anchored: Anchored,
}

pub(super) struct Lazy {
    dfa: Arc<hybrid::dfa::DFA>,
    anchored: Anchored,
    caches: Pool<hybrid::dfa::Cache, NewCache>,
}

/// The automaton could not be walked to its end; nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unknown;

impl Automaton {
    /// Builds the automaton of a list.
    pub(super) fn new(pieces: &[Piece], limits: &RegexLimits) -> Result<Self, PatternError> {
        let nfa = nfa(pieces, limits)?;
        let anchored = match pieces.iter().all(|piece| piece.before == Margin::Empty) {
            true => Anchored::Yes,
            false => Anchored::No,
        };
        match dense(&nfa, anchored, limits) {
            Some(dfa) => Ok(Self::Dense(Box::new(Dense { dfa, anchored }))),
            None => Ok(Self::Lazy(Box::new(Lazy::new(nfa, anchored, limits)?))),
        }
    }

    /// Tells the place of every pattern that matches, perhaps more than once:
    /// where anything may stand behind a match, it is told where it ends.
    pub(super) fn each_match(
        &self,
        text: &[u8],
        mut found: impl FnMut(usize),
    ) -> Result<(), Unknown> {
        let mut last = None;
        let unlike_the_last = |place| {
            if last != Some(place) {
                last = Some(place);
                found(place);
            }
        };
        match self {
            Self::Dense(dense) => dense.walk(text, unlike_the_last),
            Self::Lazy(lazy) => lazy.walk(text, unlike_the_last),
        }
    }

    /// Bytes on the heap, caches of threads left out.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Dense(dense) => dense.dfa.memory_usage() + size_of::<Dense>(),
            Self::Lazy(lazy) => lazy.dfa.get_nfa().memory_usage() + size_of::<Lazy>(),
        }
    }
}

fn nfa(pieces: &[Piece], limits: &RegexLimits) -> Result<NFA, PatternError> {
    let bounded: Vec<Hir> = pieces.iter().map(Piece::bounded).collect();
    let config = NFA::config()
        .utf8(false)
        .which_captures(WhichCaptures::None)
        .nfa_size_limit(Some(limits.nfa_bytes));
    Compiler::new()
        .configure(config)
        .build_many_from_hir(&bounded)
        .map_err(|_| too_large(limits))
}

fn too_large(limits: &RegexLimits) -> PatternError {
    PatternError::new(format!(
        "the automaton needs more than {} KiB; write exact paths, prefixes or smaller counts",
        limits.nfa_bytes / 1024
    ))
}

fn dense(nfa: &NFA, anchored: Anchored, limits: &RegexLimits) -> Option<dense::DFA<Vec<u32>>> {
    if limits.dense_bytes == 0 {
        return None;
    }
    let start = match anchored {
        Anchored::No => StartKind::Unanchored,
        Anchored::Yes | Anchored::Pattern(_) => StartKind::Anchored,
    };
    let config = dense::Config::new()
        .match_kind(MatchKind::All)
        .start_kind(start)
        .accelerate(false)
        .dfa_size_limit(Some(limits.dense_bytes))
        .determinize_size_limit(Some(limits.dense_bytes));
    dense::Builder::new()
        .configure(config)
        .build_from_nfa(nfa)
        .ok()
}

impl Dense {
    fn walk(&self, text: &[u8], mut found: impl FnMut(usize)) -> Result<(), Unknown> {
        let dfa = &self.dfa;
        let mut tell = |state| {
            if dfa.is_match_state(state) {
                let places = (0..dfa.match_len(state)).map(|ix| dfa.match_pattern(state, ix));
                places.for_each(|place| found(place.as_usize()));
            }
        };
        let start = start::Config::new().anchored(self.anchored);
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
                tell(state);
            }
        }
        tell(dfa.next_eoi_state(state));
        Ok(())
    }
}

impl Lazy {
    /// Never gives up: without a minimum clear count the cache is emptied and
    /// filled again, and the least capacity always suffices for one state.
    fn new(nfa: NFA, anchored: Anchored, limits: &RegexLimits) -> Result<Self, PatternError> {
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
            anchored,
            caches: Pool::new(caches),
        })
    }

    fn walk(&self, text: &[u8], mut found: impl FnMut(usize)) -> Result<(), Unknown> {
        let mut guard = self.caches.get();
        let (dfa, cache) = (&*self.dfa, &mut *guard);
        let mut tell = |cache: &hybrid::dfa::Cache, state: LazyStateID| {
            if state.is_match() {
                let places =
                    (0..dfa.match_len(cache, state)).map(|ix| dfa.match_pattern(cache, state, ix));
                places.for_each(|place| found(place.as_usize()));
            }
        };
        let start = start::Config::new().anchored(self.anchored);
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
                tell(cache, state);
            }
        }
        state = dfa.next_eoi_state(cache, state).map_err(|_| Unknown)?;
        tell(cache, state);
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
