//! What may be open to an upstream, and when an address is left out.

use std::num::NonZeroU32;
use std::time::Duration;

use policy::destination::*;

use super::*;

fn upstream(written: &str) -> Upstream {
    let text = format!("destinations: [{{ host: a.example, upstream: {written} }}]\n");
    admission(&text).upstreams()[0].clone()
}

#[test]
fn without_a_word_nothing_is_bounded_and_nothing_left_out() {
    let upstream = upstream("{}");
    assert_eq!(upstream.bounds, Bounds::default());
    assert_eq!(upstream.outlier, None);
}

#[test]
fn bounds_are_those_written() {
    let upstream = upstream(
        "{ pool: { idle: 90s, maxConnections: 200, maxPendingRequests: 0, maxRequests: 500,
            maxRetries: 3, maxRequestsPerConnection: 1000, maxConcurrentStreams: 20,
            maxConnectionDuration: 1h } }",
    );
    assert_eq!(upstream.idle_timeout, Duration::from_secs(90));
    assert_eq!(
        upstream.bounds,
        Bounds {
            connections: NonZeroU32::new(200),
            pending: Some(0),
            requests: NonZeroU32::new(500),
            retries: Some(3),
            requests_per_connection: NonZeroU32::new(1000),
            streams: NonZeroU32::new(20),
            age: Some(Duration::from_secs(3600)),
        }
    );
}

#[test]
fn outliers_are_as_in_envoy_unless_it_is_said() {
    let none_said = upstream("{ outlier: {} }").outlier;
    assert_eq!(none_said, Some(Outlier::default()));
    let all_said = upstream(
        "{ outlier: { consecutive5xx: 0, consecutiveGatewayErrors: 3, consecutiveLocalFailures: 2,
            interval: 1s, eject: 5s, maxEjectionPercent: 100, minHealthPercent: 50 } }",
    );
    assert_eq!(
        all_said.outlier,
        Some(Outlier {
            server_errors: None,
            gateway_errors: NonZeroU32::new(3),
            local_failures: NonZeroU32::new(2),
            interval: Duration::from_secs(1),
            ejection: Duration::from_secs(5),
            max_ejected: 100,
            min_healthy: 50,
        })
    );
}

#[test]
fn of_tunnels_connections_alone_are_bounded() {
    let written = "{ pool: { maxConnections: 2, maxConnectionDuration: 1m }, outlier: {} }";
    let text = format!(
        "version: 1
listeners: [{{ port: 5432, bind: 1, mode: tcp }}, {{ port: 443, bind: 2, mode: passthrough, tls: mutual }}]
tcp: [{{ host: a.test, at: gateway:5432, upstream: {written} }}]
passthrough: [{{ host: b.test, at: gateway:443, upstream: {written} }}]\n"
    );
    let file = |text: &str| [SourceFile::new("etc/egress.yaml", text)];
    let snapshot = compiled(&file(&text)).unwrap();
    for upstream in snapshot.admission().upstreams() {
        let bounds = Bounds {
            connections: NonZeroU32::new(2),
            age: Some(Duration::from_secs(60)),
            ..Bounds::default()
        };
        assert_eq!(upstream.bounds, bounds);
        assert_eq!(upstream.outlier, Some(Outlier::default()));
    }
    let problems = compiled(&file(&text.replace("maxConnections", "maxRequests"))).unwrap_err();
    assert!(
        problems
            .iter()
            .all(|p| p.contains("unknown field `maxRequests`")),
        "{problems:?}"
    );
}

#[test]
fn the_version_of_http_is_the_one_written() {
    for (word, protocol) in [
        ("http1", UpstreamProtocol::Http1),
        ("h2", UpstreamProtocol::Http2),
        ("auto", UpstreamProtocol::Auto),
        ("caller", UpstreamProtocol::Caller),
    ] {
        let upstream = upstream(&format!("{{ protocol: {word} }}"));
        assert_eq!(upstream.protocol, protocol);
    }
}
