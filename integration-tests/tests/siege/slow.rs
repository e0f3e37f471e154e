//! Callers who take their time: to shake hands, to ask, to send.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use integration_tests::http2::{self, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, frame};
use integration_tests::raw::{Ending, Raw};
use integration_tests::record::{assert_has, reason};
use integration_tests::wait::within;

use crate::besieged::{KIB, Siege, block, fields};

#[test]
fn stalled_handshakes_are_cut_on_record_and_hold_little() {
    let siege = Siege::lay("handshakeTimeout: 1s");
    let number = 200;
    let mut stalled: Vec<TcpStream> = Vec::new();
    for _ in 0..number {
        let mut tcp = TcpStream::connect(siege.mesh.gateway()).unwrap();
        // A record of a ClientHello of 512 bytes, of which six come.
        tcp.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
        stalled.push(tcp);
    }
    // BoringSSL's state of a handshake and its buffers.
    siege.stands(number * 64 * KIB);
    let records = siege.records(number, "handshake_timeout");
    assert_eq!(records.len(), number);
    let _ = siege.lift();
}

#[test]
fn heads_that_trickle_are_cut_on_record() {
    let siege = Siege::lay("headTimeout: 1s");
    let mut slow: Vec<Raw> = (0..30).map(|_| siege.http1()).collect();
    // A byte of every head at a time, until the last of them is cut.
    let ended = within(Duration::from_secs(10), || {
        siege.bounded(30 * 64 * KIB);
        let sent = slow.iter_mut().map(|raw| raw.send(b"G"));
        let sent: Vec<bool> = sent.map(|sent| sent.is_ok()).collect();
        (!sent.contains(&true)).then_some(())
    });
    assert_eq!(ended, Some(()));
    let records = siege.records(30, "head_timeout");
    assert!(records.iter().all(|r| r["response_code"] == 408));
    let _ = siege.lift();
}

#[test]
fn heads_over_http_2_that_do_not_end_are_cut_on_record() {
    let siege = Siege::lay("headTimeout: 1s");
    let block = block(&fields("GET", "/bytes/1"));
    let begun = frame(HEADERS, END_STREAM, 1, &block);
    let mut raws = [(); 3].map(|()| siege.http2());
    // One in the middle of fields, one in the middle of a frame, one that trickles.
    raws[0].send(&begun).unwrap();
    raws[1].send(&begun[..20]).unwrap();
    raws[2].send(&begun).unwrap();
    // A byte at a time: of frames there may be only so many.
    let piece = frame(
        CONTINUATION,
        0,
        1,
        &[b"\0\x7f\x81\x02", &[b'a'; 5000][..]].concat(),
    );
    let mut trickle = piece.chunks(1);
    let ended = within(Duration::from_secs(10), || {
        trickle.next().and_then(|byte| raws[2].send(byte).err())
    });
    assert!(ended.is_some());
    for raw in &mut raws[..2] {
        assert_eq!(
            http2::farewell(raw).unwrap(),
            Some(http2::ENHANCE_YOUR_CALM)
        );
    }
    let records = siege.records(3, "head_timeout");
    assert_has(
        &records[0],
        &json!({
            "protocol": "HTTP/2", "decision": "refuse", "response_code": 0, "response_flags": "SI",
            "connection_termination_details": "head_timeout",
            "source_principal": "cluster.local/ns/default/sa/sleep",
        }),
    );
    assert_eq!(siege.cut("head_timeout"), 3);
    let _ = siege.lift();
}

#[test]
fn bodies_that_trickle_are_cut_on_record() {
    let siege = Siege::lay("bodyIdleTimeout: 1s, bodyRate: 1KiB");
    let mut slow: Vec<Raw> = (0..20).map(|_| siege.http1()).collect();
    for raw in &mut slow {
        raw.send(b"POST /upload HTTP/1.1\r\nhost: httpbin.org\r\ncontent-length: 100000\r\n\r\n")
            .unwrap();
    }
    let mut over_http2 = siege.http2();
    let head = frame(HEADERS, END_HEADERS, 1, &block(&fields("POST", "/upload")));
    over_http2.send(&head).unwrap();
    let ended = within(Duration::from_secs(10), || {
        siege.bounded(21 * 128 * KIB);
        let _ = over_http2.send(&frame(DATA, 0, 1, b"b"));
        let sent: Vec<bool> = slow.iter_mut().map(|raw| raw.send(b"b").is_ok()).collect();
        (!sent.contains(&true)).then_some(())
    });
    assert_eq!(ended, Some(()));
    let records = siege.records(21, "body_too_slow");
    let status = |record: &serde_json::Value| record["response_code"].as_u64();
    assert!(records.iter().all(|r| status(r) == Some(408)));
    let _ = siege.lift();
}

#[test]
fn a_grpc_stream_may_stand_idle_between_messages_and_not_within_one() {
    let siege = Siege::lay("bodyIdleTimeout: 1s, bodyRate: 1KiB");
    let call = |path: &str| {
        let kind = (b"content-type".to_vec(), b"application/grpc".to_vec());
        let fields = [fields("POST", path), vec![kind]].concat();
        frame(HEADERS, END_HEADERS, 1, &block(&fields))
    };
    let mut idle = siege.http2();
    idle.send(&call("/echo")).unwrap();
    let message = b"\0\0\0\0\x02hi";
    idle.send(&frame(DATA, 0, 1, message)).unwrap();
    let mut within_one = siege.http2();
    within_one.send(&call("/within")).unwrap();
    within_one.send(&frame(DATA, 0, 1, &message[..6])).unwrap();
    let cut = siege.records(1, "body_timeout");
    assert_eq!(cut[0]["path"], "/within");
    // The other began no later; it goes on, long after it would have been cut.
    let over = within(Duration::from_secs(2), || {
        let records = siege.mesh.egret.records();
        records.into_iter().find(|r| r["path"] == "/echo")
    });
    assert_eq!(over, None);
    idle.send(&frame(DATA, END_STREAM, 1, message)).unwrap();
    let answer = http2::answer(&mut idle, 1).unwrap();
    assert_eq!(answer.status, Some(200), "{answer:?}");
    let record = siege.mesh.egret.record_of("/echo");
    assert_has(
        &record,
        &json!({ "bytes_received": 14, "decision": "allow" }),
    );
    assert_eq!(reason(&record), "");
    let _ = siege.lift();
}

#[test]
fn a_slow_caller_is_told_and_loses_his_connection() {
    let siege = Siege::lay("bodyIdleTimeout: 1s, bodyRate: 1KiB");
    let mut raw = siege.http1();
    raw.send(b"POST /upload HTTP/1.1\r\nhost: httpbin.org\r\ncontent-length: 10\r\n\r\n12345")
        .unwrap();
    let (answer, ending) = raw.rest(Duration::from_secs(10));
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
    assert_eq!(ending, Ending::Closed);
    let _ = siege.lift();
}
