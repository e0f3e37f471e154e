//! Bytes both ways between two connections, until both have said all, one
//! breaks off, nothing has moved for too long, or the time is over.
//!
//! For tunnels, and for requests that became a conversation in another protocol.

mod copy;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use policy::refusal::{Failure, Refusal};
use tokio::io::{AsyncRead, AsyncWrite, split};
use tokio::time::{sleep, timeout};

use copy::copy;

/// How a relay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Both sides had said all.
    Finished,
    /// Nothing moved for too long.
    Idle,
    /// It has stood as long as it may.
    Expired,
    /// One side broke off.
    Broken(Failure),
    /// The caller would not be let in any more.
    Lost(Refusal),
}

/// What has moved so far.
#[derive(Debug)]
pub(crate) struct Traffic {
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
    pub(crate) fn new() -> Self {
        Self {
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            up_told: AtomicU64::new(0),
            down_told: AtomicU64::new(0),
            begun: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    pub(crate) fn up(&self) -> u64 {
        self.up.load(Ordering::Relaxed)
    }

    pub(crate) fn down(&self) -> u64 {
        self.down.load(Ordering::Relaxed)
    }

    /// Bytes from the caller, and to him, since this was asked last.
    pub(crate) fn untold(&self) -> (u64, u64) {
        let since = |told: &AtomicU64, now: u64| {
            let before = told.swap(now, Ordering::Relaxed);
            now.saturating_sub(before)
        };
        (
            since(&self.up_told, self.up()),
            since(&self.down_told, self.down()),
        )
    }

    /// How long the relay has stood.
    pub(crate) fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    fn moved(&self, direction: &AtomicU64, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        direction.fetch_add(bytes, Ordering::Relaxed);
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// Waits until the relay has stood for `limit`.
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

/// How long a relay may do what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Do nothing.
    pub(crate) idle: Duration,
    /// Stand.
    pub(crate) whole: Option<Duration>,
    /// Go on once one side has said all.
    pub(crate) rest: Option<Duration>,
}

/// One of the two.
#[derive(Debug)]
pub(crate) struct Side<S> {
    pub(crate) stream: S,
    /// What has been read of it before the relay, and belongs to the other side.
    pub(crate) read: Vec<u8>,
}

/// Relays until the end. A side that has said all is still told what the other
/// has to say.
pub(crate) async fn relay(
    caller: Side<impl AsyncRead + AsyncWrite>,
    upstream: Side<impl AsyncRead + AsyncWrite>,
    traffic: &Traffic,
    bounds: Bounds,
) -> End {
    let (from_caller, to_caller) = split(caller.stream);
    let (from_upstream, to_upstream) = split(upstream.stream);
    let gone = [Failure::ClientGone, Failure::Closed];
    let [caller_gone, upstream_gone] = gone;
    let up = copy(caller.read, from_caller, to_upstream, gone, |n| {
        traffic.moved(&traffic.up, n)
    });
    let down = copy(
        upstream.read,
        from_upstream,
        to_caller,
        [upstream_gone, caller_gone],
        |n| {
            traffic.moved(&traffic.down, n);
        },
    );
    let (mut up, mut down) = (pin!(up), pin!(down));
    let both = async {
        tokio::select! {
            ended = &mut up => {
                ended?;
                within(bounds.rest, down).await
            }
            ended = &mut down => {
                ended?;
                let last = within(bounds.rest, up).await;
                // Where he has only to close, too, he may do so as he likes.
                if bounds.rest.is_some() { Ok(()) } else { last }
            }
        }
    };
    tokio::select! {
        ended = both => match ended {
            Ok(()) => End::Finished,
            Err(failure) => End::Broken(failure),
        },
        () = traffic.idle_for(bounds.idle) => End::Idle,
        () = traffic.older_than(bounds.whole) => End::Expired,
    }
}

/// What a future has to give without waiting. What it would have waited for is
/// lost, unless it may be dropped at any time.
pub(crate) async fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(given) => Some(given),
            Poll::Pending => None,
        })
    })
    .await
}

/// What comes of one direction in the time it may have; to be cut off is an end.
async fn within(
    limit: Option<Duration>,
    direction: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    match limit {
        Some(limit) => timeout(limit, direction).await.unwrap_or(Ok(())),
        None => direction.await,
    }
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
