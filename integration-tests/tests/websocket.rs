//! WebSockets through real sidecars to a real server: judged like requests,
//! then bytes both ways.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::Message;

use integration_tests::http2;
use integration_tests::mesh::Mesh;
use integration_tests::pki::Pki;
use integration_tests::raw::{Hello, Raw};
use integration_tests::record::assert_has;
use integration_tests::sidecar::Protocol;
use integration_tests::websocket::{EchoServer, open};

const HOST: &str = "second.test";

fn native(server: &EchoServer, limits: &str) -> String {
    let address = server.address();
    format!(
        "
limits: {{ {limits} }}
destinations:
  - host: {HOST}
    upstream: {{ addresses: [\"{address}\"], tls: {{ ca: $ORIGIN_CA }} }}
    allowAddresses: [127.0.0.0/8]
    websocket: true
    routes:
      - prefix: /chat
      - prefix: /refused
      - {{ prefix: /plain, websocket: false }}
      - {{ prefix: /answered, respond: {{ status: 200, body: hello }} }}
policies:
  - allow: {{ from: sa:default/sleep, host: {HOST}, path: [/chat*, /refused, /plain, /answered] }}
"
    )
}

fn bench(limits: &str) -> (EchoServer, Mesh) {
    let pki = Pki::create();
    let server = EchoServer::start(&pki.origin(&[HOST]));
    let configuration = native(&server, limits);
    (server, Mesh::start_with(pki, &configuration))
}

#[test]
fn messages_of_every_kind_go_both_ways_and_are_counted() {
    let (server, mesh) = bench("");
    let sidecar = mesh.sidecar("sleep", Protocol::Http1);
    let mut socket = open(sidecar.address(), HOST, "/chat?room=1").unwrap();
    let large = vec![7_u8; 300 * 1024];
    for message in [
        Message::text("hello"),
        Message::binary(large.clone()),
        Message::text(""),
    ] {
        socket.send(message.clone()).unwrap();
        assert_eq!(socket.read().unwrap(), message);
    }
    socket.send(Message::Ping("are you there".into())).unwrap();
    assert_eq!(
        socket.read().unwrap(),
        Message::Pong("are you there".into())
    );
    socket.close(None).unwrap();
    while socket.read().is_ok() {}

    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].target, "/chat?room=1");
    assert_eq!(seen[0].field("upgrade"), Some("websocket"));
    assert_eq!(seen[0].field("connection"), Some("Upgrade"));
    for (name, _) in &seen[0].fields {
        assert!(!name.starts_with("x-envoy-") && !name.starts_with("x-forwarded-"));
    }
    let record = mesh.egret.record_of("/chat?room=1");
    assert_has(
        &record,
        &json!({ "response_code": 101, "decision": "allow", "method": "GET" }),
    );
    for direction in ["bytes_received", "bytes_sent"] {
        let bytes = record[direction].as_u64().unwrap();
        assert!(bytes > large.len() as u64, "{direction}: {record}");
    }
}

#[test]
fn a_sidecar_that_speaks_http_2_asks_by_connect_and_is_served_alike() {
    let (server, mesh) = bench("");
    let sidecar = mesh.sidecar("sleep", Protocol::Http2);
    let mut socket = open(sidecar.address(), HOST, "/chat?h2").unwrap();
    for number in 0..5000 {
        let message = Message::text(format!("{number}"));
        socket.send(message.clone()).unwrap();
        assert_eq!(socket.read().unwrap(), message);
    }
    let large = Message::binary(vec![7_u8; 700 * 1024]);
    socket.send(large.clone()).unwrap();
    assert_eq!(socket.read().unwrap(), large);
    socket.close(None).unwrap();
    while socket.read().is_ok() {}

    let seen = server.seen();
    assert_eq!((seen.len(), &*seen[0].target), (1, "/chat?h2"));
    assert_eq!(seen[0].field("upgrade"), Some("websocket"));
    assert_eq!(seen[0].field("connection"), Some("Upgrade"));
    let record = mesh.egret.record_of("/chat?h2");
    assert_has(
        &record,
        &json!({
            "response_code": 200, "decision": "allow", "method": "GET", "protocol": "HTTP/2",
            "response_flags": "-",
        }),
    );
    assert!(
        record["bytes_sent"].as_u64().unwrap() > 700 * 1024,
        "{record}"
    );

    for (account, target, status) in [
        ("politics", "/chat", "403"),
        ("sleep", "/secret", "403"),
        ("sleep", "/plain", "405"),
    ] {
        let sidecar = mesh.sidecar(account, Protocol::Http2);
        let refused = open(sidecar.address(), HOST, target).map(drop).unwrap_err();
        assert_eq!(refused, status, "{account} {target}");
    }
    assert_eq!(server.seen().len(), 1);
}

/// A connection over HTTP/2 on which a stream has been opened for a protocol.
fn extended_connect(mesh: &Mesh, protocol: &str) -> Raw {
    extended_connect_to(mesh, protocol, "/chat", "text/plain")
}

/// The same, for another path and with a media type.
fn extended_connect_to(mesh: &Mesh, protocol: &str, path: &str, kind: &str) -> Raw {
    let hello = Hello {
        alpn: vec!["h2"],
        ..Hello::of(&mesh.pki, "sleep", HOST)
    };
    let mut raw = hello.connect(mesh.gateway()).unwrap();
    let fields = [
        (":method", "CONNECT"),
        (":protocol", protocol),
        (":scheme", "https"),
        (":path", path),
        (":authority", HOST),
        ("sec-websocket-version", "13"),
        ("content-type", kind),
    ];
    let fields = fields.map(|(name, value)| (name.into(), value.into()));
    let block: Vec<u8> = fields.iter().flat_map(http2::literal).collect();
    let opening = http2::frame(http2::HEADERS, http2::END_HEADERS, 1, &block);
    raw.send(&[http2::preface(), opening].concat()).unwrap();
    raw
}

/// What has come on the stream when it brings `end`.
fn data_until(raw: &mut Raw, end: &[u8]) -> Vec<u8> {
    let (mut bytes, mut data) = (Vec::new(), Vec::new());
    while !data.ends_with(end) {
        let more = raw.some().unwrap();
        assert!(!more.is_empty(), "it ended after {data:?}");
        bytes.extend(more);
        while let Some((frame, length)) = http2::Frame::read(&bytes) {
            if frame.kind == http2::DATA {
                data.extend_from_slice(frame.payload);
            }
            bytes.drain(..length);
        }
    }
    data
}

#[test]
fn a_caller_of_http_2_has_no_key_and_the_server_is_asked_with_ours() {
    let (server, mesh) = bench("");
    let mut raw = extended_connect(&mesh, "websocket");
    // A text of five bytes under a mask of zeros, which is the text itself.
    let message = [&[0x81, 0x85, 0, 0, 0, 0][..], b"hello"].concat();
    raw.send(&http2::frame(http2::DATA, 0, 1, &message))
        .unwrap();
    assert_eq!(data_until(&mut raw, b"hello"), b"\x81\x05hello");
    let seen = server.seen();
    assert!(seen[0].field("sec-websocket-key").is_some());
    drop(raw);
    let record = mesh.egret.record_of("/chat");
    assert_has(
        &record,
        &json!({ "response_code": 200, "protocol": "HTTP/2" }),
    );
}

#[test]
fn a_server_that_proves_nothing_has_not_agreed() {
    let origin = TcpListener::bind("127.0.0.1:0").unwrap();
    let mesh = before(&origin);
    let served = thread::spawn(move || {
        let (mut stream, _) = origin.accept().unwrap();
        read_until(&mut stream, b"\r\n\r\n");
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: no\r\n\r\n")
            .unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        rest
    });
    let mut raw = extended_connect(&mesh, "websocket");
    raw.send(&http2::frame(http2::DATA, 0, 1, b"early"))
        .unwrap();
    let answer = http2::answer(&mut raw, 1).unwrap();
    assert_eq!(answer.status, Some(502));
    assert_eq!(served.join().unwrap(), b"");
}

#[test]
fn a_server_that_answers_otherwise_has_not_agreed_over_http_2_either() {
    let origin = TcpListener::bind("127.0.0.1:0").unwrap();
    let mesh = before(&origin);
    let sidecar = mesh.sidecar("sleep", Protocol::Http2);
    thread::spawn(move || {
        for stream in origin.incoming() {
            let mut stream = stream.unwrap();
            read_until(&mut stream, b"\r\n\r\n");
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
                .unwrap();
        }
    });
    // Of 200 a sidecar would make `101 Switching Protocols`.
    let declined = open(sidecar.address(), HOST, "/chat?declined").map(drop);
    assert_eq!(declined.unwrap_err(), "502");
    let record = mesh.egret.record_of("/chat?declined");
    assert_has(
        &record,
        &json!({
            "response_code": 502, "failure": "upstream_protocol", "response_flags": "UPE",
            "protocol": "HTTP/2",
        }),
    );
    // Over HTTP/1.1 it is what it says.
    let mut caller = Hello::of(&mesh.pki, "sleep", HOST)
        .connect(mesh.gateway())
        .unwrap();
    assert_eq!(caller.exchange(ASKING).unwrap().text(), "hello");
}

#[test]
fn a_refusal_is_no_success_whatever_the_media_type() {
    let (server, mesh) = bench("");
    for (path, status) in [("/secret", 403), ("/plain", 405), ("/answered", 405)] {
        let mut raw = extended_connect_to(&mesh, "websocket", path, "application/grpc");
        let answer = http2::answer(&mut raw, 1).unwrap();
        assert_eq!(answer.status, Some(status), "{path}");
        let record = mesh.egret.record_of(path);
        assert_has(&record, &json!({ "response_code": status }));
    }
    assert_eq!(server.seen(), []);
}

#[test]
fn no_other_protocol_is_connected_to() {
    let (server, mesh) = bench("");
    for protocol in ["connect-udp", "webtransport", "h2c"] {
        let mut raw = extended_connect(&mesh, protocol);
        let answer = http2::answer(&mut raw, 1).unwrap();
        assert_eq!(answer.status, Some(405), "{protocol}");
    }
    assert_eq!(server.seen(), []);
}

#[test]
fn what_is_not_allowed_opens_nothing() {
    let (server, mesh) = bench("");
    let status = |account: &str, target: &str| {
        let sidecar = mesh.sidecar(account, Protocol::Http1);
        open(sidecar.address(), HOST, target).map(drop).unwrap_err()
    };
    assert_eq!(status("politics", "/chat"), "403");
    assert_eq!(status("sleep", "/secret"), "403");
    assert_eq!(server.seen(), []);
    // The server's own no.
    assert_eq!(status("sleep", "/refused"), "403");
    assert_eq!(server.seen().len(), 1);
    let refusals = mesh
        .egret
        .wait_for_records("two refusals", 2, |record| record["decision"] == "deny");
    assert!(refusals.iter().all(|record| record["response_code"] == 403));
}

#[test]
fn a_route_without_websocket_takes_the_upgrade_off() {
    let (server, mesh) = bench("");
    let sidecar = mesh.sidecar("sleep", Protocol::Http1);
    assert!(open(sidecar.address(), HOST, "/plain").is_err());
    // The library refuses a handshake that asks for nothing, before it is told.
    assert_eq!(server.seen(), []);
    let record = mesh.egret.record_of("/plain");
    assert_ne!(record["response_code"], 101);
}

#[test]
fn silence_is_longer_than_a_bodys_and_bounded() {
    let (_server, mesh) = bench("bodyIdleTimeout: 300ms, tunnelIdleTimeout: 1500ms");
    let sidecar = mesh.sidecar("sleep", Protocol::Http1);
    let mut socket = open(sidecar.address(), HOST, "/chat").unwrap();
    let quiet = Instant::now();
    socket
        .get_ref()
        .set_read_timeout(Some(Duration::from_millis(700)))
        .unwrap();
    assert!(matches!(
        socket.read(),
        Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock
    ));
    socket.send(Message::text("still here")).unwrap();
    socket
        .get_ref()
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("still here"));
    assert!(quiet.elapsed() >= Duration::from_millis(700));
    // Then nothing more is said.
    assert!(socket.read().is_err());
    let record = mesh.egret.record_of("/chat");
    assert_has(
        &record,
        &json!({ "response_code": 101, "response_code_details": "stream_idle_timeout" }),
    );
}

