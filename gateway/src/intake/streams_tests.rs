//! Frames as they pass, in pieces of any size.

use super::super::frames::DATA;
use super::*;

const PROTOCOL_ERROR: u32 = 1;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// What is lost of a connection on which this was read and then written, when
/// one stream came up.
fn lost(read: &[Vec<u8>], written: &[Vec<u8>]) -> Losses {
    let read = [vec![b'p'; PREFACE], read.concat()].concat();
    let written = written.concat();
    let losses: Vec<Losses> = [1, 2, 5, 9, 13, 100, 10_000]
        .into_iter()
        .map(|size| {
            let (mut frames, mut lost) = follow(&Limits::default());
            read.chunks(size)
                .for_each(|piece| frames.read(piece).unwrap());
            written.chunks(size).for_each(|piece| frames.written(piece));
            lost.came_up();
            lost.found()
        })
        .collect();
    assert!(losses.iter().all(|l| *l == losses[0]), "{losses:?}");
    losses[0]
}

fn head(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, b"fields")
}

fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

#[test]
fn what_was_opened_and_did_not_come_up_is_lost() {
    assert_eq!(lost(&[head(1)], &[]), Losses::default());
    let read = [
        frame(4, 0, 0, b""),
        frame(HEADERS, 0, 1, b"begun"),
        frame(CONTINUATION, 0, 1, b""),
        frame(CONTINUATION, END_HEADERS, 1, &[b'x'; 300]),
        frame(DATA, 0, 1, &[0; 700]),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, b"trailers"),
        head(3),
        frame(HEADERS, 0, 5, b"never ended"),
    ];
    let expected = Losses {
        malformed: 1,
        ..Losses::default()
    };
    assert_eq!(lost(&read, &[reset(3, PROTOCOL_ERROR)]), expected);
}

#[test]
fn how_it_was_reset_tells_why() {
    let read = [head(1), head(3), head(5), head(7), head(9)];
    let written = [
        frame(HEADERS, END_HEADERS | END_STREAM, 3, b"431"),
        frame(HEADERS, END_HEADERS | END_STREAM, 9, b"431"),
        reset(9, PROTOCOL_ERROR),
        reset(5, REFUSED_STREAM),
        reset(7, PROTOCOL_ERROR),
    ];
    let expected = Losses {
        malformed: 1,
        too_large: 2,
        too_many: 1,
    };
    assert_eq!(lost(&read, &written), expected);
    let refusals: Vec<Refusal> = expected.refusals().collect();
    assert_eq!(refusals[..2], [Refusal::HeadTooLarge; 2]);
    assert_eq!(refusals[2..], [Refusal::MalformedStream; 2]);
}

#[test]
fn nothing_is_lost_that_was_never_to_be_served() {
    let (mut frames, mut lost) = follow(&Limits::default());
    frames.read(&[0; PREFACE]).unwrap();
    frames.written(&frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]));
    frames.read(&[head(1), head(3)].concat()).unwrap();
    lost.came_up();
    assert_eq!((lost.found(), lost.left()), (Losses::default(), 0));
}

#[test]
fn nothing_is_lost_while_the_library_waits() {
    let (mut frames, mut lost) = follow(&Limits::default());
    frames.read(&[0; PREFACE]).unwrap();
    frames.waits(true);
    frames.read(&head(1)).unwrap();
    assert_eq!(lost.found(), Losses::default());
    frames.waits(false);
    frames.written(&reset(1, PROTOCOL_ERROR));
    assert_eq!(lost.found().malformed, 1);
    assert_eq!(lost.found(), Losses::default());
}

#[test]
fn a_flood_is_told_and_nothing_more_is_read() {
    let limits = Limits {
        control_frames: 10,
        ..Limits::default()
    };
    let (mut frames, untold) = follow(&limits);
    frames.read(&[0; PREFACE]).unwrap();
    let ping = frame(6, 0, 0, &[0; 8]);
    (0..10).for_each(|_| frames.read(&ping).unwrap());
    assert_eq!((untold.flood(), frames.has_enough()), (None, false));
    frames.read(&ping).unwrap();
    let flood = Some(Refusal::FrameFlood);
    assert_eq!((untold.flood(), frames.has_enough()), (flood, true));
}

#[test]
fn a_turn_ends_with_so_many_heads_and_another_begins() {
    let (mut frames, _) = follow(&Limits::default());
    frames.read(&[0; PREFACE]).unwrap();
    let mut stream = 1;
    for _ in 0..2 {
        for _ in 0..TURN {
            assert!(!frames.ends_turn());
            frames
                .read(&frame(HEADERS, END_HEADERS, stream, b"head"))
                .unwrap();
            stream += 2;
        }
        assert!(frames.ends_turn());
    }
    assert!(!frames.ends_turn());
}

#[test]
fn a_head_is_slow_that_began_before_the_last_look() {
    let (mut frames, mut untold) = follow(&Limits::default());
    frames.read(&[0; PREFACE]).unwrap();
    frames.read(&frame(HEADERS, 0, 1, b"begun")).unwrap();
    assert_eq!(
        [untold.has_slow_head(), untold.has_slow_head()],
        [false, true]
    );
    frames
        .read(&frame(CONTINUATION, END_HEADERS, 1, b""))
        .unwrap();
    assert_eq!([untold.has_slow_head(), untold.has_slow_head()], [false; 2]);
    // Another at each look; then one of which no frame has ended.
    for stream in [3, 5] {
        frames.read(&head(stream)).unwrap();
        assert!(!untold.has_slow_head());
    }
    frames.read(&head(7)[..12]).unwrap();
    assert_eq!(
        [untold.has_slow_head(), untold.has_slow_head()],
        [false, true]
    );
    frames.read(&head(7)[12..]).unwrap();
    assert!(!untold.has_slow_head());
    frames.read(&frame(DATA, 0, 7, &[0; 99])[..50]).unwrap();
    assert_eq!([untold.has_slow_head(), untold.has_slow_head()], [false; 2]);
}

#[test]
fn who_takes_nothing_while_something_waits_has_stopped_reading() {
    let (mut frames, mut untold) = follow(&Limits::default());
    assert!(!untold.has_stopped_reading(), "nothing waits");
    frames.written(b"taken");
    frames.waits(true);
    assert!(!untold.has_stopped_reading(), "something was taken");
    assert!(untold.has_stopped_reading());
    frames.waits(false);
    frames.written(b"taken");
    frames.waits(true);
    assert!(!untold.has_stopped_reading(), "something was taken");
}
