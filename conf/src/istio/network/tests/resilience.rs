//! `connectionPool` and `outlierDetection`, and what they become.

use std::num::NonZeroU32;
use std::time::Duration;

use policy::destination::{Bounds, Outlier, Upstream, UpstreamProtocol};

use super::snapshot;

/// The upstream of a host to which a rule with this `trafficPolicy` applies.
fn upstream(protocol: &str, policy: &str) -> Upstream {
    let objects = format!(
        "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{ name: httpbin }}
spec: {{ hosts: [httpbin.org], ports: [{{ number: 80, name: p, protocol: {protocol} }}], resolution: DNS }}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{ name: httpbin }}
spec:
  host: httpbin.org
  trafficPolicy: {policy}
"
    );
    let snapshot = snapshot(&objects);
    assert_eq!(snapshot.grave().count(), 0, "{:?}", snapshot.warnings());
    snapshot.admission().upstreams()[0].clone()
}

#[test]
fn a_connection_pool_becomes_bounds() {
    let pool = "{ connectionPool: { tcp: { maxConnections: 7, connectTimeout: 3s, maxConnectionDuration: 1h, tcpKeepalive: {} }, http: { http1MaxPendingRequests: 1, http2MaxRequests: 9, maxRequestsPerConnection: 2, maxRetries: 4, idleTimeout: 20s, maxConcurrentStreams: 5 } } }";
    let upstream = upstream("HTTP", pool);
    assert_eq!(upstream.connect_timeout, Duration::from_secs(3));
    assert_eq!(upstream.idle_timeout, Duration::from_secs(20));
    assert_eq!(
        upstream.bounds,
        Bounds {
            connections: NonZeroU32::new(7),
            pending: Some(1),
            requests: NonZeroU32::new(9),
            retries: Some(4),
            requests_per_connection: NonZeroU32::new(2),
            streams: NonZeroU32::new(5),
            age: Some(Duration::from_secs(3600)),
        }
    );
}

#[test]
fn nothing_and_the_largest_number_are_no_bound() {
    let pool = "{ connectionPool: { tcp: { maxConnections: 2147483647 }, http: { http1MaxPendingRequests: 0, maxRequestsPerConnection: 0 } } }";
    assert_eq!(upstream("HTTP", pool).bounds, Bounds::default());
}

#[test]
fn the_version_of_http_follows_port_policy_and_caller() {
    let http = |word: &str| format!("{{ connectionPool: {{ http: {{ {word} }} }} }}");
    for (port, said, protocol) in [
        ("HTTP", "", UpstreamProtocol::Http1),
        ("HTTP", "h2UpgradePolicy: UPGRADE", UpstreamProtocol::Http2),
        ("HTTP", "h2UpgradePolicy: DEFAULT", UpstreamProtocol::Http1),
        ("HTTP2", "", UpstreamProtocol::Http2),
        (
            "GRPC",
            "h2UpgradePolicy: DO_NOT_UPGRADE",
            UpstreamProtocol::Http2,
        ),
        (
            "HTTP",
            "useClientProtocol: true, h2UpgradePolicy: UPGRADE",
            UpstreamProtocol::Caller,
        ),
    ] {
        assert_eq!(
            upstream(port, &http(said)).protocol,
            protocol,
            "{port} {said}"
        );
    }
}

#[test]
fn outlier_detection_has_istios_defaults() {
    let outlier = |said: &str| upstream("HTTP", &format!("{{ outlierDetection: {said} }}")).outlier;
    assert_eq!(outlier("{}"), Some(Outlier::default()));
    assert_eq!(
        outlier(
            "{ consecutive5xxErrors: 0, consecutiveGatewayErrors: 2, interval: 1s, baseEjectionTime: 3m, maxEjectionPercent: 50, minHealthPercent: 40 }"
        ),
        Some(Outlier {
            server_errors: None,
            gateway_errors: NonZeroU32::new(2),
            local_failures: None,
            interval: Duration::from_secs(1),
            ejection: Duration::from_secs(180),
            max_ejected: 50,
            min_healthy: 40,
        })
    );
    assert_eq!(
        outlier("{ splitExternalLocalOriginErrors: true }"),
        Some(Outlier {
            local_failures: NonZeroU32::new(5),
            ..Outlier::default()
        })
    );
    // 0.7 wrote it below `http`, and counted gateways' errors alone.
    assert_eq!(
        outlier("{ http: { consecutiveErrors: 7 } }"),
        Some(Outlier {
            server_errors: None,
            gateway_errors: NonZeroU32::new(7),
            ..Outlier::default()
        })
    );
}

#[test]
fn a_subsets_pool_takes_the_place_of_the_whole_pool() {
    let objects = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: httpbin }
spec:
  hosts: [httpbin.org]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 192.0.9.7, labels: { version: v2 } }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: httpbin }
spec:
  host: httpbin.org
  trafficPolicy:
    connectionPool: { tcp: { maxConnections: 7 } }
    outlierDetection: { consecutive5xxErrors: 9 }
  subsets:
    - name: v2
      labels: { version: v2 }
      trafficPolicy: { connectionPool: { http: { maxRetries: 1 } } }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: httpbin }
spec: { hosts: [httpbin.org], http: [{ route: [{ destination: { host: httpbin.org, subset: v2 } }] }] }
";
    let snapshot = snapshot(objects);
    let led = snapshot.admission().upstreams().iter();
    let own = led.filter(|upstream| upstream.bounds.retries.is_some());
    let [own] = own.collect::<Vec<_>>()[..] else {
        panic!("{:?}", snapshot.admission().upstreams());
    };
    assert_eq!(own.bounds.connections, None);
    assert_eq!(own.outlier.unwrap().server_errors, NonZeroU32::new(9));
}
