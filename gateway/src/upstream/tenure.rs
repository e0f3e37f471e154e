//! How long a connection of a bounded upstream has stood, how often it has
//! served, and whether it may once more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use policy::destination::Bounds;

use super::breaker::{Breaker, Load};

/// See the module. Shared by the streams of a connection.
#[derive(Debug)]
pub(crate) struct Tenure {
    load: Arc<Load>,
    given: AtomicU32,
    most: u32,
    until: Option<Instant>,
}

impl Tenure {
    /// A connection is made, for a first request.
    pub(super) fn new(breaker: &Breaker) -> Self {
        let Bounds {
            requests_per_connection,
            age,
            ..
        } = breaker.bounds;
        Self {
            load: Arc::clone(breaker.load()),
            given: AtomicU32::new(1),
            most: requests_per_connection.map_or(u32::MAX, Into::into),
            until: age.and_then(|age| Instant::now().checked_add(age)),
        }
    }

    /// It is given one more request.
    pub(super) fn give(&self) {
        self.given.fetch_add(1, Ordering::Relaxed);
    }

    /// How long it may still serve; `None`: it may not. `Duration::MAX`: without
    /// bound.
    pub(super) fn remaining(&self) -> Option<Duration> {
        if self.given.load(Ordering::Relaxed) >= self.most {
            return None;
        }
        let Some(until) = self.until else {
            return Some(Duration::MAX);
        };
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Whose connection it is.
    pub(super) fn load(&self) -> &Arc<Load> {
        &self.load
    }
}
