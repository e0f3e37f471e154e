//! Istio's documents on egress traffic, told by applications that come to the
//! gateway themselves: Istio's own YAML as it was published, one test for each
//! row of the table of expected results, with real origins.
//!
//! Without a sidecar there is no principal; what depends on one is told in
//! `documents_gateway_view.rs`.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use integration_tests::client::Reply;
use integration_tests::egress_access::{Asked, assert_lines, lines};
use integration_tests::istio::{Istio, View};
use integration_tests::peers;
use integration_tests::record::{assert_has, is_time, reason};
use integration_tests::wait::until;

const BOOKS: &str = "/books/v1/volumes?q=isbn:0486424618";
const PATHS: [&str; 3] = ["/politics", "/sport", "/health"];
const DENIED: &str =
    "PERMISSION_DENIED:path-checker.listchecker.istio-system:/politics is not whitelisted";

/// What nginx answers for a host.
fn page(host: &str, target: &str) -> String {
    format!("{host} serves {target}\n")
}

/// Refused as a sidecar refuses a host that is not in its registry.
#[track_caller]
fn assert_blocked(istio: &Istio, url: &str) {
    let reply = istio.get(url);
    assert_eq!(
        reply.status,
        502,
        "{url}: {reply:?}\n{}",
        istio.egret.said()
    );
}

/// Answered by `host`, which was asked for `target` within TLS.
#[track_caller]
fn assert_served_within_tls(istio: &Istio, reply: &Reply, host: &str, target: &str) {
    let said = istio.egret.said();
    assert_eq!(
        (reply.status, reply.text()),
        (200, page(host, target)),
        "{reply:?}\n{said}"
    );
    let seen = istio.nginx.settled_requests();
    let within_tls = |line: &&Value| line["target"] == target && line["tls"] != "";
    let seen = seen.iter().find(within_tls).expect("a request within TLS");
    assert_has(
        seen,
        &json!({ "sni": host, "method": "GET", "status": "200" }),
    );
}

#[test]
fn row_000_a_what_no_rule_opens_is_blocked() {
    let istio = Istio::start(View::Mesh, &[]);
    assert_blocked(&istio, &format!("http://www.googleapis.com:443{BOOKS}"));
    let record = istio.egret.record_of(BOOKS);
    assert_has(
        &record,
        &json!({ "response_code": 502, "upstream_host": null }),
    );
    assert_eq!(reason(&record), "unknown_mesh_host", "{record:#}");
    assert_eq!(istio.seen(), (vec![], vec![]));
}

#[test]
fn row_000_b_one_egress_rule_opens_every_name_below_and_originates_tls() {
    let istio = Istio::start(View::Mesh, &["document-000-egress-rule"]);
    let reply = istio.get(&format!("http://www.googleapis.com:443{BOOKS}"));
    assert_served_within_tls(&istio, &reply, "www.googleapis.com", BOOKS);
    let reply = istio.get("http://fcm.googleapis.com:443/fcm/send");
    assert_served_within_tls(&istio, &reply, "fcm.googleapis.com", "/fcm/send");
    let record = istio.egret.record_of(BOOKS);
    let expected = json!({
        "method": "GET", "path": BOOKS, "response_code": 200, "decision": "allow",
        "upstream_host": istio.nginx.address().to_string(),
    });
    assert_has(&record, &expected);
    assert_eq!(
        istio.seen().1,
        Vec::<String>::new(),
        "nothing leaves in clear"
    );
}

#[test]
fn row_000_c_a_wildcard_needs_a_label() {
    let istio = Istio::start(View::Mesh, &["document-000-egress-rule"]);
    assert_blocked(&istio, "http://googleapis.com:443/");
    assert_blocked(&istio, "http://evilgoogleapis.com:443/");
    assert_eq!(istio.seen(), (vec![], vec![]));
}

#[test]
fn row_000_d_a_port_not_listed_is_blocked() {
    let istio = Istio::start(View::Mesh, &["document-000-egress-rule"]);
    assert_blocked(&istio, "http://www.googleapis.com/");
    assert_eq!(istio.seen(), (vec![], vec![]));
}

#[test]
fn row_000_e_a_deleted_rule_closes_again_without_a_restart() {
    let mut istio = Istio::start(View::Mesh, &["document-000-egress-rule"]);
    let url = format!("http://www.googleapis.com:443{BOOKS}");
    assert_eq!(istio.get(&url).status, 200);
    istio.delete("document-000-egress-rule");
    until("it is blocked again", || {
        (istio.get(&url).status == 502).then_some(())
    });
    istio.apply("document-000-egress-rule");
    until("it is open again", || {
        (istio.get(&url).status == 200).then_some(())
    });
    assert!(istio.egret.is_running());
}

