//! Callers who ask for much and take nothing of it.

use std::time::Duration;

use serde_json::json;

use integration_tests::raw::Raw;
use integration_tests::record::{assert_has, reason};
use integration_tests::wait::within;

use crate::besieged::{KIB, MIB, Siege, get, stream, unbounded, window};

/// Sees to it that no more than `room` is held until `number` are on record.
#[track_caller]
fn watch(siege: &Siege, number: usize, room: usize) {
    let done = within(Duration::from_secs(15), || {
        siege.bounded(room);
        let records = siege
            .mesh
            .egret
            .records_where(|r| reason(r) == "reader_timeout");
        (records.len() >= number).then_some(())
    });
    assert_eq!(done, Some(()), "{}", siege.mesh.egret.said());
}

#[test]
fn readers_that_stop_over_http_1_are_cut_on_record_in_little_memory() {
    let siege = Siege::lay("bodyIdleTimeout: 1s");
    let mut stopped: Vec<Raw> = (0..20).map(|_| siege.http1()).collect();
    for raw in &mut stopped {
        raw.send(b"GET /bytes/20000000 HTTP/1.1\r\nhost: httpbin.org\r\n\r\n")
            .unwrap();
    }
    siege.stands(20 * 512 * KIB);
    // A piece of the answer and buffers of both sides each.
    watch(&siege, 20, 20 * 512 * KIB);
    let record = siege.mesh.egret.record_of("/bytes/20000000");
    assert_has(
        &record,
        &json!({
            "refusal": "reader_timeout", "response_code": 200, "response_flags": "SI",
            "response_code_details": "reader_timeout",
        }),
    );
    // The end of the TLS connection could not be said, and was not waited for.
    siege.until_connections(1);
    let _ = siege.lift();
}

#[test]
fn a_window_of_nothing_is_waited_for_no_longer_than_a_reader() {
    let siege = Siege::lay("bodyIdleTimeout: 1s");
    let mut raw = siege.http2();
    raw.send(&window(0)).unwrap();
    let requests: Vec<u8> = (0..100)
        .flat_map(|n| get(stream(n), "/bytes/1000000"))
        .collect();
    raw.send(&requests).unwrap();
    siege.stands(100 * 256 * KIB);
    // A piece of each answer, and its connection to the origin.
    watch(&siege, 100, 100 * 256 * KIB);
    let _ = siege.lift();
}

#[test]
fn a_caller_who_allows_everything_and_reads_nothing_is_cut() {
    let siege = Siege::lay("bodyIdleTimeout: 1s");
    // What waits in the library for each stream, a piece of its answer, and its
    // connection to the origin; once, since what one attack took serves the next.
    let room = 100 * 768 * KIB;
    for round in 1..=3 {
        let mut raw = unbounded(siege.http2());
        let requests: Vec<u8> = (0..100)
            .flat_map(|n| get(stream(n), "/bytes/2000000"))
            .collect();
        raw.send(&requests).unwrap();
        siege.stands(room);
        let cut = within(Duration::from_secs(15), || {
            siege.bounded(room);
            (siege.cut("reader_timeout") == round).then_some(())
        });
        assert_eq!(cut, Some(()), "{}", siege.mesh.egret.said());
        siege.until_connections(1);
    }
    let _ = siege.lift();
}

#[test]
fn answers_left_to_the_library_do_not_keep_a_connection_that_nobody_reads() {
    // Each is small enough for an exchange to end at once; all together are more
    // than the kernel takes.
    let siege = Siege::lay("bodyIdleTimeout: 1s");
    let mut raw = unbounded(siege.http2());
    for round in 0..20 {
        let requests: Vec<u8> = (0..50)
            .flat_map(|n| get(stream(50 * round + n), "/bytes/30000"))
            .collect();
        raw.send(&requests).unwrap();
        let served = within(Duration::from_secs(1), || {
            let served = siege
                .mesh
                .egret
                .records_where(|r| r["path"] == "/bytes/30000");
            (served.len() >= 50 * (round as usize + 1)).then_some(())
        });
        siege.bounded(8 * MIB);
        if served.is_none() {
            break;
        }
    }
    let cut = within(Duration::from_secs(15), || {
        (siege.cut("reader_timeout") == 1).then_some(())
    });
    assert_eq!(cut, Some(()), "{}", siege.mesh.egret.said());
    let _ = siege.lift();
}
