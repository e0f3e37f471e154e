//! Bytes both ways between two connections, until both have said all, one
//! breaks off, nothing has moved for too long, or the time is over.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use policy::refusal::{Failure, Refusal};
use tokio::io::{AsyncRead, AsyncWrite, split};
use tokio::time::sleep;

use super::copy::copy;

/// How a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Both sides had said all.
    Finished,
    /// Nothing moved for too long.
    Idle,
    /// It has stood as long as a tunnel may.
    Expired,
    /// One side broke off.
    Broken(Failure),
    /// The caller would not be let in any more.
    Lost(Refusal),
}

/// What has moved so far.
#[derive(Debug)]
pub(super) struct Traffic {
    /// Bytes from the caller.
    up: AtomicU64,
    /// Bytes to him.
    down: AtomicU64,
    /// Of these, bytes that were told of.
    up_told: AtomicU64,
    down_told: AtomicU64,
    begun: Instant,
    /// Milliseconds from the beginning until something moved last.
    last: AtomicU64,
}

impl Traffic {
    pub(super) fn new() -> Self {
        Self {
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            up_told: AtomicU64::new(0),
            down_told: AtomicU64::new(0),
            begun: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    pub(super) fn up(&self) -> u64 {
        self.up.load(Ordering::Relaxed)
    }

    pub(super) fn down(&self) -> u64 {
        self.down.load(Ordering::Relaxed)
    }

    /// Bytes from the caller, and to him, since this was asked last.
    pub(super) fn untold(&self) -> (u64, u64) {
        let since = |told: &AtomicU64, now: u64| {
            let before = told.swap(now, Ordering::Relaxed);
            now.saturating_sub(before)
        };
        (
            since(&self.up_told, self.up()),
            since(&self.down_told, self.down()),
        )
    }

    /// How long the tunnel has stood.
    pub(super) fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Counts what the caller sent before the relay began.
    pub(super) fn add_up(&self, bytes: usize) {
        self.moved(&self.up, bytes);
    }

    fn moved(&self, direction: &AtomicU64, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        direction.fetch_add(bytes, Ordering::Relaxed);
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// Waits until the tunnel has stood for `limit`.
    async fn older_than(&self, limit: Option<Duration>) {
        match limit {
            Some(limit) => sleep(limit.saturating_sub(self.begun.elapsed())).await,
            None => std::future::pending().await,
        }
    }

    /// Waits until nothing has moved for `limit`.
    async fn idle_for(&self, limit: Duration) {
        loop {
            let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
            let still = self.begun.elapsed().saturating_sub(last);
            match limit.checked_sub(still) {
                Some(rest) if !rest.is_zero() => sleep(rest).await,
                _ => return,
            }
        }
    }
}

/// How long a tunnel may do nothing, and how long it may stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) idle: Duration,
    pub(super) whole: Option<Duration>,
}

/// Relays until the end. A side that has said all is still told what the other
/// has to say.
pub(super) async fn relay(
    caller: impl AsyncRead + AsyncWrite,
    upstream: impl AsyncRead + AsyncWrite,
    traffic: &Traffic,
    bounds: Bounds,
) -> End {
    let (from_caller, to_caller) = split(caller);
    let (from_upstream, to_upstream) = split(upstream);
    let gone = [Failure::ClientGone, Failure::Closed];
    let [caller_gone, upstream_gone] = gone;
    let up = copy(from_caller, to_upstream, gone, |n| {
        traffic.moved(&traffic.up, n)
    });
    let down = copy(
        from_upstream,
        to_caller,
        [upstream_gone, caller_gone],
        |n| {
            traffic.moved(&traffic.down, n);
        },
    );
    tokio::select! {
        ended = async { tokio::try_join!(up, down) } => match ended {
            Ok(_) => End::Finished,
            Err(failure) => End::Broken(failure),
        },
        () = traffic.idle_for(bounds.idle) => End::Idle,
        () = traffic.older_than(bounds.whole) => End::Expired,
    }
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
