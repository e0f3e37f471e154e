use std::time::Duration;

use policy::authoriser::Word;

use crate::record::samples::World;
use crate::record::{Authorisation, SinkStats};

use super::*;

fn metrics() -> Metrics {
    let gateway = GatewayName {
        name: "istio-egressgateway".into(),
        namespace: "istio-system".into(),
        pod: "istio-egressgateway-1".into(),
        labels: Default::default(),
        root_namespace: "istio-system".into(),
    };
    Metrics::new(
        &gateway,
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_197_724_533),
    )
}

fn sinks() -> Vec<SinkStats> {
    vec![SinkStats {
        sink: "stdout".into(),
        written: 7,
        dropped: 1,
        errors: 0,
    }]
}

#[test]
fn exposes_exactly_this_text() {
    let metrics = metrics();
    let world = World::new();
    metrics.observe(&world.allowed());
    metrics.observe(&world.allowed());
    metrics.observe(&Record {
        failure: Some("connect_failure"),
        response_code: 503,
        response_flags: "UF,URX".into(),
        grpc: true,
        grpc_status: Some(14),
        duration: Duration::from_micros(400),
        authoriser: Some(Authorisation {
            authoriser: "opa",
            verdict: Word::No,
            duration: Duration::from_millis(3),
            error: None,
        }),
        ..world.allowed()
    });
    metrics.observe(&world.handshake());
    metrics.observe(&world.tunnel());
    metrics.observe(&Record {
        decision: crate::record::Decision::Deny,
        refusal: Some("not_allowed"),
        destination: None,
        ..world.tunnel()
    });
    metrics.observe(&Record {
        is_cut: true,
        protocol: Some("HTTP/2"),
        refusal: Some("frame_flood"),
        ..world.handshake()
    });
    metrics.memory_seen(90, Some(100), 1);
    let _open = metrics.connection_opened();
    drop(metrics.connection_opened());
    metrics.upstream_connected();
    let _socket = metrics.websocket_opened();
    drop(metrics.websocket_opened());
    metrics.reloaded(Reload::Applied);
    metrics.using_snapshot("0123456789ab");
    let text = text_of(&metrics, &sinks(), states());
    let expected = golden();
    for (line, (got, wanted)) in text.lines().zip(expected.lines()).enumerate() {
        assert_eq!(got, wanted, "line {}", line + 1);
    }
    assert!(text == expected, "one has more lines than the other");
}

fn text_of(
    metrics: &Metrics,
    sinks: &[SinkStats],
    states: impl IntoIterator<Item = (String, UpstreamState)>,
) -> String {
    let mut text = Vec::new();
    metrics.render(sinks, states, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// Two upstreams of one name, and another.
fn states() -> Vec<(String, UpstreamState)> {
    let one = UpstreamState {
        connections: 3,
        pending: 1,
        requests: 2,
        overflows: 7,
        ejected: 1,
        ejections: 4,
    };
    [
        "outbound|443||b.test",
        "outbound|443||a.test",
        "outbound|443||b.test",
    ]
    .map(|name| (name.to_owned(), one))
    .to_vec()
}

/// The expected text, in which the labels that never vary are abbreviated.
fn golden() -> String {
    include_str!("exposition.golden")
        .replace(
            "<GATEWAY>",
            concat!(
                r#"reporter="source",source_workload="istio-egressgateway","#,
                r#"source_canonical_service="istio-egressgateway","#,
                r#"source_canonical_revision="latest",source_workload_namespace="istio-system","#,
                r#"source_principal="unknown",source_app="istio-egressgateway","#,
                r#"source_version="",source_cluster="Kubernetes""#,
            ),
        )
        .replace(
            "<WORKLOAD>",
            concat!(
                r#"destination_workload="unknown",destination_workload_namespace="unknown","#,
                r#"destination_principal="unknown",destination_app="unknown","#,
                r#"destination_version="unknown""#,
            ),
        )
        .replace(
            "<SERVICE>",
            concat!(
                r#"destination_service="edition.cnn.com",destination_canonical_service="unknown","#,
                r#"destination_canonical_revision="latest","#,
                r#"destination_service_name="edition.cnn.com","#,
                r#"destination_service_namespace="unknown",destination_cluster="unknown""#,
            ),
        )
        .replace("<VERSION>", env!("CARGO_PKG_VERSION"))
}

/// The value of the sample whose name and labels contain all of `parts`.
fn sample(text: &str, parts: &[&str]) -> Option<u64> {
    let line = text
        .lines()
        .find(|line| parts.iter().all(|part| line.contains(part)))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn adds_up_all_threads_and_two_registries_do_not_mix() {
    let (one, other) = (metrics(), metrics());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let world = World::new();
                for _ in 0..500 {
                    one.observe(&world.allowed());
                }
                other.observe(&world.denied());
            });
        }
    });
    let text = text_of(&one, &[], []);
    assert_eq!(
        sample(&text, &["istio_requests_total{", "\"200\""]),
        Some(2_000)
    );
    assert_eq!(
        sample(&text, &["egret_requests_total{", "\"200\""]),
        Some(2_000)
    );
    assert_eq!(sample(&text, &["egret_requests_total{", "\"403\""]), None);
    assert_eq!(
        sample(
            &text_of(&other, &[], []),
            &["egret_requests_total{", "\"403\""]
        ),
        Some(4)
    );
}

