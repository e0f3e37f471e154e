//! Attempts over HTTP/2, all at once on one connection.

use std::collections::VecDeque;

use integration_tests::http2::{self, DATA, END_STREAM, RST_STREAM, frame};
use integration_tests::raw::Hello;

use crate::Bench;
use crate::account::Account;
use crate::fate::{Fate, body, choose, plain};

type Field = (Vec<u8>, Vec<u8>);

type Unfit = (&'static [u8], &'static [u8]);

/// Fields beyond those of a GET that no request may have.
const MALFORMED: [Unfit; 3] = [
    (b":path", b"/open/other"),
    (b"connection", b"close"),
    (b"transfer-encoding", b"chunked"),
];

/// Those that end their connection, and with it whatever else is on it.
const FATAL: [Unfit; 3] = [
    (b":unknown", b"x"),
    (b"X-Upper", b"x"),
    (b"x", b"y\r\nhost: elsewhere.test"),
];

/// One stream.
struct Attempt {
    head: Vec<Field>,
    /// Frames behind its head.
    rest: VecDeque<Vec<u8>>,
    fate: Fate,
    /// An answer or a reset comes.
    is_answered: bool,
}

/// A connection of up to eight streams.
pub(crate) fn call(bench: &Bench, number: u64, random: &mut fastrand::Rng) -> Account {
    let hello = Hello {
        alpn: vec!["h2"],
        server_name: None,
        ..Hello::of(&bench.pki, "sleep", "open.test")
    };
    let mut raw = hello.connect(bench.egret.listener("mesh")).unwrap();
    let mut attempts = attempts(number, random);
    let mut bytes = http2::preface();
    for place in 0..attempts.len() {
        let (stream, attempt) = &attempts[place];
        let open = !attempt.rest.is_empty();
        bytes.extend(http2::head(*stream, &attempt.head, !open));
        // Some of what earlier streams have to say comes between.
        for (_, earlier) in &mut attempts[..=place] {
            let some = random.usize(..=earlier.rest.len());
            bytes.extend(earlier.rest.drain(..some).flatten());
        }
    }
    for (_, attempt) in &mut attempts {
        bytes.extend(attempt.rest.drain(..).flatten());
    }
    raw.send(&bytes).unwrap();
    let answered = attempts.iter().filter(|(_, attempt)| attempt.is_answered);
    let answered: Vec<u32> = answered.map(|(stream, _)| *stream).collect();
    let answers = http2::answers(&mut raw, &answered).unwrap();
    let told = answers.values().all(|answer| !answer.gone);
    let fates = attempts.iter().map(|(_, attempt)| &attempt.fate);
    let fates: Vec<_> = fates.collect();
    assert!(told, "{answers:?} of {fates:#?}");
    let caller = raw.local_address();
    raw.finish();
    let _ = http2::farewell(&mut raw);
    Account {
        caller,
        fates: attempts
            .into_iter()
            .map(|(_, attempt)| attempt.fate)
            .collect(),
        in_order: false,
    }
}

fn attempts(number: u64, random: &mut fastrand::Rng) -> Vec<(u32, Attempt)> {
    if random.u8(..10) == 0 {
        let unfit = choose(random, &FATAL);
        let attempt = Attempt {
            is_answered: false,
            ..malformed(&number.to_string(), unfit)
        };
        return vec![(1, attempt)];
    }
    let streams = (0..random.u32(1..=8)).map(|place| 2 * place + 1);
    let attempts = streams.map(|stream| {
        let id = format!("{number}-{stream}");
        (stream, attempt(&id, stream, random))
    });
    attempts.collect()
}

fn malformed(id: &str, (name, value): Unfit) -> Attempt {
    let mut head = fields("GET", "open.test", &format!("/open/{id}"));
    head.push((name.to_vec(), value.to_vec()));
    Attempt {
        head,
        rest: VecDeque::new(),
        fate: Fate::ends(400, "malformed_stream"),
        is_answered: true,
    }
}

fn attempt(id: &str, stream: u32, random: &mut fastrand::Rng) -> Attempt {
    match random.u8(..20) {
        0..15 => whole(id, stream, random),
        15..18 => {
            let unfit = choose(random, &MALFORMED);
            malformed(id, unfit)
        }
        _ => {
            let target = format!("/open/{id}");
            let reset = frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
            let data = frame(DATA, 0, stream, b"and no more");
            Attempt {
                head: fields("POST", "open.test", &target),
                rest: [data, reset].into(),
                fate: Fate::breaks(target, &["client_gone"]),
                is_answered: false,
            }
        }
    }
}

fn whole(id: &str, stream: u32, random: &mut fastrand::Rng) -> Attempt {
    let plain = plain(id, random);
    let mut head = fields(plain.method, plain.host, &plain.target);
    for number in 0..random.u8(..4) {
        let value = (0..random.u8(..20)).map(|_| random.u8(0x80..));
        head.push((format!("x-{number}").into_bytes(), value.collect()));
    }
    let mut rest = VecDeque::new();
    if !matches!(plain.method, "GET" | "HEAD") && random.bool() {
        let body = body(random);
        if random.bool() {
            let length = body.len().to_string();
            head.push((b"content-length".to_vec(), length.into_bytes()));
        }
        let mut left = &body[..];
        while !left.is_empty() {
            let (piece, after) = left.split_at(random.usize(1..=left.len()));
            rest.push_back(frame(DATA, 0, stream, piece));
            left = after;
        }
        rest.push_back(frame(DATA, END_STREAM, stream, b""));
    }
    Attempt {
        head,
        rest,
        fate: plain.fate,
        is_answered: true,
    }
}

fn fields(method: &str, host: &str, target: &str) -> Vec<Field> {
    let fields = [
        (":method", method),
        (":scheme", "https"),
        (":authority", host),
        (":path", target),
    ];
    fields.map(|(n, v)| (n.into(), v.into())).to_vec()
}
