//! `pool` and `outlier` of an upstream: how long connections are kept, what may be
//! open at once, and when an address that fails is left out.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use policy::destination::{Bounds, Outlier};

use crate::fields::Fields;

/// How long an unused connection is kept.
pub(super) const IDLE: Duration = Duration::from_secs(60);

const SOME: RangeInclusive<NonZeroU32> = NonZeroU32::MIN..=NonZeroU32::MAX;

/// `pool` of an upstream for HTTP: how long unused connections are kept, and bounds.
pub(super) fn pool(fields: &Fields<'_>) -> (Duration, Bounds) {
    let read = |fields: &Fields<'_>| {
        let bounds = Bounds {
            pending: fields.number("maxPendingRequests", 0..=u32::MAX),
            requests: fields.number("maxRequests", SOME),
            retries: fields.number("maxRetries", 0..=u32::MAX),
            requests_per_connection: fields.number("maxRequestsPerConnection", SOME),
            streams: fields.number("maxConcurrentStreams", SOME),
            ..of_connections(fields)
        };
        (fields.duration("idle").unwrap_or(IDLE), bounds)
    };
    let written = fields.take("pool");
    let pool = written.and_then(|node| Fields::read(node, fields.report, read));
    pool.unwrap_or((IDLE, Bounds::default()))
}

/// `pool` of an upstream for tunnels, whose connections serve once.
pub(super) fn pool_of_tunnels(fields: &Fields<'_>) -> Bounds {
    let written = fields.take("pool");
    let pool = written.and_then(|node| Fields::read(node, fields.report, of_connections));
    pool.unwrap_or_default()
}

fn of_connections(fields: &Fields<'_>) -> Bounds {
    Bounds {
        connections: fields.number("maxConnections", SOME),
        age: fields.duration("maxConnectionDuration"),
        ..Bounds::default()
    }
}

/// `outlier`. What it does not name is as in Envoy.
pub(super) fn outlier(fields: &Fields<'_>) -> Option<Outlier> {
    Fields::read(fields.take("outlier")?, fields.report, |fields| {
        let usual = Outlier::default();
        let errors = |key| {
            let number = fields.number(key, 0..=u32::MAX);
            number.map(NonZeroU32::new)
        };
        let percent = |key| fields.number(key, 0..=100_u8);
        Outlier {
            server_errors: errors("consecutive5xx").unwrap_or(usual.server_errors),
            gateway_errors: errors("consecutiveGatewayErrors").flatten(),
            local_failures: errors("consecutiveLocalFailures").flatten(),
            interval: fields.duration("interval").unwrap_or(usual.interval),
            ejection: fields.duration("eject").unwrap_or(usual.ejection),
            max_ejected: percent("maxEjectionPercent").unwrap_or(usual.max_ejected),
            min_healthy: percent("minHealthPercent").unwrap_or(usual.min_healthy),
        }
    })
}
