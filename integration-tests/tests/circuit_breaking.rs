//! What may be open to an upstream at once: a flood never opens more, what is
//! beyond is refused with Envoy's flag, and every place is given back.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use integration_tests::http2::{ACK, END_HEADERS, END_STREAM, HEADERS, SETTINGS, frame};
use integration_tests::mesh::Mesh;
use integration_tests::pki::Pki;
use integration_tests::raw::{Hello, Raw};
use integration_tests::record::{assert_has, reason};
use integration_tests::sidecar::{Protocol, TCP_ALPN};
use integration_tests::wait::until;
use integration_tests::websocket::{self, EchoServer};

const HTTPBIN: &str = "httpbin.org";
const SECOND: &str = "second.test";

/// The recorder behind `pool`; `beside` is more configuration.
fn bounded(pool: &str, beside: &str) -> String {
    format!(
        "defaults: {{ policy: allow, addresses: {{ allow: [127.0.0.0/8] }} }}
destinations:
  - host: {HTTPBIN}
    timeout: 20s
    upstream: {{ addresses: [\"$RECORDER\"], tls: {{ ca: $ORIGIN_CA }}, pool: {{ {pool} }} }}
{beside}"
    )
}

/// A request that is under way, and answered only when the origin likes.
fn ask(mesh: &Mesh, target: &str) -> Raw {
    let hello = Hello::of(&mesh.pki, "sleep", HTTPBIN);
    let mut raw = hello.connect(mesh.gateway()).unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nhost: {HTTPBIN}\r\n\r\n");
    raw.send(head.as_bytes()).unwrap();
    raw
}

/// The same, once the origin has it.
fn hold(mesh: &Mesh, target: &str) -> Raw {
    let raw = ask(mesh, target);
    let _ = mesh.recorder.wait_for(target);
    raw
}

/// Forty callers at once, each with twenty requests, all of which are served.
fn flood(mesh: &Mesh, host: &str) {
    let hello = Hello::of(&mesh.pki, "sleep", host);
    thread::scope(|scope| {
        for caller in 0..40 {
            let hello = &hello;
            scope.spawn(move || {
                let mut raw = hello.connect(mesh.gateway()).unwrap();
                for number in 0..20 {
                    let head = format!("GET /{caller}/{number} HTTP/1.1\r\nhost: {host}\r\n\r\n");
                    assert_eq!(raw.exchange(&head).unwrap().status(), 200);
                }
            });
        }
    });
}

#[track_caller]
fn until_metric(mesh: &Mesh, name: &str, value: u64) {
    until(&format!("{name} is {value}"), || {
        (mesh.egret.metric(name) == value).then_some(())
    });
}

#[track_caller]
fn assert_overflow(mesh: &Mesh, target: &str) {
    let record = mesh.egret.record_of(target);
    assert_eq!(reason(&record), "upstream_overflow", "{record:#}");
    assert_has(
        &record,
        &json!({
            "response_code": 503, "decision": "allow", "response_flags": "UO",
            "response_code_details": "upstream_reset_before_response_started{overflow}",
            "upstream_cluster": format!("outbound|{}||{HTTPBIN}", 443),
            "upstream_host": Value::Null,
        }),
    );
}

#[test]
fn one_more_waits_and_one_more_than_that_is_refused() {
    let mesh = Mesh::start(&bounded("maxConnections: 2, maxPendingRequests: 1", ""));
    let mut first = hold(&mesh, "/delay/5?1");
    let mut second = hold(&mesh, "/delay/5?2");
    let mut third = ask(&mesh, "/waits");
    until_metric(&mesh, "egret_upstream_pending_requests", 1);
    for protocol in Protocol::ALL {
        let target = format!("/beyond?{protocol:?}");
        let reply = mesh
            .sidecar("sleep", protocol)
            .curl(HTTPBIN, &target)
            .send();
        assert_eq!(reply.status, 503);
        assert!(reply.text().contains("overflow"), "{}", reply.text());
        assert_overflow(&mesh, &target);
    }
    for raw in [&mut first, &mut second, &mut third] {
        assert_eq!(raw.response().unwrap().status(), 200);
    }
    let seen = mesh.recorder.wait_for("/waits");
    assert!(seen.connection <= 2, "it takes a connection that is free");
    assert!(mesh.recorder.seen_for("/beyond").is_empty());
    assert_eq!(mesh.recorder.connections(), 2);
    assert_eq!(mesh.egret.metric("egret_upstream_overflows_total"), 2);
    until_metric(&mesh, "egret_upstream_active_requests", 0);
    until_metric(&mesh, "egret_upstream_pending_requests", 0);
    assert_eq!(mesh.egret.metric("egret_upstream_open_connections"), 2);
}

#[test]
fn a_flood_opens_no_more_connections_than_it_may() {
    let mesh = Mesh::start(&bounded("maxConnections: 3", ""));
    flood(&mesh, HTTPBIN);
    assert_eq!(mesh.recorder.connections(), 3);
    assert_eq!(mesh.egret.metric("egret_upstream_overflows_total"), 0);
}

#[test]
fn a_flood_over_every_bound_is_refused_on_record_and_then_over() {
    let mesh = Mesh::start(&bounded("maxConnections: 2, maxPendingRequests: 2", ""));
    let held = [hold(&mesh, "/silence?1"), hold(&mesh, "/silence?2")];
    let waiting = [ask(&mesh, "/after?1"), ask(&mesh, "/after?2")];
    until_metric(&mesh, "egret_upstream_pending_requests", 2);
    let refused: Vec<_> = (0..50)
        .map(|n| ask(&mesh, &format!("/flood?{n}")))
        .collect();
    for mut raw in refused {
        assert_eq!(raw.response().unwrap().status(), 503);
    }
    let lines = mesh
        .egret
        .wait_for_records("the flood", 50, |r| r["response_flags"] == "UO");
    assert_eq!(lines.len(), 50);
    assert_eq!(mesh.recorder.connections(), 2);
    // Callers who leave give their places back, and those who wait are served.
    drop(held);
    for mut raw in waiting {
        assert_eq!(raw.response().unwrap().status(), 200);
    }
    until_metric(&mesh, "egret_upstream_active_requests", 0);
}

#[test]
fn whoever_leaves_while_he_waits_leaves_his_place() {
    let mesh = Mesh::start(&bounded("maxConnections: 1", ""));
    let mut held = hold(&mesh, "/delay/2");
    let waiting = ask(&mesh, "/leaves");
    until_metric(&mesh, "egret_upstream_pending_requests", 1);
    drop(waiting);
    until_metric(&mesh, "egret_upstream_pending_requests", 0);
    let record = mesh.egret.record_of("/leaves");
    assert_has(
        &record,
        &json!({ "response_flags": "DC", "upstream_host": Value::Null }),
    );
    assert_eq!(held.response().unwrap().status(), 200);
    assert_eq!(mesh.fetch("sleep", HTTPBIN, "/next").status, 200);
    assert!(mesh.recorder.seen_for("/leaves").is_empty());
    assert_eq!(mesh.recorder.connections(), 1);
}

#[test]
fn requests_under_way_are_bounded_whatever_their_connections() {
    let mesh = Mesh::start(&bounded("maxRequests: 1", ""));
    let held = hold(&mesh, "/silence");
    assert_eq!(mesh.fetch("sleep", HTTPBIN, "/beyond").status, 503);
    assert_overflow(&mesh, "/beyond");
    drop(held);
    mesh.until_served("sleep", HTTPBIN, "/again");
}

#[test]
fn a_connection_serves_no_more_requests_than_it_may() {
    let mesh = Mesh::start(&bounded("maxRequestsPerConnection: 2", ""));
    for number in 0..5 {
        let target = format!("/{number}");
        assert_eq!(mesh.fetch("sleep", HTTPBIN, &target).status, 200);
    }
    let seen = mesh.recorder.seen();
    let connections: Vec<_> = seen.iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [1, 1, 2, 2, 3]);
}

#[test]
fn a_connection_serves_no_longer_than_it_may() {
    let mesh = Mesh::start(&bounded("maxConnectionDuration: 1s", ""));
    let mut raw = hold(&mesh, "/delay/2");
    assert_eq!(raw.response().unwrap().status(), 200);
    assert_eq!(mesh.fetch("sleep", HTTPBIN, "/next").status, 200);
    assert_eq!(mesh.recorder.wait_for("/next").connection, 2);
}

#[test]
fn a_reload_does_not_forget_what_is_open() {
    let before = bounded("maxConnections: 1, maxPendingRequests: 0", "");
    let mesh = Mesh::start(&before.replace("PendingRequests: 0", "PendingRequests: 9"));
    let held = hold(&mesh, "/silence");
    // Another bound for the same upstream, and another destination.
    mesh.configure(&format!("{before}  - host: other.test\n"));
    until("the reload", || {
        (mesh.egret.metric("egret_reloads_total") == 1).then_some(())
    });
    assert_eq!(mesh.egret.metric("egret_upstream_open_connections"), 1);
    assert_eq!(mesh.fetch("sleep", HTTPBIN, "/beyond").status, 503);
    assert_overflow(&mesh, "/beyond");
    assert_eq!(mesh.recorder.connections(), 1);
    drop(held);
    until_metric(&mesh, "egret_upstream_open_connections", 0);
}

#[test]
fn an_idle_connection_gives_way_to_another_name() {
    let mesh = Mesh::start(
        "defaults: { policy: allow, addresses: { allow: [127.0.0.0/8] } }
dns: { hosts: { httpbin.org: [127.0.0.1], second.test: [127.0.0.1] } }
destinations:
  - host: \"*\"
    timeout: 20s
    upstream: { port: $RECORDER_PORT, tls: { ca: $ORIGIN_CA }, pool: { maxConnections: 1 } }
",
    );
    for (number, host) in [HTTPBIN, "second.test", HTTPBIN].iter().enumerate() {
        let target = format!("/{number}");
        assert_eq!(mesh.fetch("sleep", host, &target).status, 200);
        assert_eq!(mesh.recorder.wait_for(&target).connection, number + 1);
    }
    assert_eq!(mesh.egret.metric("egret_upstream_open_connections"), 1);
}

#[test]
fn streams_of_one_connection_serve_all_who_wait() {
    let mesh = Mesh::start(
        "defaults: { policy: allow, addresses: { allow: [127.0.0.0/8] } }
destinations:
  - host: edition.cnn.com
    timeout: 20s
    upstream:
      addresses: [\"$NGINX\"]
      protocol: auto
      tls: { ca: $ORIGIN_CA }
      pool: { maxConnections: 1, maxConcurrentStreams: 2 }
",
    );
    flood(&mesh, "edition.cnn.com");
    assert_eq!(mesh.egret.metric("egret_upstream_connections_total"), 1);
}

/// An origin that says nothing, and closes when it is told no more.
fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || stream.read_to_end(&mut Vec::new()));
        }
    });
    address
}

