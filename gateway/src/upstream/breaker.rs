//! What is open to an upstream at once, against its bounds (circuit breaking).
//!
//! A place is taken by one atomic step and given back when its holder is dropped,
//! whatever way that ends: a connection's with its socket, a request's with its
//! session. Counters outlive a reload that leaves the upstream what it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use policy::destination::Bounds;
use tokio::sync::Notify;

use crate::metrics::UpstreamState;

/// Requests that wait for a connection where the operator names no number: the
/// queue has an end (Envoy's own default).
const PENDING: u32 = 1024;

/// A bound that is reached, as operators write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overflow(pub(super) &'static str);

/// The bounds of an upstream, and what is open to it.
#[derive(Debug)]
pub(super) struct Breaker {
    pub(super) bounds: Bounds,
    load: Arc<Load>,
}

/// What is open to an upstream.
#[derive(Debug, Default)]
pub(crate) struct Load {
    connections: AtomicU32,
    /// Of these, those that wait in the pool.
    idle: AtomicU32,
    pending: AtomicU32,
    requests: AtomicU32,
    retries: AtomicU32,
    overflows: AtomicU64,
    /// Something may have become free for one that waits.
    freed: Notify,
    /// The last notice was passed on by who got it first.
    passed_on: AtomicBool,
}

/// One of what is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resource {
    Connection,
    Idle,
    Pending,
    Request,
    Retry,
}

/// One of them, held.
#[derive(Debug)]
#[must_use]
pub(crate) struct Place {
    load: Arc<Load>,
    of: Resource,
}

impl Breaker {
    /// Nothing where there is nothing to count.
    pub(super) fn new(bounds: Bounds) -> Option<Self> {
        (bounds != Bounds::default()).then(|| Self {
            bounds,
            load: Arc::default(),
        })
    }

    /// Goes on counting where another one stands.
    pub(super) fn succeed(&mut self, before: &Self) {
        self.load = Arc::clone(&before.load);
    }

    /// What is counted, by which connections know whose they are.
    pub(super) fn load(&self) -> &Arc<Load> {
        &self.load
    }

    pub(super) fn request(&self) -> Result<Place, Overflow> {
        let most = self.bounds.requests.map_or(u32::MAX, Into::into);
        self.enter(Resource::Request, most, "maxRequests")
    }

    /// To be held until there is a connection.
    pub(super) fn pending(&self) -> Result<Place, Overflow> {
        let most = match (self.bounds.pending, self.bounds.connections) {
            (Some(most), _) => most,
            (None, Some(_)) => PENDING,
            (None, None) => u32::MAX,
        };
        self.enter(Resource::Pending, most, "maxPendingRequests")
    }

    /// To be held for as long as the socket is open. No overflow yet: there may be
    /// a wait for it.
    pub(super) fn connection(&self) -> Option<Place> {
        let most = self.bounds.connections.map_or(u32::MAX, Into::into);
        self.load.take(Resource::Connection, most)
    }

    /// The same for those who do not wait.
    pub(super) fn connection_at_once(&self) -> Result<Place, Overflow> {
        self.connection()
            .ok_or_else(|| self.overflow("maxConnections"))
    }

    pub(super) fn retry(&self) -> Option<Place> {
        let most = self.bounds.retries.unwrap_or(u32::MAX);
        self.load.take(Resource::Retry, most)
    }

    /// The numbers as they are now.
    pub(super) fn tell(&self, state: &mut UpstreamState) {
        let number = |counter: &AtomicU32| counter.load(Ordering::Relaxed).into();
        state.connections = number(&self.load.connections);
        state.pending = number(&self.load.pending);
        state.requests = number(&self.load.requests);
        state.overflows = self.load.overflows.load(Ordering::Relaxed);
    }

    fn enter(&self, of: Resource, most: u32, word: &'static str) -> Result<Place, Overflow> {
        self.load.take(of, most).ok_or_else(|| self.overflow(word))
    }

    fn overflow(&self, word: &'static str) -> Overflow {
        self.load.overflows.fetch_add(1, Ordering::Relaxed);
        Overflow(word)
    }
}

impl Load {
    /// A connection goes into the pool.
    pub(super) fn idle(self: &Arc<Self>) -> Option<Place> {
        self.take(Resource::Idle, u32::MAX)
    }

    /// Whether the pool holds connections that could make room.
    pub(super) fn has_idle(&self) -> bool {
        self.idle.load(Ordering::Relaxed) > 0
    }

    /// To be enabled before one looks whether something is free: then nothing
    /// that becomes free meanwhile is missed.
    pub(super) fn freed(&self) -> tokio::sync::futures::Notified<'_> {
        self.freed.notified()
    }

    /// Something has become free.
    ///
    /// Whoever waits has said so before he looks, and whoever frees something does
    /// so before he asks here whether one waits: in one order of all these steps
    /// one of the two sees the other.
    pub(super) fn wake(&self) {
        if self.pending.load(Ordering::SeqCst) > 0 {
            self.freed.notify_one();
        }
    }

    /// Who was told could not use it: another is told, who does not pass it on again,
    /// lest it go round for ever.
    pub(super) fn pass_on(&self) {
        let others = self.pending.load(Ordering::SeqCst) > 1;
        if others && !self.passed_on.fetch_xor(true, Ordering::Relaxed) {
            self.freed.notify_one();
        }
    }

    fn take(self: &Arc<Self>, of: Resource, most: u32) -> Option<Place> {
        let one_more = |count: u32| (count < most).then(|| count.saturating_add(1));
        let counter = self.counter(of);
        let taken = counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more);
        taken.is_ok().then(|| Place {
            load: Arc::clone(self),
            of,
        })
    }

    fn counter(&self, of: Resource) -> &AtomicU32 {
        match of {
            Resource::Connection => &self.connections,
            Resource::Idle => &self.idle,
            Resource::Pending => &self.pending,
            Resource::Request => &self.requests,
            Resource::Retry => &self.retries,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.load.counter(self.of).fetch_sub(1, Ordering::SeqCst);
        // A request that ends leaves its connection, or its stream, to others.
        if let Resource::Connection | Resource::Request = self.of {
            self.load.wake();
        }
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