/// A RouteRule for a service of the mesh loads, takes nothing away, opens
/// nothing, and is said to have no effect at a gateway.
#[test]
fn row_000_f_a_route_rule_of_the_mesh_loads_and_opens_nothing() {
    let istio = Istio::start(
        View::Mesh,
        &["document-000-route-rule", "document-000-egress-rule"],
    );
    let reply = istio.get(&format!("http://www.googleapis.com:443{BOOKS}"));
    assert_served_within_tls(&istio, &reply, "www.googleapis.com", BOOKS);
    assert_blocked(&istio, "http://details/details/0");
    let check = Command::new(peers::egret())
        .args(["check", "--config"])
        .arg(istio.egret.configuration())
        .arg("--config")
        .arg(istio.folder())
        .output()
        .expect("egret check");
    let said = String::from_utf8_lossy(&[check.stdout, check.stderr].concat()).into_owned();
    assert!(check.status.success(), "{said}");
    let place = "document-000-route-rule.yaml:";
    let told = said
        .lines()
        .any(|line| line.contains(place) && line.contains("no effect"));
    assert!(told, "{said}");
}

#[test]
fn row_001_a_tls_of_the_application_passes_untouched_by_server_name() {
    let istio = Istio::start(View::Mesh, &["document-001-passthrough"]);
    let reply = istio.get(&format!("https://www.googleapis.com{BOOKS}"));
    // curl has verified the origin's own certificate: nobody stood between.
    assert_served_within_tls(&istio, &reply, "www.googleapis.com", BOOKS);
    let record = istio.egret.wait_for_record("the tunnel", |r| {
        r["requested_server_name"] == "www.googleapis.com"
    });
    let expected = json!({
        "path": null, "method": null, "decision": "allow",
        "upstream_host": istio.nginx.address().to_string(),
    });
    assert_has(&record, &expected);
    assert!(!istio.egret.lines().concat().contains("/books"));
}

#[test]
fn row_001_b_deleted_it_is_refused() {
    let istio = Istio::start(View::Mesh, &["document-001-passthrough"]);
    let url = format!("https://www.googleapis.com{BOOKS}");
    assert_eq!(istio.get(&url).status, 200);
    istio.delete("document-001-passthrough");
    until("it is refused", || {
        (istio.get(&url).status == 0).then_some(())
    });
    let served = istio.nginx.settled_requests().len();
    let refused = istio.get(&url);
    assert_eq!((refused.status, refused.body.len()), (0, 0), "{refused:?}");
    assert!(!refused.error.is_empty());
    assert_eq!(istio.nginx.settled_requests().len(), served);
}

#[test]
fn row_001_c_http_leaves_within_tls_and_is_told_as_envoy_told_it() {
    let log = "logs: [{ format: envoy-2018 }]\n";
    let istio = Istio::start_with(View::Mesh, &["document-001-tls-origination"], log);
    let id = "b993bae7-4288-9241-81a5-4cde93b2e3a6";
    let curl = istio.curl(&format!("http://www.googleapis.com{BOOKS}"));
    let reply = curl
        .header("host: www.googleapis.com:80")
        .header("user-agent: Ruby")
        .header(&format!("x-request-id: {id}"))
        .send();
    assert_served_within_tls(&istio, &reply, "www.googleapis.com", BOOKS);
    let upstream = istio.nginx.address();
    let said = istio.egret.end();
    let [line] = said.as_slice() else {
        panic!("not one line: {said:#?}");
    };
    let (time, rest) = line.split_once(' ').expect("words");
    assert!(is_time(time, "[YYYY-MM-DDTHH:MM:SS.fffZ]"), "{line}");
    let words: Vec<&str> = rest.split(' ').collect();
    let [duration, service] = [7, 8].map(|n| words[n].parse::<u64>().expect("milliseconds"));
    assert!(service <= duration && duration < 20_000, "{line}");
    let bytes = reply.body.len();
    assert_eq!(
        rest,
        format!(
            "\"GET {BOOKS} HTTP/1.1\" 200 - 0 {bytes} {duration} {service} \"-\" \"Ruby\" \
             \"{id}\" \"www.googleapis.com:80\" \"{upstream}\""
        )
    );
}

#[test]
fn row_002_a_an_external_service_opens_http() {
    let istio = Istio::start(View::Mesh, &["document-002-httpbin"]);
    let reply = istio.get("http://httpbin.org/headers");
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (200, "/headers"),
        "{reply:?}"
    );
    let seen = istio.httpbin.wait_for("/headers");
    assert_eq!((seen.tls_version.as_str(), seen.server_name), ("", None));
    assert_eq!(seen.message.values("host"), ["httpbin.org"]);
    let record = istio.egret.record_of("/headers");
    let upstream = istio.httpbin.address().to_string();
    assert_has(
        &record,
        &json!({ "response_code": 200, "upstream_host": upstream }),
    );
}

#[test]
fn row_002_b_plain_http_to_port_443_leaves_within_tls() {
    let istio = Istio::start(View::Mesh, &["document-002-google"]);
    let reply = istio.get("http://www.google.com:443");
    assert_served_within_tls(&istio, &reply, "www.google.com", "/");
    assert_blocked(&istio, "http://www.google.com/");
}

