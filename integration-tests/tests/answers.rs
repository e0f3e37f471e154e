//! The gateway's own answers: status, body and headers as a sidecar knows them
//! from Istio, and the same for gRPC.

use serde_json::json;

use integration_tests::client::{Curl, Reply};
use integration_tests::http2;
use integration_tests::mesh::Mesh;
use integration_tests::raw::Hello;
use integration_tests::record::{assert_has, reason};

const HOST: &str = "httpbin.org";

const SOME: &str = "
destinations:
  - host: httpbin.org
    upstream: { addresses: [\"$RECORDER\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
    routes:
      - prefix: /routed
      - exact: /teapot
        respond: { status: 418, body: \"short and stout\" }
      - exact: /moved
        redirect: { scheme: https, host: elsewhere.test }
      - exact: /dead
        to: [{ upstream: { addresses: [\"127.0.0.1:9\"], tls: { ca: $ORIGIN_CA } } }]
policies:
  - allow: { from: sa:default/sleep, host: \"*\", path: [/routed*, /unrouted, /teapot, /moved, /dead] }
";

fn grpc(curl: Curl) -> Reply {
    curl.http2()
        .method("POST")
        .header("content-type: application/grpc")
        .header("te: trailers")
        .send()
}

#[test]
fn a_denied_request_is_403_as_istio_says_it() {
    let mesh = Mesh::start(SOME);
    let reply = mesh.fetch("sleep", HOST, "/secret");
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (403, "RBAC: access denied")
    );
    assert_eq!(reply.header("content-type"), Some("text/plain"));
    assert_eq!(reply.header("content-length"), Some("19"));
    assert_eq!(reply.header("x-envoy-upstream-service-time"), None);
    assert_eq!(mesh.fetch("politics", HOST, "/routed").status, 403);
    assert_eq!(mesh.recorder.connections(), 0);
}

#[test]
fn the_answer_to_head_has_the_length_of_a_body_and_no_body() {
    let mesh = Mesh::start(SOME);
    let mut raw = Hello::of(&mesh.pki, "sleep", HOST)
        .connect(mesh.gateway())
        .unwrap();
    raw.send(b"HEAD /secret HTTP/1.1\r\nhost: httpbin.org\r\n\r\n")
        .unwrap();
    let head = raw.head().unwrap();
    assert_eq!(
        (head.status(), head.value("content-length").as_deref()),
        (403, Some("19"))
    );
    // A body would now stand where the next answer begins.
    let next = raw
        .exchange("GET /routed HTTP/1.1\r\nhost: httpbin.org\r\n\r\n")
        .unwrap();
    assert_eq!(next.status(), 200);
}

#[test]
fn an_unrouted_request_is_404_without_a_body_and_403_comes_first() {
    let mesh = Mesh::start(SOME);
    let reply = mesh.fetch("sleep", HOST, "/unrouted");
    assert_eq!((reply.status, reply.body.len()), (404, 0));
    assert_eq!(reply.header("content-length"), Some("0"));
    let record = mesh.egret.record_of("/unrouted");
    assert_eq!(reason(&record), "no_route");
    assert_has(
        &record,
        &json!({ "response_flags": "NR", "response_code_details": "route_not_found" }),
    );
    let unknown = mesh.fetch("sleep", "unknown.test", "/unrouted");
    assert_eq!(unknown.status, 404);
    assert_eq!(mesh.fetch("sleep", "unknown.test", "/other").status, 403);
    let record = mesh
        .egret
        .wait_for_record("the host", |r| reason(r) == "unknown_host");
    assert_has(
        &record,
        &json!({ "authority": "unknown.test", "response_flags": "NR" }),
    );
}

#[test]
fn routes_may_answer_and_redirect_themselves() {
    let mesh = Mesh::start(SOME);
    let teapot = mesh.fetch("sleep", HOST, "/teapot");
    assert_eq!(
        (teapot.status, teapot.text().as_str()),
        (418, "short and stout")
    );
    assert_eq!(
        mesh.egret.record_of("/teapot")["response_code_details"],
        "direct_response"
    );
    let moved = mesh.fetch("sleep", HOST, "/moved");
    assert_eq!(moved.status, 301);
    assert_eq!(
        moved.header("location"),
        Some("https://elsewhere.test/moved")
    );
    assert_eq!(mesh.recorder.connections(), 0);
}

#[test]
fn a_dead_origin_is_503_in_envoys_words() {
    let mesh = Mesh::start(SOME);
    let reply = mesh.fetch("sleep", HOST, "/dead");
    assert_eq!(reply.status, 503);
    assert!(
        reply
            .text()
            .starts_with("upstream connect error or disconnect/reset before headers.")
    );
    assert_eq!(reply.header("content-type"), Some("text/plain"));
}

#[test]
fn grpc_callers_get_grpc_statuses() {
    let mesh = Mesh::start(SOME);
    for (target, status) in [("/secret", "7"), ("/unrouted", "12"), ("/dead", "14")] {
        let reply = grpc(mesh.curl("sleep", HOST, target));
        assert_eq!(
            (reply.status, reply.header("grpc-status")),
            (200, Some(status)),
            "{target}"
        );
        assert_eq!(
            reply.header("content-type"),
            Some("application/grpc"),
            "{target}"
        );
        assert!(reply.body.is_empty(), "{target}");
    }
    let denied = grpc(mesh.curl("sleep", HOST, "/secret"));
    assert_eq!(denied.header("grpc-message"), Some("RBAC: access denied"));
}

#[test]
fn malformed_requests_are_answered_recorded_and_go_nowhere() {
    let mesh = Mesh::start(SOME);
    let host = "host: httpbin.org\r\n";
    for (request, status, code) in [
        (
            format!("GET /routed HTTP/1.0\r\n{host}\r\n"),
            426,
            "http_version",
        ),
        (
            format!("GET  /routed HTTP/1.1\r\n{host}\r\n"),
            400,
            "malformed_request_line",
        ),
        (
            format!("GET /routed HTTP/1.1\n{host}\r\n"),
            400,
            "bare_line_ending",
        ),
        (
            format!("GET /routed HTTP/1.1\r\n{host}x : y\r\n\r\n"),
            400,
            "malformed_header",
        ),
        (
            format!(
                "POST /routed HTTP/1.1\r\n{host}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n"
            ),
            400,
            "conflicting_framing",
        ),
        (
            format!("POST /routed HTTP/1.1\r\n{host}content-length: 1, 1\r\n\r\n"),
            400,
            "content_length",
        ),
        (
            format!("POST /routed HTTP/1.1\r\n{host}transfer-encoding: gzip\r\n\r\n"),
            501,
            "transfer_encoding",
        ),
        (
            format!("POST /routed HTTP/1.1\r\n{host}content_length: 1\r\n\r\n"),
            400,
            "confusable_header",
        ),
        (
            format!(
                "GET /routed HTTP/1.1\r\n{host}connection: a,b,c,d,e,f\r\nconnection: g,h,i,j,k\r\n\r\n"
            ),
            400,
            "connection_nominations",
        ),
        (
            format!("GET /routed HTTP/1.1\r\n{host}expect: magic\r\n\r\n"),
            417,
            "expectation",
        ),
        (
            format!(
                "GET /routed HTTP/1.1\r\n{host}x: {}\r\n\r\n",
                "y".repeat(70_000)
            ),
            431,
            "head_too_large",
        ),
        (
            format!(
                "GET /routed HTTP/1.1\r\n{host}{}\r\n",
                "x: y\r\n".repeat(120)
            ),
            431,
            "too_many_fields",
        ),
    ] {
        let answer = mesh.raw(HOST, &request);
        assert_eq!(answer.status(), status, "{code}: {}", mesh.egret.said());
        assert_eq!(
            answer.value("connection").as_deref(),
            Some("close"),
            "{code}"
        );
        let record = mesh.egret.wait_for_record(code, |r| reason(r) == code);
        assert_has(
            &record,
            &json!({
                "response_code": status, "decision": "refuse", "response_flags": "DPE",
                "source_principal": "cluster.local/ns/default/sa/sleep",
            }),
        );
    }
    assert_eq!(mesh.recorder.connections(), 0);
}

#[test]
fn over_http_2_lengths_and_targets_are_judged_alike() {
    let mesh = Mesh::start(&format!("limits: {{ targetSize: 1KiB }}{SOME}"));
    let hello = Hello {
        alpn: vec!["h2"],
        ..Hello::of(&mesh.pki, "sleep", HOST)
    };
    let long = format!("/routed/{}", "a".repeat(1100));
    let length = ("content-length", "5");
    for (path, more, status, code) in [
        ("/routed", &[length, length][..], 400, "content_length"),
        (&*long, &[], 414, "target_too_long"),
        ("/routed", &[length, ("host", HOST)], 200, ""),
    ] {
        let pseudo = [
            (":method", "POST"),
            (":scheme", "https"),
            (":path", path),
            (":authority", HOST),
        ];
        let fields = pseudo.iter().chain(more);
        let fields: Vec<_> = fields
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        let mut raw = hello.connect(mesh.gateway()).unwrap();
        let answer = http2::ask(&mut raw, &fields, b"hello").unwrap();
        assert_eq!(answer.status, Some(status), "{code}: {}", mesh.egret.said());
        let record = mesh
            .egret
            .wait_for_record("it", |r| r["response_code"] == status && reason(r) == code);
        assert_has(
            &record,
            &json!({ "path": path, "method": "POST", "authority": HOST }),
        );
    }
    assert_eq!(mesh.recorder.seen().len(), 1);
}

#[test]
fn every_line_is_json_whatever_the_caller_sent() {
    let mesh = Mesh::start(SOME);
    let request = "GET /routed?\" HTTP/1.1\r\nhost: httpbin.org\r\nuser-agent: \"\\\u{7f}\r\n\r\n";
    let _ = mesh.raw(HOST, request);
    let agent =
        "GET /routed HTTP/1.1\r\nhost: httpbin.org\r\nuser-agent: a\"b\\c\u{ff}\u{2028}\r\n\r\n";
    assert_eq!(mesh.raw(HOST, agent).status(), 200);
    // `records` fails on a line that is no JSON.
    let record = mesh.egret.record_of("/routed");
    let logged = record["user_agent"].as_str().unwrap_or_default();
    assert!(logged.starts_with("a\"b\\c"), "{logged:?}");
    assert_eq!(mesh.egret.wait_for_records("both", 2, |_| true).len(), 2);
}
