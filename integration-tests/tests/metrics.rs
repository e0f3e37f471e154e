//! What `/metrics` shows after traffic that is known to the last request.

use std::collections::BTreeSet;

use integration_tests::leaf::Flaw;
use integration_tests::mesh::Mesh;
use integration_tests::raw::Hello;
use integration_tests::wait::until;

const HOST: &str = "httpbin.org";

const CONFIGURATION: &str = "
destinations:
  - host: httpbin.org
    upstream: { addresses: [\"$RECORDER\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
    routes:
      - prefix: /bytes
      - prefix: /dead
        to: [{ upstream: { addresses: [\"127.0.0.1:9\"], tls: { ca: $ORIGIN_CA } } }]
policies:
  - name: \"the \\\"open\\\" half\"
    allow: { from: sa:default/sleep, host: \"*\" }
  - name: nothing-secret
    deny: { path: /secret* }
";

/// Istio's labels, in Istio's order.
const ISTIO: [&str; 25] = [
    "reporter",
    "source_workload",
    "source_canonical_service",
    "source_canonical_revision",
    "source_workload_namespace",
    "source_principal",
    "source_app",
    "source_version",
    "source_cluster",
    "destination_workload",
    "destination_workload_namespace",
    "destination_principal",
    "destination_app",
    "destination_version",
    "destination_service",
    "destination_canonical_service",
    "destination_canonical_revision",
    "destination_service_name",
    "destination_service_namespace",
    "destination_cluster",
    "request_protocol",
    "response_code",
    "grpc_response_status",
    "response_flags",
    "connection_security_policy",
];

const BUCKETS: [&str; 20] = [
    "0.5", "1", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000",
    "30000", "60000", "300000", "600000", "1800000", "3600000", "+Inf",
];

/// One line of an exposition.
#[derive(Clone, Debug)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Sample {
    fn label(&self, name: &str) -> Option<&str> {
        let mut labels = self.labels.iter();
        labels.find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    fn names(&self) -> Vec<&str> {
        self.labels.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn has(&self, wanted: &[(&str, &str)]) -> bool {
        let has = |(name, value): &(&str, &str)| self.label(name) == Some(value);
        wanted.iter().all(has)
    }
}

/// Reads a sample as Prometheus' text format defines it; `None`: it is none.
fn sample(line: &str) -> Option<Sample> {
    let end = line.find(|c: char| !is_of_name(c)).filter(|end| *end > 0)?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => labels(inside)?,
        None => (Vec::new(), rest),
    };
    Some(Sample {
        name: name.to_owned(),
        labels,
        value: rest.strip_prefix(' ')?.parse().ok()?,
    })
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// `name="value",…}` and what follows.
fn labels(mut rest: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        let (name, after) = rest.split_once("=\"")?;
        let (value, after) = quoted(after)?;
        let good = !name.is_empty() && name.chars().all(is_of_name);
        labels.push((good.then(|| name.to_owned())?, value));
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Some((labels, after.strip_prefix('}')?)),
        }
    }
}

/// A value up to its closing quote, escapes undone, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                c @ ('"' | '\\') => c,
                _ => return None,
            }),
            c => value.push(c),
        }
    }
    None
}

fn samples(mesh: &Mesh) -> Vec<Sample> {
    let text = mesh.egret.admin("/metrics").text();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let read = |line: &str| sample(line).unwrap_or_else(|| panic!("no sample: {line}"));
    lines.map(read).collect()
}

/// The values of a metric's samples with these labels, added up.
fn total(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> f64 {
    let fits = |sample: &&Sample| sample.name == name && sample.has(labels);
    samples.iter().filter(fits).map(|sample| sample.value).sum()
}

/// Three allowed, two denied by rule, one by default, one without a route, one dead.
fn traffic(mesh: &Mesh) {
    for (account, target, status) in [
        ("sleep", "/bytes/2000", 200),
        ("sleep", "/bytes/2000", 200),
        ("sleep", "/bytes/0", 200),
        ("sleep", "/secret/1", 403),
        ("sleep", "/secret/2", 403),
        ("politics", "/bytes/1", 403),
        ("sleep", "/unrouted", 404),
        ("sleep", "/dead", 503),
    ] {
        let reply = mesh.fetch(account, HOST, target);
        assert_eq!(reply.status, status, "{target}: {}", mesh.egret.said());
    }
    let _ = mesh.egret.wait_for_records("traffic", 8, |_| true);
}

#[test]
fn istios_requests_are_counted_with_istios_labels_in_order() {
    let mesh = Mesh::start(CONFIGURATION);
    traffic(&mesh);
    let samples = samples(&mesh);
    let name = "istio_requests_total";
    let own: Vec<_> = samples.iter().filter(|s| s.name == name).collect();
    assert!(own.iter().all(|s| s.names() == ISTIO), "{own:#?}");
    let constant = [
        ("reporter", "source"),
        ("source_workload", "istio-egressgateway"),
        ("source_canonical_service", "istio-egressgateway"),
        ("source_canonical_revision", "latest"),
        ("source_workload_namespace", "istio-system"),
        ("source_principal", "unknown"),
        ("source_app", "istio-egressgateway"),
        ("source_version", ""),
        ("source_cluster", "Kubernetes"),
        ("destination_workload", "unknown"),
        ("destination_principal", "unknown"),
        ("destination_canonical_revision", "latest"),
        ("connection_security_policy", "unknown"),
        ("request_protocol", "http"),
        ("grpc_response_status", ""),
    ];
    assert!(own.iter().all(|s| s.has(&constant)), "{own:#?}");
    for (service, code, flags, count) in [
        (HOST, "200", "-", 3.0),
        (HOST, "403", "-", 3.0),
        ("unknown", "404", "NR", 1.0),
        (HOST, "503", "URX,UF", 1.0),
    ] {
        let labels = [
            ("destination_service_name", service),
            ("destination_service", service),
            ("response_code", code),
            ("response_flags", flags),
        ];
        assert_eq!(
            total(&samples, name, &labels),
            count,
            "{labels:?}: {own:#?}"
        );
    }
    assert_eq!(total(&samples, name, &[]), 8.0);
}

#[test]
fn our_requests_name_the_caller_the_destination_the_decision_and_the_rule() {
    let mesh = Mesh::start(CONFIGURATION);
    traffic(&mesh);
    let samples = samples(&mesh);
    let name = "egret_requests_total";
    let order = [
        "source_principal",
        "destination",
        "decision",
        "rule",
        "refusal",
        "response_code",
    ];
    let own: Vec<_> = samples.iter().filter(|s| s.name == name).collect();
    assert!(own.iter().all(|s| s.names() == order), "{own:#?}");
    let (sleep, politics) = (
        "cluster.local/ns/default/sa/sleep",
        "cluster.local/ns/default/sa/politics",
    );
    let open = "the \"open\" half";
    for (caller, decision, rule, refusal, code, count) in [
        (sleep, "allow", open, "", "200", 3.0),
        (sleep, "deny", "nothing-secret", "denied", "403", 2.0),
        (politics, "deny", "", "not_allowed", "403", 1.0),
        (sleep, "refuse", open, "no_route", "404", 1.0),
        (sleep, "allow", open, "", "503", 1.0),
    ] {
        // As to Istio, what has no route has no destination.
        let destination = if refusal == "no_route" {
            "unknown"
        } else {
            HOST
        };
        let labels = [
            ("source_principal", caller),
            ("destination", destination),
            ("decision", decision),
            ("rule", rule),
            ("refusal", refusal),
            ("response_code", code),
        ];
        assert_eq!(
            total(&samples, name, &labels),
            count,
            "{labels:?}: {own:#?}"
        );
    }
    assert_eq!(total(&samples, name, &[]), 8.0);
    let dead = [("destination", HOST), ("failure", "connect_failure")];
    assert_eq!(total(&samples, "egret_failures_total", &dead), 1.0);
}

#[test]
fn histograms_have_istios_buckets_and_add_up() {
    let mesh = Mesh::start(CONFIGURATION);
    traffic(&mesh);
    let samples = samples(&mesh);
    let served = [("response_code", "200"), ("destination_service_name", HOST)];
    for name in [
        "istio_request_duration_milliseconds",
        "istio_request_bytes",
        "istio_response_bytes",
    ] {
        let bucket = format!("{name}_bucket");
        let fits = |s: &&Sample| s.name == bucket && s.has(&served);
        let buckets: Vec<_> = samples.iter().filter(fits).collect();
        let bounds: Vec<_> = buckets.iter().filter_map(|s| s.label("le")).collect();
        assert_eq!(bounds, BUCKETS, "{name}");
        assert!(
            buckets.is_sorted_by(|a, b| a.value <= b.value),
            "{buckets:#?}"
        );
        assert_eq!(buckets[19].value, 3.0);
        assert_eq!(total(&samples, &format!("{name}_count"), &served), 3.0);
        assert!(total(&samples, &format!("{name}_sum"), &served) > 0.0);
    }
    // Heads count: two answers of 2000 bytes and one of none.
    let sent = total(&samples, "istio_response_bytes_sum", &served);
    assert!((4_000.0..6_000.0).contains(&sent), "{sent}");
    let within = |le: &str| {
        let labels = [served[0], served[1], ("le", le)];
        total(&samples, "istio_response_bytes_bucket", &labels)
    };
    assert_eq!((within("1000"), within("2500")), (1.0, 3.0));
}

#[test]
fn refused_handshakes_are_counted_by_reason_and_are_no_requests() {
    let mesh = Mesh::start(CONFIGURATION);
    for flaw in [Flaw::Expired, Flaw::Expired, Flaw::TwoUris] {
        let hello = Hello {
            credential: Some(mesh.pki.flawed(flaw)),
            ..Hello::of(&mesh.pki, "sleep", HOST)
        };
        let refused = hello.connect(mesh.gateway()).map(|mut raw| {
            raw.exchange("GET /bytes/1 HTTP/1.1\r\nhost: httpbin.org\r\n\r\n")
                .is_err()
        });
        assert!(refused.unwrap_or(true), "{flaw:?}");
    }
    let _ = mesh.egret.wait_for_records("refusals", 3, |_| true);
    let samples = samples(&mesh);
    let name = "egret_handshake_refusals_total";
    for (reason, count) in [("certificate_expired", 2.0), ("several_spiffe_ids", 1.0)] {
        let labels = [("reason", reason)];
        assert_eq!(
            total(&samples, name, &labels),
            count,
            "{reason}: {samples:#?}"
        );
    }
    assert_eq!(total(&samples, "egret_requests_total", &[]), 0.0);
    assert_eq!(total(&samples, "istio_requests_total", &[]), 0.0);
    until("no connection is open", || {
        let open = total(&self::samples(&mesh), "egret_connections", &[]);
        (open == 0.0).then_some(())
    });
}

#[test]
fn grpc_has_its_own_protocol_and_status() {
    let mesh = Mesh::start(CONFIGURATION);
    let reply = mesh
        .curl("sleep", HOST, "/secret/1")
        .http2()
        .method("POST")
        .header("content-type: application/grpc")
        .send();
    assert_eq!(reply.header("grpc-status"), Some("7"));
    let _ = mesh.egret.record_of("/secret/1");
    let labels = [
        ("request_protocol", "grpc"),
        ("grpc_response_status", "7"),
        ("response_code", "200"),
    ];
    let samples = samples(&mesh);
    let own: Vec<_> = samples
        .iter()
        .filter(|s| s.name == "istio_requests_total")
        .collect();
    assert_eq!(
        total(&samples, "istio_requests_total", &labels),
        1.0,
        "{own:#?}"
    );
}

#[test]
fn the_exposition_is_prometheus_text_line_by_line() {
    let mesh = Mesh::start(CONFIGURATION);
    traffic(&mesh);
    let answer = mesh.egret.admin("/metrics");
    let kind = answer.value("content-type").unwrap_or_default();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    let text = answer.text();
    assert!(text.ends_with('\n'), "the last line is whole");
    let (mut typed, mut series) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(about) = line.strip_prefix("# TYPE ") {
            let (name, kind) = about.split_once(' ').expect("a name and a type");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(typed.insert(name), "{name} has two types");
        } else if !line.starts_with("# HELP ") {
            let sample = sample(line).unwrap_or_else(|| panic!("no sample: {line}"));
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| sample.name.strip_suffix(suffix))
                .filter(|family| typed.contains(family))
                .unwrap_or(&sample.name);
            assert!(typed.contains(family), "no type before: {line}");
            let (labels, _) = line.rsplit_once(' ').expect("a value");
            assert!(series.insert(labels.to_owned()), "twice: {line}");
        }
    }
    for name in [
        "egret_snapshot_info",
        "istio_build",
        "process_start_time_seconds",
    ] {
        assert!(typed.contains(name), "{name}");
    }
}

#[test]
fn readiness_is_told_on_the_admin_port_alone() {
    let mesh = Mesh::start(CONFIGURATION);
    assert_eq!(mesh.egret.admin("/healthz/ready").status(), 200);
    assert_eq!(mesh.egret.admin("/healthz/live").status(), 200);
    assert_eq!(mesh.egret.admin("/nothing").status(), 404);
    assert_eq!(mesh.fetch("politics", HOST, "/healthz/ready").status, 403);
    assert!(
        samples(&mesh)
            .iter()
            .any(|s| s.name == "egret_log_lines_total")
    );
}
