//! External authorisers, over HTTP and over gRPC: each word with what the
//! caller gets, what the origin sees and what the log says.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::json;

use integration_tests::authoriser::Authoriser;
use integration_tests::mesh::Mesh;
use integration_tests::record::assert_has;

/// nginx is the origin.
const HOST: &str = "edition.cnn.com";
/// The recorder is, where it is seen to its last byte what came.
const SEEN: &str = "httpbin.org";

/// Policies of both benches, and the origins.
const POLICIES: &str = "
destinations:
  - host: edition.cnn.com
    upstream: { addresses: [\"$NGINX\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
  - host: httpbin.org
    upstream: { addresses: [\"$RECORDER\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
policies:
  - name: readers
    allow: { from: sa:default/sleep, host: \"*\" }
  - name: secret
    deny: { path: /secret }
  - name: ask
    refer: { host: \"*\" }
    unless: { path: /free }
    to: opa
";

/// The recorder as authoriser: it is asked for the request's own target, which
/// says how it answers.
const HTTP: &str = "
authorisers:
  opa:
    http: { url: \"https://second.test:$RECORDER_PORT/$PREFIX\", addresses: [\"$RECORDER\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
    timeout: 1s
    headers: [authorization, x-forwarded-client-cert]
    responseHeaders: [x-from-origin]
    denialHeaders: [x-from-origin]
    $MORE
";

const GRPC: &str = "
authorisers:
  opa:
    grpc: { url: \"http://127.0.0.1:$PORT\" }
    allowAddresses: [127.0.0.0/8]
    timeout: 1s
    headers: [authorization]
    responseHeaders: [x-user, host, content-length, transfer-encoding, connection, x-forwarded-for, x-envoy-*]
    $MORE
";

fn http(prefix: &str, more: &str) -> Mesh {
    let authoriser = HTTP.replace("$PREFIX", prefix).replace("$MORE", more);
    Mesh::start(&(POLICIES.to_owned() + &authoriser))
}

fn grpc(more: &str) -> (Mesh, Authoriser) {
    let authoriser = Authoriser::start();
    let port = authoriser.address().port().to_string();
    let written = GRPC.replace("$PORT", &port).replace("$MORE", more);
    (Mesh::start(&(POLICIES.to_owned() + &written)), authoriser)
}

#[test]
fn a_yes_over_http_lets_the_request_go_on() {
    let mesh = http("", "");
    let reply = mesh
        .curl("sleep", HOST, "/yes?a=1")
        .header("authorization: Bearer x")
        .header("cookie: a=1")
        .header("x-forwarded-client-cert: URI=spiffe://cluster.local/ns/admin/sa/root")
        .send();
    assert_eq!(reply.status, 200, "{}", mesh.egret.said());
    let _ = mesh.nginx.wait_for("/yes?a=1");
    let question = mesh.recorder.wait_for("/yes?a=1");
    assert_eq!(question.server_name.as_deref(), Some("second.test"));
    let message = &question.message;
    assert_eq!(message.value("host").as_deref(), Some(HOST));
    assert_eq!(message.value("content-length").as_deref(), Some("0"));
    assert_eq!(message.value("authorization").as_deref(), Some("Bearer x"));
    assert_eq!(message.value("cookie"), None);
    // The gateway's word on the caller, not the caller's.
    let caller = "URI=spiffe://cluster.local/ns/default/sa/sleep";
    assert_eq!(message.values("x-forwarded-client-cert"), [caller]);
    let record = mesh.egret.record_of("/yes?a=1");
    assert_has(
        &record,
        &json!({
            "decision": "allow", "rule": "readers", "response_code": 200, "refusal": null,
            "authoriser": "opa", "authoriser_verdict": "allow", "authoriser_error": null,
        }),
    );
    assert!(record["authoriser_duration"].is_u64(), "{record:#}");
}

#[test]
fn a_no_over_http_is_answered_and_the_origin_hears_nothing() {
    let mesh = http("status/451", "");
    let reply = mesh.fetch("sleep", HOST, "/x");
    assert_eq!(reply.status, 451);
    assert_eq!(reply.header("x-from-origin"), Some("yes"));
    assert_eq!(reply.header("server"), Some("istio-envoy"));
    assert_eq!(mesh.recorder.seen_for("/status/451/x").len(), 1);
    assert!(mesh.nginx.requests().is_empty());
    let record = mesh.egret.record_of("/x");
    let origin = record["rule_origin"].as_str().unwrap_or_default();
    assert!(origin.ends_with(&mesh.line_of("name: ask")), "{origin}");
    assert_has(
        &record,
        &json!({
            "decision": "deny", "rule": "ask",
            "refusal": "authoriser_denied", "response_code": 451, "response_flags": "UAEX",
            "response_code_details": "ext_authz_denied", "authoriser_verdict": "deny",
            "upstream_host": null,
        }),
    );
    // The connection is still good, and what no rule refers is not asked about.
    assert_eq!(mesh.fetch("sleep", HOST, "/free").status, 200);
    assert_eq!(mesh.recorder.seen().len(), 1);
    assert!(mesh.egret.record_of("/free").get("authoriser").is_none());
}

#[test]
fn what_rules_refuse_is_never_asked_about() {
    let mesh = http("", "");
    assert_eq!(mesh.fetch("sleep", HOST, "/secret").status, 403);
    assert_eq!(mesh.fetch("politics", HOST, "/yes").status, 403);
    assert_eq!(mesh.recorder.connections(), 0);
    // An unknown host is asked about first: 403 comes before 404.
    assert_eq!(
        mesh.fetch("sleep", "unknown.test", "/status/401").status,
        401
    );
    assert_eq!(mesh.fetch("sleep", "unknown.test", "/yes").status, 404);
}

#[test]
fn without_a_word_over_http_the_answer_is_no() {
    let mesh = http("", "status: 503");
    for (target, why) in [
        ("/silence", "no answer within 1s"),
        ("/trickle-head", "no answer within 1s"),
        ("/status/500", "status 500"),
        ("/garbage", "broke off: InvalidHTTPHeader"),
        ("/close", "broke off: ConnectionClosed"),
    ] {
        let reply = mesh.fetch("sleep", HOST, target);
        assert_eq!((reply.status, reply.body.len()), (503, 0), "{target}");
        assert!(reply.elapsed < Duration::from_secs(5), "{target}");
        let record = mesh.egret.record_of(target);
        assert_has(
            &record,
            &json!({
                "decision": "deny", "rule": "ask", "refusal": "authoriser_unavailable",
                "response_flags": "UAEX", "response_code_details": "ext_authz_error",
                "response_code": 503, "authoriser_verdict": "error", "authoriser_error": why,
            }),
        );
    }
    assert!(mesh.nginx.requests().is_empty());
    let metrics = mesh.egret.admin("/metrics").text();
    let counted = "egret_authorisations_total{authoriser=\"opa\",verdict=\"error\"} 5";
    assert!(metrics.contains(counted), "{metrics}");
}

#[test]
fn on_error_allow_lets_go_on_what_has_no_word_but_not_what_has_a_no() {
    let mesh = http("", "onError: allow");
    assert_eq!(mesh.fetch("sleep", HOST, "/close").status, 200);
    assert_has(
        &mesh.egret.record_of("/close"),
        &json!({
            "decision": "allow", "rule": "readers", "response_code": 200,
            "authoriser_verdict": "error",
        }),
    );
    assert_eq!(mesh.fetch("sleep", HOST, "/status/403").status, 403);
    // The status is the word, even if the body behind it never ends.
    let mesh = http("trickle-body", "");
    assert_eq!(mesh.fetch("sleep", HOST, "/x").status, 200);
}

#[test]
fn nobody_there_is_no_yes() {
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port().to_string()
    };
    let written = GRPC.replace("$PORT", &port).replace("$MORE", "");
    let mesh = Mesh::start(&(POLICIES.to_owned() + &written));
    assert_eq!(mesh.fetch("sleep", HOST, "/yes").status, 403);
    assert!(mesh.nginx.requests().is_empty());
    assert_has(
        &mesh.egret.record_of("/yes"),
        &json!({
            "refusal": "authoriser_unavailable", "authoriser_verdict": "error",
            "authoriser_error": "Connection refused",
        }),
    );
}

#[test]
fn a_caller_cannot_speak_as_the_authoriser_in_its_absence() {
    let authoriser = Authoriser::start();
    let port = authoriser.address().port().to_string();
    drop(authoriser);
    let written = GRPC
        .replace("$PORT", &port)
        .replace("$MORE", "onError: allow");
    let mesh = Mesh::start(&(POLICIES.to_owned() + &written));
    let reply = mesh
        .curl("sleep", SEEN, "/absent")
        .header("x-user: root")
        .header("authorization: Bearer x")
        .send();
    assert_eq!(reply.status, 200, "{}", mesh.egret.said());
    let message = mesh.recorder.wait_for("/absent").message;
    assert!(message.values("x-user").is_empty());
    assert_eq!(message.values("authorization"), ["Bearer x"]);
}

#[test]
fn an_address_the_operator_did_not_allow_is_not_dialled() {
    let authoriser = Authoriser::start();
    let port = authoriser.address().port().to_string();
    let written = GRPC
        .replace("$PORT", &port)
        .replace("    allowAddresses: [127.0.0.0/8]\n", "")
        .replace("$MORE", "");
    let mesh = Mesh::start(&(POLICIES.to_owned() + &written));
    assert_eq!(mesh.fetch("sleep", HOST, "/yes").status, 403);
    assert_has(
        &mesh.egret.record_of("/yes"),
        &json!({ "authoriser_error": "address_denied" }),
    );
    assert!(authoriser.asked().is_empty());
}

#[test]
fn a_yes_over_grpc_changes_what_is_listed_and_nothing_of_ours() {
    let (mesh, authoriser) = grpc("");
    let reply = mesh
        .curl("sleep", SEEN, "/yes?a=1")
        .header("x-user: root")
        .header("x-token: 1")
        .header("authorization: Bearer x")
        .body(b"payload")
        .send();
    assert_eq!(reply.status, 200, "{}", mesh.egret.said());
    let message = mesh.recorder.wait_for("/yes?a=1").message;
    assert_eq!(message.values("x-user"), ["kate"]);
    assert_eq!(message.values("host"), [SEEN]);
    assert_eq!(message.values("content-length"), ["7"]);
    assert_eq!(message.values("authorization"), ["Bearer x"]);
    assert_eq!(message.body, b"payload");
    for absent in [
        "x-token",
        "x-unlisted",
        "transfer-encoding",
        "connection",
        "x-forwarded-for",
        "x-envoy-peer-metadata",
    ] {
        assert!(message.values(absent).is_empty(), "{absent}");
    }
    let asked = authoriser.asked();
    let [question] = asked.as_slice() else {
        panic!("{asked:?}")
    };
    assert_eq!(question.call, "/envoy.service.auth.v3.Authorization/Check");
    assert_eq!(
        question.principal,
        "spiffe://cluster.local/ns/default/sa/sleep"
    );
    assert_eq!(
        (&*question.method, &*question.host, &*question.path),
        ("POST", SEEN, "/yes?a=1")
    );
    assert_eq!(question.protocol, "HTTP/1.1");
    assert_eq!(question.destination, mesh.gateway().to_string());
    assert!(question.source.starts_with("127.0.0.1:"), "{question:?}");
    assert!(question.seconds > 1_700_000_000);
    assert_eq!(question.headers["authorization"], "Bearer x");
    assert_eq!(question.headers[":path"], "/yes?a=1");
    assert!(!question.headers.contains_key("x-token"));
    assert_has(
        &mesh.egret.record_of("/yes?a=1"),
        &json!({ "decision": "allow", "authoriser": "opa", "authoriser_verdict": "allow" }),
    );
}

#[test]
fn a_no_over_grpc_is_answered_and_the_origin_hears_nothing() {
    let (mesh, authoriser) = grpc("");
    let reply = mesh.fetch("sleep", HOST, "/no");
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (401, "{\"who\":\"nobody\"}")
    );
    assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("x-internal"), None);
    let plain = mesh.fetch("sleep", HOST, "/plain-no");
    assert_eq!((plain.status, plain.body.len()), (403, 0));
    for target in ["/no", "/plain-no"] {
        assert_has(
            &mesh.egret.record_of(target),
            &json!({
                "decision": "deny", "rule": "ask", "refusal": "authoriser_denied",
                "response_flags": "UAEX", "authoriser_verdict": "deny",
            }),
        );
    }
    assert!(mesh.nginx.requests().is_empty());
    assert_eq!(authoriser.asked().len(), 2);
}

#[test]
fn without_a_good_answer_over_grpc_the_answer_is_no() {
    let (mesh, authoriser) = grpc("");
    for (target, why) in [
        ("/silence", "no answer within 1s"),
        ("/empty", "an answer without a verdict"),
        ("/garbage", "an answer that is no CheckResponse"),
        ("/error", "grpc-status 13"),
        ("/query", "a yes to another query than the one that is sent"),
        ("/large", "an answer that broke off or is too large"),
    ] {
        let reply = mesh.fetch("sleep", HOST, target);
        assert_eq!(reply.status, 403, "{target}");
        assert!(reply.elapsed < Duration::from_secs(5), "{target}");
        assert_has(
            &mesh.egret.record_of(target),
            &json!({
                "refusal": "authoriser_unavailable", "authoriser_verdict": "error",
                "authoriser_error": why,
            }),
        );
    }
    assert!(mesh.nginx.requests().is_empty());
    assert_eq!(authoriser.asked().len(), 6);
    // The connection outlived them all.
    assert_eq!(mesh.fetch("sleep", HOST, "/yes").status, 200);
}
