//! Streams begun only to be broken off: by the caller (rapid reset), or by the
//! gateway at his instigation.

use serde_json::json;

use integration_tests::http2::{
    self, END_HEADERS, ENHANCE_YOUR_CALM, Frame, HEADERS, PING, RST_STREAM, WINDOW_UPDATE, frame,
};
use integration_tests::raw::Raw;
use integration_tests::record::{assert_has, reason};

use crate::besieged::{KIB, MIB, Siege, block, fields, get, stream};

const CANCEL: [u8; 4] = [0, 0, 0, 8];

/// Waits until the gateway has looked at all that was sent; false: it is gone.
fn looked_at(raw: &mut Raw) -> bool {
    if raw.send(&frame(PING, 0, 0, b"are-you?")).is_err() {
        return false;
    }
    let mut bytes = Vec::new();
    loop {
        let more = raw.some().unwrap();
        if more.is_empty() {
            return false;
        }
        bytes.extend(more);
        while let Some((got, length)) = Frame::read(&bytes) {
            if got.kind == PING {
                return true;
            }
            bytes.drain(..length);
        }
    }
}

/// Opens streams, has them taken up, and resets them, until the connection is
/// over or `rounds` of ten are done; how many were reset.
fn reset(raw: &mut Raw, rounds: u32, path: &str) -> u32 {
    for round in 0..rounds {
        let streams = || (0..10).map(|n| stream(10 * round + n));
        let begun: Vec<u8> = streams().flat_map(|id| get(id, path)).collect();
        if raw.send(&begun).is_err() || !looked_at(raw) {
            return 10 * round;
        }
        let ended: Vec<u8> = streams()
            .flat_map(|id| frame(RST_STREAM, 0, id, &CANCEL))
            .collect();
        if raw.send(&ended).is_err() || !looked_at(raw) {
            return 10 * round;
        }
    }
    10 * rounds
}

#[test]
fn rapid_resets_end_the_connection_on_record() {
    let siege = Siege::lay("earlyResets: 100");
    let mut raw = siege.http2();
    let done = reset(&mut raw, 100, "/silence");
    // The first hundred may have taken longer than their time, on a busy machine.
    assert!((100..=900).contains(&done), "{done}");
    let records = siege.records(1, "reset_flood");
    assert_has(
        &records[0],
        &json!({
            "protocol": "HTTP/2", "connection_termination_details": "reset_flood",
            "source_principal": "cluster.local/ns/default/sa/sleep",
        }),
    );
    assert_eq!(siege.cut("reset_flood"), 1);
    // Every request is on record: it was let go, and its caller left.
    let gone = siege
        .mesh
        .egret
        .wait_for_records("resets", done as usize, |record| {
            record["path"] == "/silence" && reason(record) == "client_gone"
        });
    assert!(gone.len() >= done as usize);
    siege.stands(8 * MIB);
    let _ = siege.lift();
}

#[test]
fn a_caller_who_leaves_some_streams_and_is_served_others_is_none() {
    let siege = Siege::lay("earlyResets: 50");
    let mut raw = siege.http2();
    for round in 0..40 {
        let first = 20 * round;
        let served = (0..10).flat_map(|n| get(stream(first + n), "/bytes/10"));
        let left = (10..15).flat_map(|n| get(stream(first + n), "/silence"));
        let requests: Vec<u8> = served.chain(left).collect();
        raw.send(&requests).unwrap();
        let last = http2::answer(&mut raw, stream(first + 9)).unwrap();
        assert_eq!(
            last.status,
            Some(200),
            "{round}: {}",
            siege.mesh.egret.said()
        );
        let resets: Vec<u8> = (10..15)
            .flat_map(|n| frame(RST_STREAM, 0, stream(first + n), &CANCEL))
            .collect();
        raw.send(&resets).unwrap();
    }
    assert!(looked_at(&mut raw), "{}", siege.mesh.egret.said());
    assert_eq!(siege.cut("reset_flood"), 0);
    let _ = siege.lift();
}

#[test]
fn resets_faster_than_streams_are_taken_up_end_the_connection() {
    let siege = Siege::lay("earlyResets: 500");
    let mut raw = siege.http2();
    let pairs: Vec<u8> = (0..500)
        .flat_map(|n| {
            let reset = frame(RST_STREAM, 0, stream(n), &CANCEL);
            [get(stream(n), "/silence"), reset].concat()
        })
        .collect();
    let _ = raw.send(&pairs);
    let farewell = http2::farewell(&mut raw).unwrap();
    assert_eq!(farewell, Some(ENHANCE_YOUR_CALM));
    let _ = siege.records(1, "frame_flood");
    siege.stands(4 * MIB);
    let _ = siege.lift();
}

#[test]
fn streams_the_gateway_is_made_to_reset_have_an_end() {
    let siege = Siege::lay("headTimeout: 5s");
    let mut raw = siege.http2();
    // A window that grows by nothing is an error of its stream (RFC 9113, 6.9).
    let mut number = 0;
    let over = loop {
        let attack: Vec<u8> = (0..50)
            .flat_map(|n| {
                let id = stream(number + n);
                let head = frame(
                    HEADERS,
                    END_HEADERS,
                    id,
                    &block(&fields("POST", "/silence")),
                );
                [head, frame(WINDOW_UPDATE, 0, id, &[0; 4])].concat()
            })
            .collect();
        number += 50;
        if raw.send(&attack).is_err() || !looked_at(&mut raw) {
            break number;
        }
        if number >= 5000 {
            break number;
        }
    };
    assert!(over < 5000, "{over} streams");
    siege.stands(8 * MIB);
    let records = siege
        .mesh
        .egret
        .records_where(|r| r["protocol"] == "HTTP/2" || !r["refusal"].is_null());
    assert!(!records.is_empty());
    siege.bounded(512 * KIB * 16);
    let _ = siege.lift();
}
