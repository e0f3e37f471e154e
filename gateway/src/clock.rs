//! When something began, on both clocks: the wall's for records, the
//! monotonic one for durations.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A point in time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) at: Instant,
    /// Nanoseconds since 1970.
    pub(crate) nanos: i128,
}

impl Moment {
    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            at: Instant::now(),
            nanos: since.map_or(0, |d| i128::try_from(d.as_nanos()).unwrap_or(0)),
        }
    }
}
