//! `pool`, `outlier` and `via`, which upstreams of every kind have.

use std::fmt::Display;
use std::num::NonZeroU32;

use policy::destination::{Bounds, Outlier, Upstream};

use super::super::pool::IDLE;
use super::settings::duration;
use super::via::via;
use crate::yaml::emit::{Map, Out};

/// All of them.
pub(super) fn put_pool(map: &mut Map, upstream: &Upstream) {
    let Bounds {
        connections,
        pending,
        requests,
        retries,
        requests_per_connection,
        streams,
        age,
    } = upstream.bounds;
    let mut pool = Map::inline();
    if upstream.idle_timeout != IDLE {
        pool.put("idle", duration(upstream.idle_timeout));
    }
    pool.put_some("maxConnections", word(connections));
    pool.put_some("maxPendingRequests", word(pending));
    pool.put_some("maxRequests", word(requests));
    pool.put_some("maxRetries", word(retries));
    pool.put_some("maxRequestsPerConnection", word(requests_per_connection));
    pool.put_some("maxConcurrentStreams", word(streams));
    pool.put_some("maxConnectionDuration", age.map(duration));
    map.put_map("pool", pool);
    if let Some(policy) = &upstream.outlier {
        map.put("outlier", Out::Map(outlier(policy)));
    }
    if let Some(proxy) = &upstream.via {
        map.put("via", Out::Map(via(proxy)));
    }
}

/// What differs from Envoy's.
fn outlier(policy: &Outlier) -> Map {
    let usual = Outlier::default();
    let mut map = Map::inline();
    if policy.server_errors != usual.server_errors {
        let number = policy.server_errors.map_or(0, NonZeroU32::get);
        map.put("consecutive5xx", Out::word(number));
    }
    map.put_some("consecutiveGatewayErrors", word(policy.gateway_errors));
    map.put_some("consecutiveLocalFailures", word(policy.local_failures));
    if policy.interval != usual.interval {
        map.put("interval", duration(policy.interval));
    }
    if policy.ejection != usual.ejection {
        map.put("eject", duration(policy.ejection));
    }
    if policy.max_ejected != usual.max_ejected {
        map.put("maxEjectionPercent", Out::word(policy.max_ejected));
    }
    if policy.min_healthy != usual.min_healthy {
        map.put("minHealthPercent", Out::word(policy.min_healthy));
    }
    map
}

fn word(number: Option<impl Display>) -> Option<Out> {
    number.map(Out::word)
}
