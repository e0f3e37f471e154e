//! Callers who leave: what they began ends with them, on record, whatever the other
//! side does or leaves undone. Routes have no timeout here, so nothing else ends it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use integration_tests::http2::{self, DATA, Frame, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame};
use integration_tests::mesh::Mesh;
use integration_tests::raw::{Hello, Raw};
use integration_tests::record::{assert_has, reason};
use integration_tests::wait::{until, within};

const HOST: &str = "second.test";
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n\
Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const AGREED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\
Upgrade: websocket\r\n\r\n";
/// What may be sent of a stream, and of a connection, before it is read: as the gateway's
/// `http2` says.
const STREAM_WINDOW: i32 = 262_144;
const CONNECTION_WINDOW: i32 = 1_048_576;
const CANCEL: [u8; 4] = [0, 0, 0, 8];
/// What takes seconds by design, on a busy machine.
const LONG: Duration = Duration::from_secs(20);

/// What an origin does with a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Reads, and never answers.
    Silent,
    /// Reads nothing.
    Deaf,
    /// Agrees to a WebSocket, and then reads nothing.
    DeafAfterwards,
}

/// Connections that were made to it, and those that have ended.
#[derive(Default)]
struct Count {
    made: AtomicUsize,
    ended: AtomicUsize,
}

impl Count {
    fn is(&self, made: usize, ended: usize) -> Option<()> {
        let now = [&self.made, &self.ended].map(|count| count.load(Ordering::SeqCst));
        (now == [made, ended]).then_some(())
    }
}

fn serve(origin: Origin) -> (SocketAddr, Arc<Count>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(Count::default());
    let counting = Arc::clone(&count);
    thread::spawn(move || {
        let mut kept = Vec::new();
        for mut tcp in listener.incoming().flatten() {
            counting.made.fetch_add(1, Ordering::SeqCst);
            match origin {
                Origin::Silent => {
                    let counting = Arc::clone(&counting);
                    thread::spawn(move || {
                        let _ = std::io::copy(&mut tcp, &mut std::io::sink());
                        counting.ended.fetch_add(1, Ordering::SeqCst);
                    });
                }
                Origin::Deaf => kept.push(tcp),
                Origin::DeafAfterwards => {
                    let mut head = [0; 1];
                    let mut last = Vec::new();
                    while !last.ends_with(b"\r\n\r\n") && tcp.read_exact(&mut head).is_ok() {
                        last.push(head[0]);
                    }
                    tcp.write_all(AGREED).unwrap();
                    kept.push(tcp);
                }
            }
        }
    });
    (address, count)
}

