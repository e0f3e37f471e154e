//! Bounded waiting for what another process or thread will do.
//!
//! Tests never sleep for a fixed time and hope; they ask again and again until
//! the thing is so, or fail at a limit with a sentence about what was missing.

use std::thread;
use std::time::{Duration, Instant};

/// Pause between two looks.
const STEP: Duration = Duration::from_millis(10);

/// How long parts may take to start, and log lines to appear, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Asks `probe` until it answers, at most for `limit`; `None` when it never did.
pub fn within<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return Some(found);
        }
        if start.elapsed() >= limit {
            return None;
        }
        thread::sleep(STEP);
    }
}

/// As [`within`] with [`PATIENCE`].
///
/// # Panics
/// When the limit passes: says that `what` did not happen.
#[track_caller]
pub fn until<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    match within(PATIENCE, probe) {
        Some(found) => found,
        None => panic!("not within {PATIENCE:?}: {what}"),
    }
}
