//! Bodies on their way: as they come, no faster than they are taken, and each
//! exchange to its end before the next one on its connection.

use std::thread;
use std::time::Duration;

use serde_json::json;

use integration_tests::mesh::Mesh;
use integration_tests::message::Framing;
use integration_tests::origin::LARGE;
use integration_tests::raw::{Ending, Hello, Raw};
use integration_tests::record::{assert_has, reason};
use integration_tests::wait::{until, within};

const HOST: &str = "httpbin.org";

const OPEN: &str = "
destinations:
  - host: httpbin.org
    upstream: { addresses: [\"$RECORDER\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
  - host: edition.cnn.com
    upstream: { addresses: [\"$NGINX\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
policies:
  - allow: { host: \"*\" }
    unless: { path: /secret }
";

/// Larger than all buffers between an origin and a caller together.
const HUGE: usize = 50 * 1024 * 1024;
/// What the gateway may need for an exchange of any size, and its parts in a debug build.
const ROOM: usize = 10 * 1024 * 1024;

fn connect(mesh: &Mesh, host: &str) -> Raw {
    let hello = Hello::of(&mesh.pki, "sleep", host);
    hello.connect(mesh.gateway()).unwrap()
}

/// Once everything that is made once is made.
fn warm_memory(mesh: &Mesh) -> usize {
    for http2 in [false, true] {
        let curl = mesh.curl("sleep", HOST, "/bytes/1000000");
        let reply = if http2 { curl.http2() } else { curl }.send();
        assert_eq!((reply.status, reply.body.len()), (200, 1_000_000));
    }
    mesh.egret.memory()
}

#[test]
fn a_reader_that_stops_stops_the_origin_and_not_the_memory() {
    let mesh = Mesh::start(OPEN);
    let before = warm_memory(&mesh);
    let target = format!("/bytes/{HUGE}");
    let mut raw = connect(&mesh, HOST);
    raw.send(format!("GET {target} HTTP/1.1\r\nhost: {HOST}\r\n\r\n").as_bytes())
        .unwrap();
    let head = raw.head().unwrap();
    assert_eq!(head.framing(), Framing::Length(HUGE));
    let limit = before + ROOM;
    let grown = within(Duration::from_secs(1), || {
        let now = mesh.egret.memory();
        (now > limit).then_some(now)
    });
    assert_eq!(grown, None, "from {before}");
    assert!(mesh.egret.records_where(|r| r["path"] == target).is_empty());
    assert_eq!(raw.body(head).unwrap().body.len(), HUGE);
    let after = mesh.egret.memory();
    assert!(after <= limit, "from {before} to {after}");
    assert_has(
        &mesh.egret.record_of(&target),
        &json!({ "response_code": 200, "response_flags": "-", "bytes_sent": HUGE }),
    );
}

#[test]
fn a_slow_reader_is_served_whole_in_little_memory() {
    let mesh = Mesh::start(OPEN);
    let before = warm_memory(&mesh);
    for http2 in [false, true] {
        let target = format!("/bytes/{HUGE}?{http2}");
        let curl = mesh
            .curl("sleep", HOST, &target)
            .args(&["--limit-rate", "20M"]);
        let curl = if http2 { curl.http2() } else { curl };
        let reading = thread::spawn(|| curl.send());
        let mut most = 0;
        within(Duration::from_secs(20), || {
            most = most.max(mesh.egret.memory());
            reading.is_finished().then_some(())
        });
        let reply = reading.join().unwrap();
        assert_eq!((reply.body.len(), reply.error.as_str()), (HUGE, ""));
        assert!(
            reply.elapsed > Duration::from_secs(1),
            "{:?}",
            reply.elapsed
        );
        assert!(
            most <= before + ROOM,
            "HTTP/2 {http2}: from {before} to {most}"
        );
        let record = mesh.egret.record_of(&target);
        assert_has(
            &record,
            &json!({ "response_flags": "-", "bytes_sent": HUGE }),
        );
    }
}

#[test]
fn a_large_upload_passes_in_little_memory() {
    let mesh = Mesh::start(OPEN);
    let before = warm_memory(&mesh);
    let body = vec![b'u'; HUGE];
    for http2 in [false, true] {
        let target = format!("/upload?{http2}");
        let curl = mesh
            .curl("sleep", HOST, &target)
            .body(&body)
            .header("expect:");
        let curl = if http2 { curl.http2() } else { curl };
        let sending = thread::spawn(|| curl.send());
        let mut most = 0;
        within(Duration::from_secs(20), || {
            most = most.max(mesh.egret.memory());
            sending.is_finished().then_some(())
        });
        let reply = sending.join().unwrap();
        assert_eq!((reply.status, reply.error.as_str()), (200, ""));
        assert!(
            most <= before + ROOM,
            "HTTP/2 {http2}: from {before} to {most}"
        );
        assert_eq!(mesh.recorder.wait_for(&target).message.body.len(), HUGE);
        assert_has(
            &mesh.egret.record_of(&target),
            &json!({ "bytes_received": HUGE }),
        );
    }
}

#[test]
fn an_upload_reaches_the_origin_before_it_is_whole() {
    let mesh = Mesh::start(OPEN);
    let mut raw = connect(&mesh, HOST);
    raw.send(
        b"POST /echo HTTP/1.1\r\nhost: httpbin.org\r\ntransfer-encoding: chunked\r\n\r\n\
          6\r\nfirst \r\n",
    )
    .unwrap();
    let head = mesh.recorder.wait_for("/echo").message;
    assert_eq!(head.framing(), Framing::Chunked);
    raw.send(b"6\r\nsecond\r\n0\r\n\r\n").unwrap();
    let answer = raw.response().unwrap();
    assert_eq!(
        (answer.status(), answer.text().as_str()),
        (200, "first second")
    );
    assert_has(
        &mesh.egret.record_of("/echo"),
        &json!({ "bytes_received": 12, "bytes_sent": 12, "response_code": 200 }),
    );
}

#[test]
fn what_was_uploaded_before_a_caller_left_has_reached_the_origin() {
    let mesh = Mesh::start(OPEN);
    let mut raw = connect(&mesh, HOST);
    raw.send(
        b"POST /echo HTTP/1.1\r\nhost: httpbin.org\r\ntransfer-encoding: chunked\r\n\r\n\
          6\r\nfirst \r\n",
    )
    .unwrap();
    let _ = mesh.recorder.wait_for("/echo");
    drop(raw);
    until("the origin's connection is over", || {
        (mesh.recorder.ended_connections() == 1).then_some(())
    });
    let seen = mesh.recorder.wait_for("/echo").message;
    assert_eq!(seen.text(), "first ");
    assert!(
        !seen.raw_body.ends_with(b"0\r\n\r\n"),
        "it must not look whole"
    );
    let record = mesh.egret.record_of("/echo");
    assert_eq!(reason(&record), "client_gone", "{record:#}");
    assert_has(
        &record,
        &json!({ "response_flags": "DC", "response_code": 0 }),
    );
}

#[test]
fn an_upload_without_length_over_http_2_is_chunked_over_http_1() {
    let mesh = Mesh::start(OPEN);
    let body = vec![b'u'; 300_000];
    let curl = mesh.curl("sleep", HOST, "/echo").http2().body(&body);
    let reply = curl.header("content-length:").send();
    assert_eq!((reply.status, reply.version.as_str()), (200, "2"));
    assert!(reply.body == body, "{} bytes came back", reply.body.len());
    let seen = mesh.recorder.wait_for("/echo").message;
    assert_eq!(seen.framing(), Framing::Chunked);
    assert_eq!(seen.values("content-length"), Vec::<String>::new());
    let record = mesh.egret.record_of("/echo");
    assert_has(
        &record,
        &json!({ "protocol": "HTTP/2", "bytes_received": 300_000 }),
    );
}

#[test]
fn expect_100_continue_is_answered_here_and_goes_no_further() {
    let mesh = Mesh::start(OPEN);
    let mut raw = connect(&mesh, HOST);
    raw.send(
        b"POST /echo HTTP/1.1\r\nhost: httpbin.org\r\ncontent-length: 5\r\n\
          expect: 100-continue\r\n\r\n",
    )
    .unwrap();
    assert_eq!(raw.head().unwrap().status(), 100);
    raw.send(b"hello").unwrap();
    let answer = raw.response().unwrap();
    assert_eq!((answer.status(), answer.text().as_str()), (200, "hello"));
    let seen = mesh.recorder.wait_for("/echo").message;
    assert_eq!(seen.values("expect"), Vec::<String>::new());
    assert_eq!(seen.body, b"hello");
    assert_has(
        &mesh.egret.record_of("/echo"),
        &json!({ "response_code": 200, "bytes_received": 5 }),
    );
}

#[test]
fn a_refused_caller_is_not_asked_for_his_body() {
    let mesh = Mesh::start(OPEN);
    let mut raw = connect(&mesh, HOST);
    let head = "POST /secret HTTP/1.1\r\nhost: httpbin.org\r\ncontent-length: 5\r\n\
                expect: 100-continue\r\n\r\n";
    let answer = raw.exchange(head).unwrap();
    assert_eq!(answer.status(), 403, "no 100 before it");
    // Whether the body still comes is not known: the connection cannot go on.
    assert_eq!(answer.value("connection").as_deref(), Some("close"));
    assert_eq!(
        raw.rest(Duration::from_secs(5)),
        (Vec::new(), Ending::Closed)
    );
    assert_eq!(mesh.recorder.connections(), 0);
}

#[test]
fn an_answer_to_head_has_the_origins_length_and_no_body() {
    let mesh = Mesh::start(OPEN);
    let host = "edition.cnn.com";
    let length = LARGE.to_string();
    let mut raw = connect(&mesh, host);
    raw.send(format!("HEAD /large HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes())
        .unwrap();
    let head = raw.head().unwrap();
    assert_eq!(head.status(), 200, "{}", mesh.egret.said());
    assert_eq!(head.value("content-length"), Some(length.clone()));
    // A body would now stand where the next answer begins.
    let next = raw
        .exchange(&format!("GET /next HTTP/1.1\r\nhost: {host}\r\n\r\n"))
        .unwrap();
    assert_eq!(next.status(), 200);
    assert!(next.text().contains("/next"), "{}", next.text());
    let reply = mesh
        .curl("sleep", host, "/large?h2")
        .http2()
        .args(&["--head"])
        .send();
    assert_eq!((reply.status, reply.error.as_str()), (200, ""));
    assert_eq!(reply.header("content-length"), Some(length.as_str()));
    assert_eq!(mesh.nginx.wait_for("/large")["method"], "HEAD");
    let record = mesh.egret.record_of("/large");
    assert_has(
        &record,
        &json!({ "method": "HEAD", "bytes_sent": 0, "response_flags": "-" }),
    );
}

#[test]
fn connections_are_kept_on_both_sides() {
    let mesh = Mesh::start(OPEN);
    let mut raw = connect(&mesh, HOST);
    for target in ["/bytes/10", "/chunked/10000", "/status/404", "/bytes/20"] {
        let request = format!("GET {target} HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
        let answer = raw.exchange(&request).unwrap();
        assert_ne!(
            answer.value("connection").as_deref(),
            Some("close"),
            "{target}"
        );
    }
    // A body sent is no hindrance, nor is another caller.
    let answer = raw
        .exchange("POST /echo HTTP/1.1\r\nhost: httpbin.org\r\ncontent-length: 2\r\n\r\nhi")
        .unwrap();
    assert_eq!(answer.text(), "hi");
    assert_eq!(mesh.fetch("politics", HOST, "/bytes/30").status, 200);
    let seen = mesh.recorder.seen();
    assert_eq!(seen.len(), 6);
    assert!(seen.iter().all(|seen| seen.connection == 1), "{seen:#?}");
    assert_eq!(mesh.recorder.connections(), 1);
    let records = mesh.egret.wait_for_records("all", 6, |_| true);
    let from = raw.local_address().to_string();
    let of_raw = records
        .iter()
        .filter(|r| r["downstream_remote_address"] == from.as_str());
    assert_eq!(of_raw.count(), 5);
    assert!(
        records
            .iter()
            .all(|r| r["upstream_local_address"] == records[0]["upstream_local_address"])
    );
}

#[test]
fn a_trickled_answer_of_known_length_comes_as_it_goes() {
    let mesh = Mesh::start(OPEN);
    for http2 in [false, true] {
        let target = format!("/trickle-body?{http2}");
        let curl = mesh.curl("sleep", HOST, &target).args(&["--max-time", "2"]);
        let reply = if http2 { curl.http2() } else { curl }.send();
        assert_eq!(reply.status, 200, "HTTP/2 {http2}: the head is here");
        let came = reply.body.len();
        assert!(
            (5..30).contains(&came),
            "HTTP/2 {http2}: {came} bytes in 2 s"
        );
    }
}

#[test]
fn a_caller_that_leaves_is_recorded_and_takes_the_origins_connection_along() {
    let mesh = Mesh::start(OPEN);
    let mut raw = connect(&mesh, HOST);
    raw.send(b"GET /trickle-body HTTP/1.1\r\nhost: httpbin.org\r\n\r\n")
        .unwrap();
    assert_eq!(raw.head().unwrap().status(), 200);
    drop(raw);
    let record = mesh.egret.record_of("/trickle-body");
    assert_eq!(reason(&record), "client_gone", "{record:#}");
    assert_has(
        &record,
        &json!({ "decision": "allow", "response_flags": "DC", "response_code": 200 }),
    );
    until("the origin's connection is over", || {
        (mesh.recorder.ended_connections() == 1).then_some(())
    });
    // One who waits for a head leaves no less.
    let mut raw = connect(&mesh, HOST);
    raw.send(b"GET /trickle-head HTTP/1.1\r\nhost: httpbin.org\r\n\r\n")
        .unwrap();
    let _ = mesh.recorder.wait_for("/trickle-head");
    drop(raw);
    let record = mesh.egret.record_of("/trickle-head");
    assert_has(
        &record,
        &json!({ "failure": "client_gone", "response_flags": "DC", "response_code": 0 }),
    );
    until("that connection is over too", || {
        (mesh.recorder.ended_connections() == 2).then_some(())
    });
}

#[test]
fn a_caller_that_leaves_over_http_2_is_recorded_the_same() {
    let mesh = Mesh::start(OPEN);
    let curl = mesh.curl("sleep", HOST, "/trickle-body").http2();
    let reply = curl.args(&["--max-time", "1"]).send();
    assert!(!reply.error.is_empty(), "curl gives up");
    let record = mesh.egret.record_of("/trickle-body");
    assert_eq!(reason(&record), "client_gone", "{record:#}");
    assert_has(
        &record,
        &json!({ "protocol": "HTTP/2", "response_flags": "DC", "response_code": 200 }),
    );
    until("the origin's connection is over", || {
        (mesh.recorder.ended_connections() == 1).then_some(())
    });
}

/// What became of a request sent behind `first` on its connection.
fn assert_not_served(mesh: &Mesh, mut raw: Raw, first: &str, second: &str) {
    let answer = raw.response().unwrap();
    assert_eq!((answer.status(), answer.text().as_str()), (200, "late\n"));
    let (rest, ending) = raw.rest(Duration::from_secs(5));
    assert_eq!(String::from_utf8_lossy(&rest), "", "nothing but the answer");
    assert_eq!(ending, Ending::Closed);
    let _ = mesh.egret.record_of(first);
    assert!(mesh.recorder.seen_for(second).is_empty());
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: {HOST}\r\n\r\n")
}

#[test]
fn a_request_sent_while_another_is_under_way_is_not_served() {
    let mesh = Mesh::start(OPEN);
    let mut raw = connect(&mesh, HOST);
    raw.send(get("/delay/1").as_bytes()).unwrap();
    let _ = mesh.recorder.wait_for("/delay/1");
    raw.send(get("/status/202").as_bytes()).unwrap();
    assert_not_served(&mesh, raw, "/delay/1", "/status/202");
}

#[test]
fn a_request_sent_in_one_piece_with_another_is_not_served() {
    let mesh = Mesh::start(OPEN);
    let mut raw = connect(&mesh, HOST);
    raw.send((get("/delay/1") + &get("/status/202")).as_bytes())
        .unwrap();
    assert_not_served(&mesh, raw, "/delay/1", "/status/202");
}