#[test]
fn tunnels_are_bounded_too() {
    let address = silent();
    let mesh = Mesh::start(&format!(
        "listeners:
  - {{ name: mesh, port: 443, bind: \"127.0.0.1:0\" }}
  - {{ name: db, port: 5432, bind: \"127.0.0.1:0\", mode: tcp }}
defaults: {{ policy: allow, addresses: {{ allow: [127.0.0.0/8] }} }}
tcp:
  - {{ host: db.test, at: gateway:5432, upstream: {{ addresses: [\"{address}\"], pool: {{ maxConnections: 1 }} }} }}
"
    ));
    let hello = Hello {
        alpn: TCP_ALPN.to_vec(),
        ..Hello::of(&mesh.pki, "sleep", "any.test")
    };
    let open = || hello.connect(mesh.egret.listener("db")).unwrap();
    let first = open();
    until_metric(&mesh, "egret_upstream_open_connections", 1);
    let _second = open();
    let record = mesh
        .egret
        .wait_for_record("the second", |r| r["response_flags"] == "UO");
    assert_eq!(reason(&record), "upstream_overflow", "{record:#}");
    drop(first);
    until_metric(&mesh, "egret_upstream_open_connections", 0);
    let _third = open();
    until_metric(&mesh, "egret_upstream_open_connections", 1);
}

#[test]
fn a_websocket_keeps_its_place_to_its_end() {
    let pki = Pki::create();
    let server = EchoServer::start(&pki.origin(&[SECOND]));
    let configuration = format!(
        "defaults: {{ policy: allow, addresses: {{ allow: [127.0.0.0/8] }} }}
destinations:
  - host: {SECOND}
    websocket: true
    upstream: {{ addresses: [\"{}\"], tls: {{ ca: $ORIGIN_CA }}, pool: {{ maxConnections: 1, maxRequests: 1 }} }}
",
        server.address()
    );
    let mesh = Mesh::start_with(pki, &configuration);
    let sidecar = mesh.sidecar("sleep", Protocol::Http1);
    let mut socket = websocket::open(sidecar.address(), SECOND, "/one").unwrap();
    assert_eq!(mesh.egret.metric("egret_upstream_active_requests"), 1);
    assert!(websocket::open(sidecar.address(), SECOND, "/beyond").is_err());
    let record = mesh.egret.record_of("/beyond");
    assert_has(
        &record,
        &json!({ "response_flags": "UO", "response_code": 503 }),
    );
    socket.close(None).unwrap();
    drop(socket);
    until_metric(&mesh, "egret_upstream_active_requests", 0);
    until_metric(&mesh, "egret_upstream_open_connections", 0);
    let _another = websocket::open(sidecar.address(), SECOND, "/two").unwrap();
}

/// Answers requests over HTTP/2 by prior knowledge, to the connection's end.
fn answer_all(mut tcp: TcpStream) -> io::Result<()> {
    let mut preface = [0; 24];
    tcp.read_exact(&mut preface)?;
    tcp.write_all(&frame(SETTINGS, 0, 0, b""))?;
    loop {
        let mut head = [0; 9];
        tcp.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        tcp.read_exact(&mut payload)?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        match (head[3], head[4] & ACK) {
            (SETTINGS, 0) => tcp.write_all(&frame(SETTINGS, ACK, 0, b""))?,
            // `:status: 200` (RFC 7541, appendix A).
            (HEADERS, _) => {
                tcp.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &[0x88]))?;
            }
            _ => {}
        }
    }
}

#[test]
fn one_idle_connection_gives_way_and_not_all() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let ended = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&ended);
    thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            let ended = Arc::clone(&counting);
            thread::spawn(move || {
                let _ = answer_all(tcp);
                ended.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    let mesh = Mesh::start(&format!(
        "dns: {{ servers: [\"$DNS\"] }}
defaults: {{ policy: allow, addresses: {{ allow: [127.0.0.0/8] }} }}
destinations:
  - host: \"*.wild.test\"
    upstream:
      {{ resolve: dynamic, port: {port}, tls: off, protocol: h2, pool: {{ maxConnections: 3 }} }}
"
    ));
    for number in 1..=4 {
        let host = format!("{number}.wild.test");
        mesh.names
            .answer(&host, &[Ipv4Addr::new(127, 0, 0, number)]);
        let reply = mesh.fetch("sleep", &host, "/x");
        assert_eq!(reply.status, 200, "{host}: {}", mesh.egret.said());
    }
    until("one has given way", || {
        (ended.load(Ordering::SeqCst) > 0).then_some(())
    });
    assert_eq!(ended.load(Ordering::SeqCst), 1);
}