const ASKING: &str = "GET /chat HTTP/1.1\r\nHost: second.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A gateway whose WebSockets lead to `origin`, over plain TCP.
fn before(origin: &TcpListener) -> Mesh {
    let address = origin.local_addr().unwrap();
    Mesh::start(&format!(
        "
destinations:
  - host: {HOST}
    upstream: {{ addresses: [\"{address}\"], tls: off }}
    allowAddresses: [127.0.0.0/8]
    websocket: true
policies:
  - allow: {{ from: sa:default/sleep, host: {HOST} }}
"
    ))
}

/// Reads until `end` has come.
fn read_until(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(end) {
        stream.read_exact(&mut byte).unwrap();
        read.push(byte[0]);
    }
    read
}

#[test]
fn nothing_is_forwarded_before_the_upstream_agrees() {
    let origin = TcpListener::bind("127.0.0.1:0").unwrap();
    let mesh = before(&origin);
    let hello = Hello::of(&mesh.pki, "sleep", HOST);
    let served = thread::spawn(move || {
        let (mut stream, _) = origin.accept().unwrap();
        let head = read_until(&mut stream, b"\r\n\r\n");
        stream
            .set_read_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        let early = stream.read(&mut [0; 64]);
        assert_eq!(early.unwrap_err().kind(), ErrorKind::WouldBlock);
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\n")
            .unwrap();
        let after = read_until(&mut stream, b"late");
        stream.write_all(b"and back").unwrap();
        (head, after)
    });
    let mut caller = hello.connect(mesh.gateway()).unwrap();
    caller
        .send(format!("{ASKING}early and ").as_bytes())
        .unwrap();
    let answer = caller.head().unwrap();
    assert_eq!(answer.status(), 101);
    caller.send(b"late").unwrap();
    let (head, after) = served.join().unwrap();
    assert!(head.starts_with(b"GET /chat HTTP/1.1\r\n"));
    assert_eq!(String::from_utf8_lossy(&after), "early and late");
}

#[test]
fn what_agrees_to_something_else_is_no_agreement() {
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n\r\n",
    ] {
        let origin = TcpListener::bind("127.0.0.1:0").unwrap();
        let mesh = before(&origin);
        let hello = Hello::of(&mesh.pki, "sleep", HOST);
        let served = thread::spawn(move || {
            let (mut stream, _) = origin.accept().unwrap();
            read_until(&mut stream, b"\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
            // Nothing more comes of it.
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest);
            rest
        });
        let mut caller = hello.connect(mesh.gateway()).unwrap();
        caller.send(ASKING.as_bytes()).unwrap();
        assert_eq!(caller.head().unwrap().status(), 502, "{answer}");
        assert_eq!(served.join().unwrap(), b"");
        let record: Value = mesh.egret.record_of("/chat");
        assert_has(
            &record,
            &json!({ "response_code": 502, "response_flags": "UPE" }),
        );
    }
}