#[test]
fn destinations_are_labels_as_configured_never_as_called() {
    let metrics = metrics();
    let world = World::new();
    for number in 0..50 {
        let host = format!("h{number}.evil.example");
        let authority = Some((&*host).into());
        metrics.observe(&Record {
            destination: None,
            authority,
            ..world.denied()
        });
    }
    let text = text_of(&metrics, &[], []);
    assert!(!text.contains("evil"));
    let parts = ["istio_requests_total{", "destination_service=\"unknown\""];
    assert_eq!(sample(&text, &parts), Some(50));
}

/// Every status with every status of gRPC, and flags of all kinds.
#[test]
fn an_origin_cannot_make_series_without_end() {
    let metrics = metrics();
    let world = World::new();
    let mut observed = 0;
    for status in 100..1_000 {
        for grpc_status in [None, Some(0), Some(status % 20), Some(status)] {
            metrics.observe(&Record {
                response_code: status,
                grpc: grpc_status.is_some(),
                grpc_status,
                ..world.allowed()
            });
            observed += 1;
        }
    }
    // Another destination still has series of its own.
    metrics.observe(&Record {
        destination: Some("*.test"),
        ..world.allowed()
    });
    let text = text_of(&metrics, &[], []);
    let series = |of: &str| {
        let named = text
            .lines()
            .filter(|l| l.starts_with("istio_requests_total{"));
        let named = named.filter(|line| line.contains(of));
        let value = |line: &str| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
        named.map(value).collect::<Vec<_>>()
    };
    let own = series("destination_service=\"edition.cnn.com\"");
    assert_eq!(own.len(), OF_DESTINATION + 1);
    assert_eq!(own.iter().sum::<u64>(), observed, "folded, not lost");
    assert_eq!(series("destination_service=\"*.test\"").len(), 1);
    let attempts = text
        .lines()
        .filter(|l| l.starts_with("egret_requests_total{"));
    assert!(attempts.count() < 100);
    assert!(text.contains("response_code=\"5xx\"") && text.contains("response_code=\"404\""));
}

/// However many series there are, and whoever reads them.
#[test]
fn a_scrape_is_handed_on_in_pieces() {
    let metrics = metrics();
    let world = World::new();
    for number in 0..300 {
        let destination = format!("h{number}.test");
        metrics.observe(&Record {
            destination: Some(&destination),
            ..world.allowed()
        });
    }
    /// Takes so many pieces, and counts them.
    struct Taken(usize, usize);
    impl std::io::Write for Taken {
        fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
            assert!(piece.len() < 128 * 1024, "{}", piece.len());
            self.0 += 1;
            match self.0 <= self.1 {
                true => Ok(piece.len()),
                false => Err(std::io::ErrorKind::BrokenPipe.into()),
            }
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut all = Taken(0, usize::MAX);
    metrics.render(&[], [], &mut all).unwrap();
    assert!(all.0 > 100, "{}", all.0);
    let mut gone = Taken(0, 3);
    assert!(metrics.render(&[], [], &mut gone).is_err());
    assert_eq!(gone.0, 4, "nothing is said to a reader who has gone");
}

#[test]
fn label_values_cannot_break_out_of_their_quotes() {
    let metrics = metrics();
    let sink = SinkStats {
        sink: "a\"\\\nb".into(),
        written: 1,
        dropped: 0,
        errors: 0,
    };
    let text = text_of(&metrics, &[sink], []);
    assert!(
        text.contains("egret_log_lines_total{sink=\"a\\\"\\\\\\nb\"} 1\n"),
        "{text}"
    );
}

#[test]
fn a_refused_request_without_answer_is_a_request_and_no_handshake() {
    let metrics = metrics();
    let world = World::new();
    metrics.observe(&Record {
        response_code: 0,
        ..world.denied()
    });
    let text = text_of(&metrics, &[], []);
    let parts = [
        "egret_requests_total{",
        "refusal=\"denied\"",
        "response_code=\"0\"",
    ];
    assert_eq!(sample(&text, &parts), Some(1));
    assert_eq!(sample(&text, &["egret_handshake_refusals_total{"]), None);
}