fn bench(origin: Origin, limits: &str, pool: &str) -> (Mesh, Arc<Count>) {
    let (address, count) = serve(origin);
    let mesh = Mesh::start(&format!(
        "
limits: {{ {limits} }}
listeners:
  - {{ name: mesh, port: 443, bind: \"127.0.0.1:0\" }}
  - {{ name: plain, port: 80, bind: \"127.0.0.1:0\", mode: plaintext }}
  - {{ name: hbone, port: 15008, bind: \"127.0.0.1:0\", mode: hbone }}
defaults: {{ policy: allow, timeout: off }}
destinations:
  - host: {HOST}
    upstream: {{ addresses: [\"{address}\"], tls: off{pool} }}
    allowAddresses: [127.0.0.0/8]
    websocket: true
"
    ));
    (mesh, count)
}

fn http1(mesh: &Mesh) -> Raw {
    let hello = Hello::of(&mesh.pki, "sleep", HOST);
    hello.connect(mesh.gateway()).unwrap()
}

fn http2(mesh: &Mesh, listener: &str) -> Raw {
    let hello = Hello {
        alpn: vec!["h2"],
        ..Hello::of(&mesh.pki, "sleep", HOST)
    };
    let mut raw = hello.connect(mesh.egret.listener(listener)).unwrap();
    raw.send(&http2::preface()).unwrap();
    // The windows that the gateway's settings give count from its acknowledgement on.
    let mut settings = Vec::new();
    while Frame::read(&settings).is_none() {
        settings.extend(raw.some().unwrap());
    }
    raw.send(&frame(SETTINGS, http2::ACK, 0, b"")).unwrap();
    raw
}

fn fields(all: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let all = all.iter();
    all.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect()
}

fn post(stream: u32, path: &str) -> Vec<u8> {
    let fields = fields(&[
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", HOST),
        (":path", path),
    ]);
    http2::head(stream, &fields, false)
}

/// A WebSocket as RFC 8441 asks for one.
fn websocket(stream: u32, path: &str) -> Vec<u8> {
    let fields = fields(&[
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":authority", HOST),
        (":path", path),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]);
    http2::head(stream, &fields, false)
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &CANCEL)
}

/// Sends pieces of a body until nothing more is taken; how much was. `all` is what
/// may be sent on the connection.
fn pour(raw: &mut Raw, stream: u32, all: &mut i32) -> usize {
    let mut window = STREAM_WINDOW;
    let mut sent = 0;
    // So long it is waited from now on.
    let (mut bytes, _) = raw.rest(Duration::from_millis(1500));
    loop {
        while let Some((got, length)) = Frame::read(&bytes) {
            let word = || i32::from_be_bytes(got.payload.try_into().unwrap());
            match (got.kind, got.stream) {
                (WINDOW_UPDATE, 0) => *all += word(),
                (WINDOW_UPDATE, id) if id == stream => window += word(),
                _ => {}
            }
            bytes.drain(..length);
        }
        while window.min(*all) > 0 {
            let piece = window.min(*all).min(16_384);
            raw.send(&frame(DATA, 0, stream, &vec![b'x'; piece as usize]))
                .unwrap();
            window -= piece;
            *all -= piece;
            sent += piece as usize;
        }
        match raw.some() {
            Ok(more) => bytes.extend(more),
            Err(_) => return sent,
        }
    }
}

#[track_caller]
fn recorded(mesh: &Mesh, path: &str) -> Value {
    let of = |r: &Value| r["path"] == path;
    let told = within(LONG, || mesh.egret.records_where(of).pop());
    told.unwrap_or_else(|| panic!("no line of {path}: {}", mesh.egret.said()))
}

#[test]
fn websockets_that_nobody_answers_end_with_their_streams() {
    let (mesh, count) = bench(Origin::Silent, "streams: 10", "");
    let mut raw = http2(&mesh, "mesh");
    for round in 0..5 {
        let streams = || (0..10).map(|n| 20 * round + 2 * n + 1);
        let begun = streams().flat_map(|id| websocket(id, "/chat"));
        raw.send(&begun.collect::<Vec<_>>()).unwrap();
        let all = 10 * (round as usize + 1);
        until("all have been asked for", || count.is(all, all - 10));
        let ended: Vec<u8> = streams().flat_map(reset).collect();
        raw.send(&ended).unwrap();
        until("all are over", || count.is(all, all));
    }
    let gone = |r: &Value| r["path"] == "/chat" && reason(r) == "client_gone";
    assert_eq!(mesh.egret.wait_for_records("ends", 50, gone).len(), 50);
}

#[test]
fn an_upgrade_that_nobody_answers_ends_with_its_connection() {
    let (mesh, count) = bench(Origin::Silent, "", "");
    for (number, early) in ["", "what is said early"].iter().enumerate() {
        let mut raw = http1(&mesh);
        let path = format!("/chat/{number}");
        let asking = format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{UPGRADE}\r\n{early}");
        raw.send(asking.as_bytes()).unwrap();
        until("it has been asked for", || count.is(number + 1, number));
        drop(raw);
        assert_has(
            &recorded(&mesh, &path),
            &json!({ "failure": "client_gone", "response_flags": "DC", "response_code": 0 }),
        );
        until("the upstream's is over", || {
            count.is(number + 1, number + 1)
        });
    }
}

#[test]
fn a_byte_behind_a_request_does_not_make_it_outlive_its_caller() {
    let (mesh, count) = bench(Origin::Silent, "", "");
    let mut raw = http1(&mesh);
    raw.send(format!("GET /one HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes())
        .unwrap();
    until("it has been asked for", || count.is(1, 0));
    raw.send(b"G").unwrap();
    drop(raw);
    assert_eq!(reason(&recorded(&mesh, "/one")), "client_gone");
    until("the upstream's is over", || count.is(1, 1));
}

#[test]
fn nor_does_it_within_hbone() {
    let (mesh, count) = bench(Origin::Silent, "", "");
    let mut raw = http2(&mesh, "hbone");
    let authority = format!("{HOST}:80");
    let connect = fields(&[(":method", "CONNECT"), (":authority", &authority)]);
    raw.send(&http2::head(1, &connect, false)).unwrap();
    let asking = format!("GET /within HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    raw.send(&frame(DATA, 0, 1, asking.as_bytes())).unwrap();
    until("it has been asked for", || count.is(1, 0));
    raw.send(&frame(DATA, 0, 1, b"G")).unwrap();
    raw.send(&reset(1)).unwrap();
    assert_eq!(reason(&recorded(&mesh, "/within")), "client_gone");
    until("the upstream's is over", || count.is(1, 1));
}

#[test]
fn a_place_in_a_queue_is_free_when_its_caller_leaves_whatever_he_asked_for() {
    let (mesh, count) = bench(
        Origin::Silent,
        "",
        ", pool: { maxConnections: 1, maxPendingRequests: 1 }",
    );
    let mut first = http1(&mesh);
    first
        .send(format!("GET /first HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes())
        .unwrap();
    until("the only connection is taken", || count.is(1, 0));
    let upgrade = format!("GET /waits HTTP/1.1\r\nHost: {HOST}\r\n{UPGRADE}\r\n");
    let body = format!("POST /waits HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\n\r\n");
    for (number, asking) in [upgrade, body].iter().enumerate() {
        let mut raw = http1(&mesh);
        raw.send(asking.as_bytes()).unwrap();
        drop(raw);
        let gone = |r: &Value| r["path"] == "/waits" && reason(r) == "client_gone";
        let told = within(LONG, || {
            (mesh.egret.records_where(gone).len() == number + 1).then_some(())
        });
        assert!(told.is_some(), "{}", mesh.egret.said());
    }
}

#[test]
fn an_upload_that_nobody_takes_ends_with_its_stream() {
    let (mesh, _) = bench(Origin::Deaf, "bodyIdleTimeout: 3s", "");
    let mut raw = http2(&mesh, "mesh");
    raw.send(&post(1, "/upload")).unwrap();
    let sent = pour(&mut raw, 1, &mut { CONNECTION_WINDOW });
    raw.send(&reset(1)).unwrap();
    let record = recorded(&mesh, "/upload");
    assert_eq!(reason(&record), "client_gone", "{sent} bytes: {record:#}");
}

#[test]
fn a_websocket_whose_upstream_takes_nothing_ends_with_its_stream() {
    let (mesh, _) = bench(Origin::DeafAfterwards, "tunnelIdleTimeout: 1h", "");
    let mut raw = http2(&mesh, "mesh");
    raw.send(&websocket(1, "/chat")).unwrap();
    let sent = pour(&mut raw, 1, &mut { CONNECTION_WINDOW });
    assert!(sent > 1_000_000, "{sent}");
    raw.send(&reset(1)).unwrap();
    assert_has(
        &recorded(&mesh, "/chat"),
        &json!({ "response_code": 200, "failure": "client_gone", "response_flags": "DC" }),
    );
}

#[test]
fn and_with_its_connection_if_that_breaks_off() {
    let (mesh, _) = bench(Origin::DeafAfterwards, "tunnelIdleTimeout: 1h", "");
    let mut tcp = TcpStream::connect(mesh.egret.listener("plain")).unwrap();
    tcp.write_all(format!("GET /chat HTTP/1.1\r\nHost: {HOST}\r\n{UPGRADE}\r\n").as_bytes())
        .unwrap();
    tcp.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    while tcp.write_all(&[b'x'; 16_384]).is_ok() {}
    break_off(tcp);
    assert_eq!(reason(&recorded(&mesh, "/chat")), "client_gone");
}

/// Ends a connection by a reset.
fn break_off(tcp: TcpStream) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    runtime.block_on(async {
        tcp.set_nonblocking(true).unwrap();
        let tcp = tokio::net::TcpStream::from_std(tcp).unwrap();
        tcp.set_zero_linger().unwrap();
    });
}

#[test]
fn requests_that_outlive_their_streams_count_as_such() {
    let (mesh, _) = bench(Origin::Deaf, "streams: 2, bodyIdleTimeout: 12s", "");
    let mut raw = http2(&mesh, "mesh");
    let mut window = CONNECTION_WINDOW;
    for stream in [1, 3] {
        raw.send(&post(stream, "/upload")).unwrap();
        let _ = pour(&mut raw, stream, &mut window);
        raw.send(&reset(stream)).unwrap();
    }
    raw.send(&http2::request(5, &get("/beyond"), b"")).unwrap();
    assert_has(
        &recorded(&mesh, "/beyond"),
        &json!({
            "refusal": "too_many_streams", "decision": "refuse", "response_flags": "OM",
            "source_principal": "cluster.local/ns/default/sa/sleep",
        }),
    );
    let answer = http2::answer(&mut raw, 5).unwrap();
    assert!(answer.reset && answer.status.is_none(), "{answer:?}");
    // Once they are over there is room again.
    let uploads = || mesh.egret.records_where(|r| r["path"] == "/upload").len();
    let over = within(LONG, || (uploads() == 2).then_some(()));
    assert!(over.is_some(), "{}", mesh.egret.said());
    raw.send(&http2::request(7, &get("/later"), b"")).unwrap();
    raw.send(&reset(7)).unwrap();
    assert_eq!(reason(&recorded(&mesh, "/later")), "client_gone");
}

fn get(path: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    fields(&[
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", HOST),
        (":path", path),
    ])
}
