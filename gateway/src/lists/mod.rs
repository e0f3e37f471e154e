//! Remote lists: each asked for in its time, its last good content kept for
//! its `ttl`.
//!
//! Decides nothing and compiles nothing: it says when what is known of the
//! lists has changed, and what that is. Content takes effect when a snapshot
//! made with it does; content no snapshot can be made with is refused whole.

mod fetch;
mod state;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use conf::Problem;
use conf::remote::{KnownLists, RemoteList};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::gateway::Gateway;
use fetch::{Fetched, fetch};
use state::State;

/// When a snapshot could not be made for other reasons.
const COMPILE_AGAIN: Duration = Duration::from_secs(5);

/// What a fetch came to, and when it began.
type Ended = (Result<Fetched, String>, Instant);

/// What is known of every list the running snapshot asks.
#[derive(Debug)]
pub(crate) struct Lists {
    states: Vec<State>,
    fetches: JoinSet<Ended>,
    /// There is something new to be compiled, from then on.
    compile: Option<Instant>,
    settled: Arc<AtomicBool>,
}

impl Lists {
    /// Nothing known of `lists` yet.
    pub(crate) fn new(lists: &[RemoteList]) -> Self {
        let mut new = Self {
            states: Vec::new(),
            fetches: JoinSet::new(),
            compile: None,
            settled: Arc::default(),
        };
        new.follow(lists);
        new
    }

    /// True once every list there was at first has been asked for, and what
    /// was answered is in force.
    pub(crate) fn settled(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.settled)
    }

    /// Asks for these lists from now on, and for no others.
    pub(crate) fn follow(&mut self, lists: &[RemoteList]) {
        let mut before = std::mem::take(&mut self.states);
        for list in lists {
            let known = before.iter().position(|state| state.is_of(list));
            let state = known.map(|index| before.swap_remove(index));
            self.states.push(match state {
                Some(state) => state.rewritten(list),
                None => State::new(list),
            });
        }
    }

    /// There is another configuration.
    pub(crate) fn forgive(&mut self) {
        self.states.iter_mut().for_each(State::forgive);
    }

    /// What a configuration may be compiled with now.
    pub(crate) fn known(&self) -> KnownLists {
        let known = self.states.iter().filter_map(State::known);
        known.collect()
    }

    /// Fetches what is due until there is something new to compile. May be
    /// dropped while it waits.
    pub(crate) async fn changed(&mut self, gateway: &Arc<Gateway>) {
        loop {
            self.settle();
            let now = Instant::now();
            if self.compile.is_some_and(|at| at <= now) {
                self.compile = Some(now + COMPILE_AGAIN);
                return;
            }
            self.begin(gateway);
            let wake = self.states.iter().map(State::wake).chain(self.compile);
            let wake = wake.min();
            tokio::select! {
                Some(ended) = self.fetches.join_next_with_id() => self.take(ended, gateway),
                () = sleep_until(wake.unwrap_or(now)), if wake.is_some() => self.give_up(),
                // Nothing to wait for, until another snapshot asks for a list.
                else => std::future::pending().await,
            }
        }
    }

    /// What `known` said is in force.
    pub(crate) fn accepted(&mut self) {
        self.compile = None;
        self.states.iter_mut().for_each(State::accepted);
    }

    /// Refuses the content in which a configuration has these problems;
    /// whether there is any, so that it is worth trying again without.
    pub(crate) fn refuse(&mut self, problems: &[Problem], gateway: &Gateway) -> bool {
        let mut any = false;
        for state in &mut self.states {
            any |= state.refuse(problems, gateway);
        }
        any
    }

    fn settle(&self) {
        if self.compile.is_none() && self.states.iter().all(State::was_asked) {
            self.settled.store(true, Ordering::Release);
        }
    }

    fn begin(&mut self, gateway: &Arc<Gateway>) {
        let now = Instant::now();
        for state in self.states.iter_mut().filter(|state| state.is_due(now)) {
            let gateway = Arc::clone(gateway);
            let (list, tag) = (state.list().clone(), state.tag());
            let task = self.fetches.spawn(async move {
                let live = gateway.live();
                (fetch(&gateway, &live, &list, tag.as_deref()).await, now)
            });
            state.begun(task.id());
        }
    }

    fn take(
        &mut self,
        ended: Result<(tokio::task::Id, Ended), tokio::task::JoinError>,
        gateway: &Gateway,
    ) {
        let (id, ended) = match ended {
            Ok((id, ended)) => (id, ended),
            Err(error) => {
                let broken = Err("fetching broke off".to_owned());
                (error.id(), (broken, Instant::now()))
            }
        };
        // A list that is not asked for any more has no state.
        let state = self.states.iter_mut().find(|state| state.awaits(id));
        if state.is_some_and(|state| state.ended(ended, gateway)) {
            self.compile = Some(Instant::now());
        }
    }

    fn give_up(&mut self) {
        let now = Instant::now();
        for state in &mut self.states {
            if state.give_up(now) {
                self.compile = Some(now);
            }
        }
    }
}
