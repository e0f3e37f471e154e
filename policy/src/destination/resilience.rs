//! How an external server is spared: bounds on what is open to it at once, and
//! addresses that are left out for a while because they fail.

use std::num::NonZeroU32;
use std::time::Duration;

/// What may be open to an upstream at once (circuit breaking), and how long a
/// connection serves. `None`: no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Bounds {
    /// Connections, idle ones included.
    pub connections: Option<NonZeroU32>,
    /// Requests that have no connection yet.
    pub pending: Option<u32>,
    /// Requests under way.
    pub requests: Option<NonZeroU32>,
    /// Repeated attempts under way.
    pub retries: Option<u32>,
    /// Requests that one connection serves.
    pub requests_per_connection: Option<NonZeroU32>,
    /// Streams of one HTTP/2 connection at once.
    pub streams: Option<NonZeroU32>,
    /// How long a connection serves, a tunnel included.
    pub age: Option<Duration>,
}

impl Bounds {
    /// Those that hold for bytes, of which requests are not known.
    #[must_use]
    pub fn of_tunnels(self) -> Self {
        Self {
            connections: self.connections,
            age: self.age,
            ..Self::default()
        }
    }
}

/// When an address of an upstream is left out for a while (outlier detection).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlier {
    /// After so many failures in a row: answers of 500 and more, and what has no
    /// answer. `None`: never for these.
    pub server_errors: Option<NonZeroU32>,
    /// The same, of answers 502, 503 and 504 alone, and connections that fail.
    pub gateway_errors: Option<NonZeroU32>,
    /// The same, of connections that fail and answers that do not come in time;
    /// then these count nowhere else. `None`: they count as answers 503 and 504.
    pub local_failures: Option<NonZeroU32>,
    /// After so long without another ejection the next one is shorter by one step.
    pub interval: Duration,
    /// How long an address is left out the first time; the n-th time n times as long.
    pub ejection: Duration,
    /// No other address is left out once so many of a hundred are.
    pub max_ejected: u8,
    /// When fewer of a hundred would be left, all are used.
    pub min_healthy: u8,
}

impl Outlier {
    /// The longest an address is left out, unless `ejection` is longer (Envoy's).
    pub const LONGEST: Duration = Duration::from_secs(300);
    /// Failures in a row where the operator names no number (Envoy's).
    pub const ERRORS: NonZeroU32 = NonZeroU32::MIN.saturating_add(4);
}

/// Envoy's.
impl Default for Outlier {
    fn default() -> Self {
        Self {
            server_errors: Some(Self::ERRORS),
            gateway_errors: None,
            local_failures: None,
            interval: Duration::from_secs(10),
            ejection: Duration::from_secs(30),
            max_ejected: 10,
            min_healthy: 0,
        }
    }
}
