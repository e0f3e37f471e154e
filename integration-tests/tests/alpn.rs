//! Which version of HTTP is spoken with an origin: what it chooses by ALPN, where
//! the operator leaves it to it; the caller's own; or the one that was written.

use serde_json::json;

use integration_tests::grpc::{Server, call, value};
use integration_tests::mesh::Mesh;
use integration_tests::pki::Pki;
use integration_tests::raw::Hello;
use integration_tests::record::{assert_has, reason};
use integration_tests::sidecar::Protocol;
use integration_tests::websocket;

const CNN: &str = "edition.cnn.com";
const HTTPBIN: &str = "httpbin.org";
const SECOND: &str = "second.test";

/// Both external hosts, spoken to as `protocol` says: nginx speaks HTTP/2, the
/// recorder HTTP/1.1 alone.
fn start(protocol: &str) -> Mesh {
    Mesh::start(&format!(
        "defaults: {{ policy: allow, addresses: {{ allow: [127.0.0.0/8] }} }}
destinations:
  - host: {CNN}
    upstream: {{ addresses: [\"$NGINX\"], protocol: {protocol}, tls: {{ ca: $ORIGIN_CA }} }}
  - host: {HTTPBIN}
    websocket: true
    upstream: {{ addresses: [\"$RECORDER\"], protocol: {protocol}, tls: {{ ca: $ORIGIN_CA }} }}
"
    ))
}

#[test]
fn an_origin_is_spoken_to_in_the_version_it_chooses() {
    let mesh = start("auto");
    for protocol in Protocol::ALL {
        let sidecar = mesh.sidecar("sleep", protocol);
        let target = format!("/{protocol:?}");
        assert_eq!(sidecar.curl(CNN, &target).send().status, 200);
        let asked = mesh.nginx.wait_for(&target);
        assert_has(&asked, &json!({ "protocol": "HTTP/2.0", "alpn": "h2" }));
        assert_eq!(sidecar.curl(HTTPBIN, &target).send().status, 200);
        let seen = mesh.recorder.wait_for(&target);
        assert_eq!(seen.alpn, ["h2", "http/1.1"]);
        let head = String::from_utf8(seen.message.head).unwrap();
        assert!(head.contains(" HTTP/1.1\r\n"), "{head}");
        assert_has(
            &mesh.egret.record_of(&target),
            &json!({ "response_code": 200, "response_flags": "-" }),
        );
    }
    // Either kind is kept, and used again as what it is.
    assert_eq!(mesh.recorder.connections(), 1);
    let requests = mesh.nginx.requests();
    let connections: Vec<_> = requests.iter().map(|r| &r["connection"]).collect();
    assert_eq!(connections.len(), 2);
    assert_eq!(connections[0], connections[1]);
}

#[test]
fn the_callers_version_is_kept_where_it_is_asked_for() {
    let mesh = start("caller");
    for (protocol, spoken, alpn) in [
        (Protocol::Http1, "HTTP/1.1", "http/1.1"),
        (Protocol::Http2, "HTTP/2.0", "h2"),
    ] {
        let sidecar = mesh.sidecar("sleep", protocol);
        let target = format!("/{protocol:?}");
        assert_eq!(sidecar.curl(CNN, &target).send().status, 200);
        let asked = mesh.nginx.wait_for(&target);
        assert_has(&asked, &json!({ "protocol": spoken, "alpn": alpn }));
    }
}

#[test]
fn an_origin_that_does_not_agree_to_http_2_is_not_sent_a_request() {
    let mesh = start("h2");
    let reply = mesh.fetch("sleep", HTTPBIN, "/x");
    assert_eq!(reply.status, 502);
    let record = mesh.egret.record_of("/x");
    assert_eq!(reason(&record), "upstream_protocol", "{record:#}");
    let why = "`httpbin.org` does not agree to HTTP/2: write `protocol: auto`";
    assert_eq!(record["upstream_transport_failure_reason"], why);
    assert_eq!(mesh.recorder.seen().len(), 0);
}

#[test]
fn grpc_goes_by_http_2_where_the_server_chooses_it() {
    let pki = Pki::create();
    let server = Server::start(&pki.origin(&[SECOND]), &["grpc-status: 0"]);
    let configuration = format!(
        "defaults: {{ policy: allow, addresses: {{ allow: [127.0.0.0/8] }} }}
destinations:
  - host: {SECOND}
    upstream: {{ addresses: [\"{}\"], protocol: auto, tls: {{ ca: $ORIGIN_CA }} }}
",
        server.address()
    );
    let mesh = Mesh::start_with(pki, &configuration);
    let answer = call(
        mesh.gateway(),
        &mesh.pki.workload("sleep"),
        SECOND,
        "/echo.Echo/Say",
    );
    let last = answer.heads.last().unwrap();
    assert_eq!(value(last, "grpc-status"), Some("0"), "{answer:?}");
    let head = server.wait_for("/echo.Echo/Say");
    assert_eq!(value(&head, ":scheme"), Some("https"));
    assert_eq!(mesh.egret.record_of("/echo.Echo/Say")["grpc_status"], 0);
}

#[test]
fn a_websocket_is_asked_for_by_http_1_though_http_2_could_be_spoken() {
    let pki = Pki::create();
    let server = websocket::EchoServer::start(&pki.origin(&[SECOND]));
    let configuration = format!(
        "defaults: {{ policy: allow, addresses: {{ allow: [127.0.0.0/8] }} }}
destinations:
  - host: {SECOND}
    websocket: true
    upstream: {{ addresses: [\"{}\"], protocol: auto, tls: {{ ca: $ORIGIN_CA }} }}
",
        server.address()
    );
    let mesh = Mesh::start_with(pki, &configuration);
    let sidecar = mesh.sidecar("sleep", Protocol::Http1);
    let mut socket = websocket::open(sidecar.address(), SECOND, "/talk").unwrap();
    socket.close(None).unwrap();
    let record = mesh.egret.record_of("/talk");
    assert_has(&record, &json!({ "response_code": 101 }));
}

/// Sends the head of a request whose body has yet to come: the origin's stream is
/// taken for as long.
#[test]
fn a_connection_whose_streams_are_all_taken_is_left_to_them() {
    let pki = Pki::create();
    let server = Server::start(&pki.origin(&[SECOND]), &["x-end: 1"]);
    let configuration = format!(
        "defaults: {{ policy: allow, addresses: {{ allow: [127.0.0.0/8] }} }}
destinations:
  - host: {SECOND}
    upstream:
      addresses: [\"{}\"]
      protocol: h2
      tls: {{ ca: $ORIGIN_CA }}
      pool: {{ maxConcurrentStreams: 2 }}
",
        server.address()
    );
    let mesh = Mesh::start_with(pki, &configuration);
    let hello = Hello::of(&mesh.pki, "sleep", SECOND);
    let mut open = Vec::new();
    for number in 0..5 {
        let mut raw = hello.connect(mesh.gateway()).unwrap();
        let head =
            format!("POST /{number} HTTP/1.1\r\nhost: {SECOND}\r\ncontent-length: 3\r\n\r\na");
        raw.send(head.as_bytes()).unwrap();
        let _ = server.wait_for(&format!("/{number}"));
        open.push(raw);
    }
    for raw in &mut open {
        raw.send(b"bc").unwrap();
        let answer = raw.response().unwrap();
        assert_eq!((answer.status(), &answer.body[..]), (200, &b"abc"[..]));
    }
    // Two streams each.
    assert_eq!(mesh.egret.metric("egret_upstream_connections_total"), 3);
}
