//! "Monitoring and access policies for HTTP egress traffic" with Istio's own
//! YAML as it was published and real sidecars in front: one test for each row
//! of the table of expected results, over both versions of HTTP.

use serde_json::json;

use integration_tests::egress_access::{Asked, assert_lines, lines};
use integration_tests::istio::{Istio, View};
use integration_tests::record::assert_has;
use integration_tests::sidecar::Protocol;

const CNN: &str = "edition.cnn.com";
const PATHS: [&str; 3] = ["/politics", "/sport", "/health"];
const DENIED: &str =
    "PERMISSION_DENIED:path-checker.listchecker.istio-system:/politics is not whitelisted";

const EVERYTHING_ROUTED: [&str; 3] = [
    "document-004-egress-gateway",
    "document-004-plain-routing",
    "document-004-mixer-logging",
];
const TWO_PATHS_ROUTED: [&str; 3] = [
    "document-004-egress-gateway",
    "document-004-regex-routing",
    "document-004-mixer-logging",
];
const FORBIDDEN: [&str; 5] = [
    "document-004-egress-gateway",
    "document-004-plain-routing",
    "document-004-mixer-logging",
    "document-004-list-checker",
    "document-004-list-rule",
];
const FORBIDDEN_BUT_TO_POLITICS: [&str; 5] = [
    "document-004-egress-gateway",
    "document-004-plain-routing",
    "document-004-mixer-logging",
    "document-004-list-checker",
    "document-004-exemption",
];

fn principal(account: &str) -> String {
    format!("cluster.local/ns/default/sa/{account}")
}

/// The document's three requests, by the sidecar of a workload; statuses and
/// bodies as they are to be.
#[track_caller]
fn asked(
    istio: &Istio,
    account: &str,
    protocol: Protocol,
    expected: [u16; 3],
) -> [Asked<'static>; 3] {
    let sidecar = istio.sidecar(account, protocol);
    let all = PATHS.map(|path| {
        let reply = sidecar.curl(CNN, path).send();
        let text = match reply.status {
            200 => format!("{CNN} serves {path}\n"),
            403 => DENIED.to_owned(),
            _ => String::new(),
        };
        assert_eq!(
            reply.text(),
            text,
            "{path}: {reply:?}\n{}",
            istio.egret.said()
        );
        Asked {
            path,
            status: reply.status,
            size: reply.body.len(),
        }
    });
    assert_eq!(all.map(|asked| asked.status), expected, "{account}");
    all
}

/// What the origin was asked for, all of it within TLS and by its own name.
#[track_caller]
fn assert_seen(istio: &Istio, paths: &[&str]) {
    let seen = istio.nginx.settled_requests();
    let targets: Vec<_> = seen.iter().map(|line| line["target"].clone()).collect();
    assert_eq!(targets, paths);
    for line in &seen {
        assert_has(line, &json!({ "sni": CNN, "method": "GET" }));
        assert_ne!(line["tls"], "", "{line:#}");
        assert_eq!(line["headers"]["host"], CNN, "{line:#}");
    }
}

#[test]
fn row_004_s1_everything_is_served_and_logged() {
    for protocol in Protocol::ALL {
        let istio = Istio::start(View::Gateway, &EVERYTHING_ROUTED);
        let all = asked(&istio, "sleep", protocol, [200, 200, 200]);
        assert_seen(&istio, &PATHS);
        assert_lines(&istio.egret.end(), lines(&all, &principal("sleep")));
    }
}

#[test]
fn row_004_s2_routing_hides_the_topic() {
    for protocol in Protocol::ALL {
        let istio = Istio::start(View::Gateway, &TWO_PATHS_ROUTED);
        let all = asked(&istio, "sleep", protocol, [404, 200, 200]);
        assert_eq!(all[0].size, 0, "a 404 without a route has no body");
        assert_seen(&istio, &["/sport", "/health"]);
        assert_lines(&istio.egret.end(), lines(&all, &principal("sleep")));
    }
}

/// Rows S3 and S4 differ in who asks, and in nothing else.
fn forbidden_to(account: &str) {
    for protocol in Protocol::ALL {
        let istio = Istio::start(View::Gateway, &FORBIDDEN);
        let all = asked(&istio, account, protocol, [403, 200, 200]);
        assert_eq!(all[0].size, 84, "the length the document shows");
        assert_seen(&istio, &["/sport", "/health"]);
        assert_lines(&istio.egret.end(), lines(&all, &principal(account)));
    }
}

#[test]
fn row_004_s3_policy_forbids_the_topic() {
    forbidden_to("sleep");
}

#[test]
fn row_004_s4_policy_forbids_it_to_the_politics_account_too() {
    forbidden_to("politics");
}

#[test]
fn row_004_s5_the_exemption_is_not_for_others() {
    for protocol in Protocol::ALL {
        let istio = Istio::start(View::Gateway, &FORBIDDEN_BUT_TO_POLITICS);
        let all = asked(&istio, "sleep", protocol, [403, 200, 200]);
        assert_eq!(all[0].size, 84);
        assert_seen(&istio, &["/sport", "/health"]);
        assert_lines(&istio.egret.end(), lines(&all, &principal("sleep")));
    }
}

#[test]
fn row_004_s6_the_politics_account_reads_everything_and_is_not_logged() {
    for protocol in Protocol::ALL {
        let istio = Istio::start(View::Gateway, &FORBIDDEN_BUT_TO_POLITICS);
        let _ = asked(&istio, "politics", protocol, [200, 200, 200]);
        assert_seen(&istio, &PATHS);
        assert_eq!(istio.egret.end(), Vec::<String>::new(), "no line at all");
    }
}