#[test]
fn row_002_c_without_a_timeout_a_slow_answer_is_waited_for() {
    let istio = Istio::start(View::Mesh, &["document-002-httpbin"]);
    let reply = istio.get("http://httpbin.org/delay/5");
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(
        reply.elapsed >= Duration::from_secs(5),
        "{:?}",
        reply.elapsed
    );
}

#[test]
fn row_002_d_a_timeout_of_three_seconds_cuts_it_off() {
    let examples = ["document-002-httpbin", "document-002-timeout"];
    let istio = Istio::start(View::Mesh, &examples);
    let reply = istio.get("http://httpbin.org/delay/5");
    let answer = (reply.status, reply.text());
    assert_eq!(answer, (504, "upstream request timeout".to_owned()));
    let limits = Duration::from_millis(3000)..Duration::from_millis(3900);
    assert!(limits.contains(&reply.elapsed), "{:?}", reply.elapsed);
    let record = istio.egret.record_of("/delay/5");
    assert_has(
        &record,
        &json!({ "response_code": 504, "response_flags": "UT", "bytes_sent": 24 }),
    );
    let quick = istio.get("http://httpbin.org/headers");
    assert_eq!(quick.status, 200, "{quick:?}");
}

#[test]
fn row_003_a_without_tls_origination_the_site_redirects() {
    let istio = Istio::start(View::Mesh, &["document-003-redirected"]);
    let curl = istio.curl("http://edition.cnn.com/politics");
    let reply = curl.args(&["--location"]).send();
    assert_served_within_tls(&istio, &reply, "edition.cnn.com", "/politics");
    assert_eq!(reply.redirects, 1);
    let once = vec!["edition.cnn.com/politics".to_owned()];
    assert_eq!(
        istio.seen(),
        (once.clone(), once),
        "the path was seen in clear"
    );
    let record = istio.egret.record_of("/politics");
    assert_has(&record, &json!({ "response_code": 301 }));
}

#[test]
fn row_003_b_with_tls_origination_there_is_one_answer_and_nothing_in_clear() {
    let istio = Istio::start(View::Mesh, &["document-003-tls-origination"]);
    let curl = istio.curl("http://edition.cnn.com/politics");
    let reply = curl.args(&["--location"]).send();
    assert_served_within_tls(&istio, &reply, "edition.cnn.com", "/politics");
    assert_eq!(reply.redirects, 0);
    let once = vec!["edition.cnn.com/politics".to_owned()];
    assert_eq!(istio.seen(), (once, vec![]));
}

/// The document's three requests; statuses and sizes as they are to be.
#[track_caller]
fn asked(istio: &Istio, expected: [u16; 3]) -> [Asked<'static>; 3] {
    let all = PATHS.map(|path| {
        let reply = istio.get(&format!("http://edition.cnn.com{path}"));
        let text = match reply.status {
            200 => page("edition.cnn.com", path),
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
    assert_eq!(all.map(|asked| asked.status), expected);
    let served = all.iter().filter(|asked| asked.status == 200);
    let served: Vec<_> = served
        .map(|a| format!("edition.cnn.com{}", a.path))
        .collect();
    assert_eq!(istio.seen(), (served, vec![]));
    all
}

/// One hop stands for sidecar and gateway: the routes of both are taken.
#[track_caller]
fn hop(more: &[&str]) -> Istio {
    let gateway = ["document-004-egress-gateway", "document-004-mixer-logging"];
    Istio::start(View::Mesh, &[&gateway, more].concat())
}

#[test]
fn row_004_s1_everything_is_served_and_logged() {
    let istio = hop(&["document-004-plain-routing"]);
    let all = asked(&istio, [200, 200, 200]);
    assert_lines(&istio.egret.end(), lines(&all, "unknown"));
}

#[test]
fn row_004_s2_routing_hides_the_topic() {
    let istio = hop(&["document-004-regex-routing"]);
    let all = asked(&istio, [404, 200, 200]);
    assert_eq!(all[0].size, 0);
    assert_lines(&istio.egret.end(), lines(&all, "unknown"));
}

#[test]
fn row_004_s3_policy_forbids_the_topic() {
    let istio = hop(&[
        "document-004-plain-routing",
        "document-004-list-checker",
        "document-004-list-rule",
    ]);
    let all = asked(&istio, [403, 200, 200]);
    assert_eq!(all[0].size, 84);
    assert_lines(&istio.egret.end(), lines(&all, "unknown"));
}

/// The exemption speaks of a principal, and here is none: what checks applies
/// all the same, what only reports does not, as in Mixer.
#[test]
fn row_004_s5_without_a_principal_nobody_is_exempt() {
    let istio = hop(&[
        "document-004-plain-routing",
        "document-004-list-checker",
        "document-004-exemption",
    ]);
    let all = asked(&istio, [403, 200, 200]);
    assert_eq!(all[0].size, 84);
    assert_eq!(istio.egret.end(), Vec::<String>::new());
}
