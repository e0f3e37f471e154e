//! Heads that are larger than they look, or no heads at all.

use integration_tests::http2::{self, Answer, END_HEADERS, END_STREAM, HEADERS, frame};
use integration_tests::record::reason;

use crate::besieged::{MIB, Siege, block, fields, get, stream};

/// Of a frame, unless more is allowed.
const FRAME: usize = 16_384;
/// A field of the dynamic table, its newest (RFC 7541, section 6.1).
const NEWEST: u8 = 0x80 | 62;

/// A field that is to be kept in the table: `x-bomb`, of 3900 bytes.
fn kept() -> Vec<u8> {
    // A literal with indexing; its length with a prefix of seven bits.
    let length = [
        0x7f,
        (3900_u32 - 127) as u8 & 0x7f | 0x80,
        ((3900 - 127) >> 7) as u8,
    ];
    let value = vec![b'b'; 3900];
    [&[0x40, 6], &b"x-bomb"[..], &length, &value].concat()
}

/// Sends blocks as heads, one stream each, and reads what comes of them.
fn bomb(siege: &Siege, blocks: &[Vec<u8>]) -> Vec<Answer> {
    let mut raw = siege.http2();
    let mut answers = Vec::new();
    for (number, block) in blocks.iter().enumerate() {
        let id = stream(number as u32);
        assert!(block.len() <= FRAME);
        let head = frame(HEADERS, END_HEADERS | END_STREAM, id, block);
        if raw.send(&head).is_err() {
            break;
        }
        answers.push(http2::answer(&mut raw, id).unwrap());
        siege.bounded(4 * MIB);
    }
    answers
}

#[track_caller]
fn assert_refused(answers: &[Answer]) {
    // Later refusals name their status by what the first left in the table.
    let refused = |answer: &&Answer| answer.status != Some(200);
    assert!(!answers.is_empty());
    assert_eq!(
        answers.iter().filter(refused).count(),
        answers.len(),
        "{answers:?}"
    );
}

#[test]
fn a_field_kept_once_and_named_ten_thousand_times_is_refused_in_little_memory() {
    let siege = Siege::lay("streams: 100");
    let start = block(&fields("GET", "/bomb"));
    let first = [start.clone(), kept()].concat();
    for (named, code) in [
        // 80 KB of fields: more than there may be; the connection goes on.
        (20, "head_too_large"),
        // 40 MB of fields in 10 KB: more than anybody could mean.
        (10_000, "frame_flood"),
    ] {
        let next = [start.clone(), vec![NEWEST; named]].concat();
        let blocks = vec![first.clone(), next.clone(), next];
        for _ in 0..10 {
            let answers = bomb(&siege, &blocks);
            assert_eq!(answers[0].status, Some(200));
            assert_refused(&answers[1..]);
        }
        let _ = siege.records(10, code);
    }
    siege.stands(4 * MIB);
    let _ = siege.lift();
}

#[test]
fn thousands_of_small_fields_are_refused_in_little_memory() {
    let siege = Siege::lay("streams: 100");
    let start = block(&fields("GET", "/many"));
    let field = |name: &[u8]| http2::literal(&(name.to_vec(), b"1".to_vec()));
    let small = [start.clone(), field(b"a").repeat(3000)].concat();
    let crumbs = [start.clone(), field(b"cookie").repeat(1500)].concat();
    // Few enough for their size, and still too many.
    let many = [start, field(b"a").repeat(200)].concat();
    for (block, code) in [
        (small, "head_too_large"),
        (crumbs, "head_too_large"),
        (many, "too_many_fields"),
    ] {
        let answers = bomb(&siege, &vec![block; 10]);
        assert_refused(&answers);
        let records = siege
            .mesh
            .egret
            .wait_for_records(code, answers.len(), |record| {
                [code, "malformed_stream"].contains(&reason(record))
            });
        assert!(records.len() >= answers.len());
    }
    siege.stands(4 * MIB);
    let _ = siege.lift();
}

#[test]
fn heads_that_are_too_large_end_their_connection_as_malformed_ones_do() {
    let siege = Siege::lay("streams: 100");
    let field = http2::literal(&(b"a".to_vec(), b"1".to_vec()));
    let large = [block(&fields("GET", "/large")), field.repeat(3000)].concat();
    let mut raw = siege.http2();
    let sent = (0..1000).take_while(|n| {
        let head = frame(HEADERS, END_HEADERS | END_STREAM, stream(*n), &large);
        raw.send(&head).is_ok()
    });
    assert!(sent.count() < 1000, "all were taken");
    let records = siege.records(32, "head_too_large");
    // Those that came with the last are on record too.
    assert!((32..100).contains(&records.len()), "{}", records.len());
    let _ = siege.lift();
}

#[test]
fn a_head_of_http_1_is_held_no_further_than_its_bound() {
    let siege = Siege::lay("headSize: 64KiB");
    let line = format!("x-{}: {}\r\n", "n".repeat(100), "v".repeat(900));
    for _ in 0..20 {
        let mut raw = siege.http1();
        let _ = raw.send(b"GET /large HTTP/1.1\r\nhost: httpbin.org\r\n");
        let refused = (0..10_000).any(|_| raw.send(line.as_bytes()).is_err());
        assert!(refused, "ten megabytes of a head");
        siege.bounded(4 * MIB);
    }
    let records = siege.records(20, "head_too_large");
    assert!(records.iter().all(|r| r["response_code"] == 431));
    siege.stands(4 * MIB);
    let _ = siege.lift();
}

#[test]
fn malformed_streams_end_their_connection_on_record_each() {
    let siege = Siege::lay("streams: 100");
    let mut raw = siege.http2();
    let broken = [
        fields("GET", "/x"),
        vec![(b"Upper".to_vec(), b"1".to_vec())],
    ]
    .concat();
    let streams: Vec<u8> = (0..60)
        .flat_map(|n| match n {
            0 => get(stream(0), "/bytes/1"),
            n => http2::request(stream(n), &broken, b""),
        })
        .collect();
    let _ = raw.send(&streams);
    // Whether it says so or not, it ends.
    let _ = http2::farewell(&mut raw).unwrap();
    let records = siege.records(32, "malformed_stream");
    assert!(records.iter().all(|r| r["response_code"] == 400));
    siege.stands(MIB);
    let _ = siege.lift();
}
