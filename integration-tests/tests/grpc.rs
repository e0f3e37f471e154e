//! gRPC: what makes it so (`te: trailers`, trailers) passes in both directions,
//! and the gateway's own answers are such as gRPC callers read.

use serde_json::json;

use integration_tests::grpc::{Answer, Ends, Server, call, value};
use integration_tests::mesh::Mesh;
use integration_tests::pki::Pki;
use integration_tests::record::{assert_has, reason};
use integration_tests::sidecar::Protocol;

/// A host every sidecar of the bench knows; here nghttpd plays it.
const HOST: &str = "second.test";

const CONFIGURATION: &str = "
destinations:
  - host: second.test
    upstream: { addresses: [\"$GRPC\"], protocol: h2, tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
    routes:
      - prefix: /echo.Echo
      - prefix: /dead.Service
        to: [{ upstream: { addresses: [\"127.0.0.1:9\"], protocol: h2, tls: { ca: $ORIGIN_CA } } }]
      - exact: /silence
        timeout: 1s
        to: [{ upstream: { host: httpbin.org, addresses: [\"$RECORDER\"], tls: { ca: $ORIGIN_CA } } }]
policies:
  - name: calls
    allow: { from: sa:default/sleep, host: second.test }
    unless: { path: /secret.* }
";

fn bench(trailers: &[&str]) -> (Mesh, Server) {
    let pki = Pki::create();
    let server = Server::start(&pki.origin(&[HOST]), trailers);
    let configuration = CONFIGURATION.replace("$GRPC", &server.address().to_string());
    (Mesh::start_with(pki, &configuration), server)
}

fn called(mesh: &Mesh, target: &str) -> Answer {
    call(mesh.gateway(), &mesh.pki.workload("sleep"), HOST, target)
}

#[test]
fn a_call_through_a_sidecar_keeps_te_and_trailers() {
    let (mesh, server) = bench(&["grpc-status: 0", "grpc-message: fine", "x-cost: 7"]);
    let sidecar = mesh.sidecar("sleep", Protocol::Http2);
    let target = "/echo.Echo/Say";
    let reply = sidecar
        .curl(HOST, target)
        .args(&["--http2-prior-knowledge"])
        .header("content-type: application/grpc")
        .header("te: trailers")
        .header("grpc-timeout: 5S")
        .body(b"\0\0\0\0\x03abc")
        .send();
    assert_eq!(reply.status, 200, "{}", mesh.egret.said());
    assert_eq!(reply.body, b"\0\0\0\0\x03abc");
    // The last block of fields is the trailers.
    for (name, expected) in [
        ("grpc-status", "0"),
        ("grpc-message", "fine"),
        ("x-cost", "7"),
    ] {
        assert_eq!(reply.header(name), Some(expected), "{:?}", reply.headers);
    }
    let seen = server.wait_for(target);
    for (name, expected) in [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", HOST),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("grpc-timeout", "5S"),
    ] {
        assert_eq!(value(&seen, name), Some(expected), "{seen:?}");
    }
    assert!(seen.iter().all(|(name, _)| !name.starts_with("x-envoy")));
    assert_has(
        &mesh.egret.record_of(target),
        &json!({
            "decision": "allow", "rule": "calls", "grpc_status": 0, "response_code": 200,
            "protocol": "HTTP/2", "method": "POST", "response_flags": "-", "bytes_received": 8,
            "bytes_sent": 8, "upstream_host": server.address().to_string(),
            "response_code_details": "via_upstream",
        }),
    );
}

#[test]
fn trailers_are_the_last_frame_and_end_the_stream() {
    let (mesh, server) = bench(&["grpc-status: 5", "grpc-message: no such thing"]);
    let answer = called(&mesh, "/echo.Echo/Say");
    let last = answer.frames.last().cloned();
    assert_eq!(
        last,
        Some(("HEADERS".to_owned(), Ends::Stream)),
        "{answer:?}"
    );
    assert_eq!(answer.heads.len(), 2, "{answer:?}");
    assert_eq!(value(&answer.heads[0], ":status"), Some("200"));
    assert_eq!(value(&answer.heads[0], "grpc-status"), None);
    assert_eq!(value(&answer.heads[1], "grpc-status"), Some("5"));
    assert_eq!(
        value(&answer.heads[1], "grpc-message"),
        Some("no such thing")
    );
    let ended = |(_, ends): &&(String, Ends)| *ends == Ends::Stream;
    assert_eq!(answer.frames.iter().filter(ended).count(), 1, "{answer:?}");
    assert_eq!(
        value(&server.wait_for("/echo.Echo/Say"), "te"),
        Some("trailers")
    );
    assert_eq!(mesh.egret.record_of("/echo.Echo/Say")["grpc_status"], 5);
}

#[test]
fn an_upstream_connection_carries_many_calls() {
    let (mesh, server) = bench(&["grpc-status: 0"]);
    for number in 0..3 {
        let target = format!("/echo.Echo/Call{number}");
        let _ = called(&mesh, &target);
        let _ = server.wait_for(&target);
    }
    let records = mesh
        .egret
        .wait_for_records("calls", 3, |r| r["grpc_status"] == 0);
    let ports: Vec<_> = records
        .iter()
        .map(|r| &r["upstream_local_address"])
        .collect();
    assert!(ports.iter().all(|port| *port == ports[0]), "{ports:?}");
}

#[test]
fn refusals_and_failures_are_trailers_only() {
    let (mesh, server) = bench(&["grpc-status: 0"]);
    for (target, status, message, code) in [
        (
            "/secret.Store/Get",
            "7",
            Some("RBAC: access denied"),
            "not_allowed",
        ),
        ("/unknown.Service/Get", "12", None, "no_route"),
        (
            "/dead.Service/Get",
            "14",
            Some(
                "upstream connect error or disconnect/reset before headers. \
                 reset reason: remote connection failure",
            ),
            "connect_failure",
        ),
        (
            "/silence",
            "4",
            Some("upstream request timeout"),
            "route_timeout",
        ),
    ] {
        let answer = called(&mesh, target);
        let only = [("HEADERS".to_owned(), Ends::Stream)];
        assert_eq!(answer.frames, only, "{target}: {answer:?}");
        let head = &answer.heads[0];
        assert_eq!(value(head, ":status"), Some("200"), "{target}");
        assert_eq!(
            value(head, "content-type"),
            Some("application/grpc"),
            "{target}"
        );
        assert_eq!(value(head, "grpc-status"), Some(status), "{target}");
        assert_eq!(value(head, "grpc-message"), message, "{target}");
        let record = mesh.egret.record_of(target);
        assert_eq!(reason(&record), code, "{record:#}");
        let number: u64 = status.parse().unwrap();
        // What the caller was sent: Envoy logs 200 as well.
        assert_has(
            &record,
            &json!({ "grpc_status": number, "response_code": 200 }),
        );
    }
    assert!(server.requests().is_empty());
}

#[test]
fn a_sidecar_hands_grpc_refusals_on() {
    let (mesh, server) = bench(&["grpc-status: 0"]);
    let sidecar = mesh.sidecar("politics", Protocol::Http2);
    let reply = sidecar
        .curl(HOST, "/echo.Echo/Say")
        .args(&["--http2-prior-knowledge"])
        .header("content-type: application/grpc+proto")
        .header("te: trailers")
        .body(b"\0\0\0\0\0")
        .send();
    assert_eq!(
        (reply.status, reply.header("grpc-status")),
        (200, Some("7"))
    );
    assert_eq!(reply.header("grpc-message"), Some("RBAC: access denied"));
    assert!(server.requests().is_empty());
}

#[test]
fn a_call_takes_no_longer_than_its_caller_will_wait() {
    let (mesh, _server) = bench(&[]);
    let ask = |time: &str| {
        let curl = mesh
            .curl("sleep", HOST, &format!("/silence?{time}"))
            .http2();
        curl.method("POST")
            .header("content-type: application/grpc")
            .header("te: trailers")
            .header(&format!("grpc-timeout: {time}"))
            .send()
    };
    for time in ["200m", "9S"] {
        let reply = ask(time);
        assert_eq!(reply.header("grpc-status"), Some("4"), "{time}");
        let record = mesh.egret.record_of(&format!("/silence?{time}"));
        assert_eq!(reason(&record), "route_timeout");
        // The route's own time is a second.
        let took = record["duration"].as_u64().unwrap();
        assert_eq!(took < 1000, time == "200m", "{time}: {took} ms");
    }
}
