//! Frames that ask for nothing, as many as a connection takes.

use std::time::Duration;

use serde_json::json;

use integration_tests::http2::{
    self, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frame, HEADERS, PING,
    PRIORITY, SETTINGS, WINDOW_UPDATE, frame,
};
use integration_tests::raw::Raw;
use integration_tests::record::{assert_has, reason};
use integration_tests::wait::within;

use crate::besieged::{KIB, MIB, Siege, block, fields, get, stream};

const PRIORITY_UPDATE: u8 = 16;

/// One of each kind.
fn kinds() -> [(&'static str, Vec<u8>); 5] {
    [
        ("SETTINGS", frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255])),
        ("PING", frame(PING, 0, 0, &[7; 8])),
        ("PRIORITY", frame(PRIORITY, 0, 3, &[0, 0, 0, 1, 9])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        (
            "PRIORITY_UPDATE",
            frame(PRIORITY_UPDATE, 0, 0, &[0, 0, 0, 1, b'u']),
        ),
    ]
}

#[test]
fn one_frame_too_many_ends_the_connection_with_a_word_and_a_record() {
    let siege = Siege::lay("controlFrames: 200");
    for (name, one) in kinds() {
        let mut raw = siege.http2();
        // The preface has used one; the rest come within a second, or anew.
        let _ = raw.send(&one.repeat(450));
        let farewell = http2::farewell(&mut raw).unwrap();
        assert_eq!(farewell, Some(ENHANCE_YOUR_CALM), "{name}");
    }
    let number = kinds().len();
    let records = siege.records(number, "frame_flood");
    assert_has(
        &records[0],
        &json!({
            "protocol": "HTTP/2", "decision": "refuse", "response_code": 0, "response_flags": "DPE",
            "connection_termination_details": "frame_flood", "method": null,
            "source_principal": "cluster.local/ns/default/sa/sleep",
        }),
    );
    assert_eq!(siege.cut("frame_flood"), number as u64);
    let _ = siege.lift();
}

#[test]
fn floods_without_end_cost_the_gateway_little_and_others_nothing() {
    let siege = Siege::lay("connections: 1000");
    let begun = siege.mesh.egret.processor_time();
    let mut sent = 0;
    for (_, one) in kinds().iter().cycle().take(20) {
        let mut raw = siege.http2();
        let many = one.repeat(1000);
        // Until the gateway has had enough, at most 40 MB of frames.
        for _ in 0..3000 {
            if raw.send(&many).is_err() {
                break;
            }
            sent += 1000;
        }
        siege.bounded(MIB);
    }
    let _ = siege.records(20, "frame_flood");
    siege.stands(MIB);
    // A few thousand frames each were looked at; what else was sent stood in the
    // sockets' buffers. The good caller has been served in the same time.
    let spent = siege.mesh.egret.processor_time() - begun;
    assert!(
        spent < Duration::from_secs(10),
        "{spent:?} for {sent} frames"
    );
    let _ = siege.lift();
}

#[test]
fn empty_pieces_of_a_body_are_a_flood() {
    let siege = Siege::lay("streams: 100");
    let mut raw = siege.http2();
    let head = frame(HEADERS, END_HEADERS, 1, &block(&fields("POST", "/upload")));
    raw.send(&head).unwrap();
    let _ = siege.mesh.recorder.wait_for("/upload");
    let _ = raw.send(&frame(DATA, 0, 1, b"").repeat(3000));
    let farewell = http2::farewell(&mut raw).unwrap();
    assert_eq!(farewell, Some(ENHANCE_YOUR_CALM));
    let _ = siege.records(1, "frame_flood");
    // The request whose body it was is on record, too.
    let record = siege.mesh.egret.record_of("/upload");
    assert_eq!(reason(&record), "client_gone", "{record:#}");
    siege.stands(MIB);
    let _ = siege.lift();
}

#[test]
fn tiny_pieces_of_a_body_pass_or_end_the_connection_in_little_memory() {
    let siege = Siege::lay("streams: 100");
    let mut raw = siege.http2();
    let head = frame(HEADERS, END_HEADERS, 1, &block(&fields("POST", "/upload")));
    raw.send(&head).unwrap();
    let _ = siege.mesh.recorder.wait_for("/upload");
    let many = frame(DATA, 0, 1, b"x").repeat(500);
    for _ in 0..40 {
        if raw.send(&many).is_err() {
            break;
        }
        siege.bounded(4 * MIB);
    }
    siege.stands(4 * MIB);
    let _ = raw.send(&frame(DATA, END_STREAM, 1, b""));
    let record = siege.mesh.egret.record_of("/upload");
    let code = reason(&record);
    assert!(["", "client_gone"].contains(&code), "{record:#}");
    let _ = siege.lift();
}

#[test]
fn heads_continued_without_end_end_the_connection() {
    let siege = Siege::lay("headTimeout: 5s");
    let mut raw = siege.http2();
    let block = block(&fields("GET", "/bytes/1"));
    raw.send(&frame(HEADERS, END_STREAM, 1, &block)).unwrap();
    let more = frame(CONTINUATION, 0, 1, b"\0\x01a\x01b").repeat(100);
    // A hundred thousand pieces of one head, if it took them.
    let _ = (0..1000).try_for_each(|_| raw.send(&more));
    let _ = http2::farewell(&mut raw).unwrap();
    let _ = siege.records(1, "frame_flood");
    siege.stands(MIB);
    let _ = siege.lift();
}

/// A hundred streams at once, each given back its windows frame by frame.
fn busy(raw: &mut Raw, size: usize) -> usize {
    let path = format!("/bytes/{size}");
    let requests: Vec<u8> = (0..100)
        .flat_map(|n| {
            let priority = frame(PRIORITY, 0, stream(n), &[0, 0, 0, 0, 9]);
            [get(stream(n), &path), priority].concat()
        })
        .collect();
    raw.send(&requests).unwrap();
    let (mut bytes, mut ended) = (Vec::new(), 0);
    while ended < 100 {
        let more = raw.some().unwrap();
        if more.is_empty() {
            break;
        }
        bytes.extend(more);
        let mut answer = Vec::new();
        while let Some((got, length)) = Frame::read(&bytes) {
            if got.kind == DATA {
                let size = (got.payload.len() as u32).to_be_bytes();
                answer.extend(frame(PING, 0, 0, &[7; 8]));
                if !got.payload.is_empty() {
                    answer.extend(frame(WINDOW_UPDATE, 0, 0, &size));
                }
                if got.flags & END_STREAM != 0 {
                    ended += 1;
                } else if !got.payload.is_empty() {
                    answer.extend(frame(WINDOW_UPDATE, 0, got.stream, &size));
                }
            }
            bytes.drain(..length);
        }
        raw.send(&answer).unwrap();
    }
    ended
}

#[test]
fn a_busy_connection_never_meets_the_budget() {
    // So small that every frame but a few must have been earned.
    let siege = Siege::lay("controlFrames: 3");
    let mut raw = siege.http2();
    assert_eq!(
        busy(&mut raw, 150 * KIB),
        100,
        "{}",
        siege.mesh.egret.said()
    );
    let flooded = within(Duration::from_millis(200), || {
        (siege.cut("frame_flood") > 0).then_some(())
    });
    assert_eq!(flooded, None);
    let _ = siege.lift();
}
