//! `connectionPool` and `outlierDetection` of a DestinationRule.

use std::num::NonZeroU32;
use std::time::Duration;

use policy::destination::{Bounds, Outlier, UpstreamProtocol};

use super::super::proto::{choice, duration, pass_over};
use crate::fields::Fields;
use crate::report::Report;

/// What a rule says of connections.
#[derive(Clone, Debug, Default)]
pub(super) struct ConnectionPool {
    pub(super) connect_timeout: Option<Duration>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) bounds: Bounds,
    /// Whatever the port's name says.
    pub(super) protocol: Option<UpstreamProtocol>,
}

/// `connectionPool`. Nothing and 0 are Istio's own words for no bound.
pub(super) fn connection_pool(fields: &Fields<'_>, report: &Report) -> ConnectionPool {
    let mut pool = ConnectionPool::default();
    if let Some(node) = fields.take("tcp") {
        Fields::read_proto(node, report, |fields| tcp(fields, &mut pool));
    }
    if let Some(node) = fields.take("http") {
        Fields::read_proto(node, report, |fields| http(fields, &mut pool));
    }
    pool
}

fn tcp(fields: &Fields<'_>, pool: &mut ConnectionPool) {
    pool.connect_timeout = time(fields, "connectTimeout");
    pool.idle_timeout = time(fields, "idleTimeout");
    pool.bounds.connections = count(fields, "maxConnections");
    pool.bounds.age = time(fields, "maxConnectionDuration");
    pass_over(fields, &["tcpKeepalive"]);
}

fn http(fields: &Fields<'_>, pool: &mut ConnectionPool) {
    pool.idle_timeout = time(fields, "idleTimeout").or(pool.idle_timeout);
    let upgrades = [
        ("DEFAULT", 0, None),
        ("DO_NOT_UPGRADE", 1, Some(UpstreamProtocol::Http1)),
        ("UPGRADE", 2, Some(UpstreamProtocol::Http2)),
    ];
    pool.protocol = choice(fields, "h2UpgradePolicy", &upgrades).flatten();
    // Then the policy above has no effect, as Istio documents.
    if fields.truth("useClientProtocol") == Some(true) {
        pool.protocol = Some(UpstreamProtocol::Caller);
    }
    let bounds = &mut pool.bounds;
    bounds.pending = count(fields, "http1MaxPendingRequests").map(NonZeroU32::get);
    bounds.requests = count(fields, "http2MaxRequests");
    bounds.requests_per_connection = count(fields, "maxRequestsPerConnection");
    bounds.retries = count(fields, "maxRetries").map(NonZeroU32::get);
    bounds.streams = count(fields, "maxConcurrentStreams");
    pass_over(fields, &["http2KeepAlive"]);
}

fn time(fields: &Fields<'_>, key: &'static str) -> Option<Duration> {
    duration(fields, key).filter(|time| !time.is_zero())
}

fn count(fields: &Fields<'_>, key: &'static str) -> Option<NonZeroU32> {
    // Of the type `int32`, whose largest value is Istio's word for no bound.
    let number = fields.number(key, 0..=u32::MAX)?;
    NonZeroU32::new(number).filter(|number| number.get() < i32::MAX.unsigned_abs())
}

/// `outlierDetection`; of 0.7, with all of it below `http`.
pub(super) fn outlier_detection(fields: &Fields<'_>, report: &Report) -> Outlier {
    match fields.take("http") {
        Some(node) => Fields::read_proto(node, report, outlier).unwrap_or_default(),
        None => outlier(fields),
    }
}

fn outlier(fields: &Fields<'_>) -> Outlier {
    let usual = Outlier::default();
    let errors = |key| {
        let number = fields.number(key, 0..=u32::MAX);
        number.map(NonZeroU32::new)
    };
    let percent = |key| fields.number(key, 0..=100_u8);
    let mut policy = Outlier {
        server_errors: errors("consecutive5xxErrors").unwrap_or(usual.server_errors),
        gateway_errors: errors("consecutiveGatewayErrors").flatten(),
        interval: time(fields, "interval").unwrap_or(usual.interval),
        ejection: time(fields, "baseEjectionTime").unwrap_or(usual.ejection),
        // Istio passes 0 on as nothing said.
        max_ejected: percent("maxEjectionPercent")
            .filter(|percent| *percent > 0)
            .unwrap_or(usual.max_ejected),
        min_healthy: percent("minHealthPercent").unwrap_or(usual.min_healthy),
        ..usual
    };
    // The older name of the errors of gateways, which alone counted then.
    if let Some(Some(number)) = errors("consecutiveErrors") {
        policy.gateway_errors = Some(number);
        policy.server_errors = None;
    }
    let local = errors("consecutiveLocalOriginFailures").unwrap_or(Some(Outlier::ERRORS));
    if fields.truth("splitExternalLocalOriginErrors") == Some(true) {
        policy.local_failures = local;
    }
    policy
}
