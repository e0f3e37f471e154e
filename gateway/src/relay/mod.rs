//! Bytes both ways between two connections, until both have said all, one
//! breaks off, nothing has moved for too long, or the time is over.
//!
//! For tunnels, and for requests that became a conversation in another protocol.

mod copy;
mod splice;

use std::future::poll_fn;
use std::mem;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use policy::refusal::{Failure, Refusal};
use tokio::io::{AsyncRead, AsyncWrite, split};
use tokio::time::{sleep, timeout};

use crate::socket::{Caller, Plain, Presence};
use copy::copy;
use splice::splice;

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

    /// For how long nothing has moved.
    fn stillness(&self) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.begun.elapsed().saturating_sub(last)
    }

    /// Waits until nothing has moved for `limit`.
    async fn idle_for(&self, limit: Duration) {
        loop {
            match limit.checked_sub(self.stillness()) {
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

/// How long the upstream may take nothing of what a caller said who has gone. While
/// it takes nothing nobody reads from him, so his end would not come up by itself.
const UNHEARD: Duration = Duration::from_secs(5);

/// What it means that one of them breaks off.
const GONE: [Failure; 2] = [Failure::ClientGone, Failure::Closed];

/// Relays until the end. A side that has said all is still told what the other
/// has to say; a caller who is not there any more, by `presence`, is not waited for.
pub(crate) async fn relay(
    caller: Side<impl AsyncRead + AsyncWrite + Plain + Unpin>,
    upstream: Side<impl AsyncRead + AsyncWrite + Plain + Unpin>,
    presence: &Presence,
    traffic: &Traffic,
    bounds: Bounds,
) -> End {
    tokio::select! {
        end = move_all(caller, upstream, traffic, bounds) => end,
        () = unheard(presence, traffic, bounds) => End::Broken(Failure::ClientGone),
    }
}

/// Waits until the caller has gone and what he said is not taken.
async fn unheard(presence: &Presence, traffic: &Traffic, bounds: Bounds) {
    loop {
        sleep(UNHEARD).await;
        let is_over = match presence.now().await {
            Caller::There => false,
            // Where the end of one side is not that of both, he may be listening.
            Caller::SaidAll => bounds.rest.is_some(),
            Caller::Gone => true,
        };
        if is_over && traffic.stillness() >= UNHEARD {
            return;
        }
    }
}

async fn move_all(
    mut caller: Side<impl AsyncRead + AsyncWrite + Plain + Unpin>,
    mut upstream: Side<impl AsyncRead + AsyncWrite + Plain + Unpin>,
    traffic: &Traffic,
    bounds: Bounds,
) -> End {
    let [caller_gone, upstream_gone] = GONE;
    let [upward, downward] = [GONE, [upstream_gone, caller_gone]];
    let moved_up = |bytes| traffic.moved(&traffic.up, bytes);
    let moved_down = |bytes| traffic.moved(&traffic.down, bytes);
    let (up_first, down_first) = (mem::take(&mut caller.read), mem::take(&mut upstream.read));
    if let (Some(caller), Some(upstream)) = (caller.stream.plain(), upstream.stream.plain()) {
        let up = splice(up_first, caller, upstream, upward, moved_up);
        let down = splice(down_first, upstream, caller, downward, moved_down);
        return both(up, down, traffic, bounds).await;
    }
    let (from_caller, to_caller) = split(caller.stream);
    let (from_upstream, to_upstream) = split(upstream.stream);
    let up = copy(up_first, from_caller, to_upstream, upward, moved_up);
    let down = copy(down_first, from_upstream, to_caller, downward, moved_down);
    both(up, down, traffic, bounds).await
}

/// Both directions, to the end.
async fn both(
    up: impl Future<Output = Result<(), Failure>>,
    down: impl Future<Output = Result<(), Failure>>,
    traffic: &Traffic,
    bounds: Bounds,
) -> End {
    let (mut up, mut down) = (pin!(up), pin!(down));
    let both = async {
        tokio::select! {
            ended = &mut up => {
                ended?;
                within(bounds.rest, down).await
            }
            ended = &mut down => {
                ended?;
                within(bounds.rest, up).await
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

/// Waits until everybody else who has something to do has had a turn.
pub(crate) async fn after_the_others() {
    let mut waited = false;
    poll_fn(|cx| match mem::replace(&mut waited, true) {
        true => Poll::Ready(()),
        false => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

/// What comes of one direction in the time it may have. Where that is bounded, the
/// other one's end was that of all, and however this one ends is as good.
async fn within(
    limit: Option<Duration>,
    direction: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    match limit {
        Some(limit) => {
            let _ = timeout(limit, direction).await;
            Ok(())
        }
        None => direction.await,
    }
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
