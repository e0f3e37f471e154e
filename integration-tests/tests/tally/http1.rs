//! Attempts over HTTP/1.1, one after the other, until the gateway or the caller
//! ends their connection.

use integration_tests::message::Message;
use integration_tests::raw::{Ending, Hello, Raw};
use integration_tests::wait::PATIENCE;

use crate::Bench;
use crate::account::Account;
use crate::fate::{Fate, Told, body, choose, plain};

/// What no parser may repair; `$ID` stands for the attempt's own.
const MALFORMED: [(&str, u16, &str); 16] = [
    (
        "GET /open/$ID HTTP/1.1\nhost: open.test\n\n",
        400,
        "bare_line_ending",
    ),
    (
        "GET /open/$ID HTTP/1.1\r\nx: y\rz\r\nhost: open.test\r\n\r\n",
        400,
        "bare_line_ending",
    ),
    (
        "GET  /open/$ID HTTP/1.1\r\nhost: open.test\r\n\r\n",
        400,
        "malformed_request_line",
    ),
    (
        "GET /open/$ID\r\nhost: open.test\r\n\r\n",
        400,
        "malformed_request_line",
    ),
    (
        "GET /open/$ID HTTP/1.0\r\nhost: open.test\r\n\r\n",
        426,
        "http_version",
    ),
    (
        "GET /open/$ID HTTP/1.1\r\nhost : open.test\r\n\r\n",
        400,
        "malformed_header",
    ),
    (
        "GET /open/$ID HTTP/1.1\r\nhost: open.test\r\nx: 1\r\n folded\r\n\r\n",
        400,
        "malformed_header",
    ),
    (
        "GET /open/$ID HTTP/1.1\r\nhost: open.test\r\ncontent_length: 5\r\n\r\n",
        400,
        "confusable_header",
    ),
    (
        "POST /open/$ID HTTP/1.1\r\nhost: open.test\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        "conflicting_framing",
    ),
    (
        "POST /open/$ID HTTP/1.1\r\nhost: open.test\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello",
        400,
        "content_length",
    ),
    (
        "POST /open/$ID HTTP/1.1\r\nhost: open.test\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        501,
        "transfer_encoding",
    ),
    (
        "GET /open/$ID HTTP/1.1\r\nhost: open.test\r\nexpect: a miracle\r\n\r\n",
        417,
        "expectation",
    ),
    ("GET /open/$ID HTTP/1.1\r\n\r\n", 400, "host_missing"),
    (
        "GET /open/$ID HTTP/1.1\r\nhost: open.test\r\nhost: open.test\r\n\r\n",
        400,
        "host_repeated",
    ),
    (
        "TRACE /open/$ID HTTP/1.1\r\nhost: open.test\r\n\r\n",
        405,
        "method_refused",
    ),
    (
        "GET /open/$ID#x HTTP/1.1\r\nhost: open.test\r\n\r\n",
        400,
        "target_fragment",
    ),
];

/// Heads of requests their callers do not finish, with what is told of them.
const GIVEN_UP: [(&str, &[&str]); 3] = [
    (
        "POST /open/$ID HTTP/1.1\r\nhost: open.test\r\ncontent-length: 100\r\n\r\nnot a hundred",
        &["client_gone"],
    ),
    (
        "POST /open/$ID HTTP/1.1\r\nhost: open.test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        &["client_gone"],
    ),
    (
        "POST /open/$ID HTTP/1.1\r\nhost: open.test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nx\r\n",
        &["malformed_body"],
    ),
];

/// What is sent for one attempt.
struct Attempt {
    bytes: Vec<u8>,
    fate: Fate,
    after: After,
}

/// What is waited for, once it is sent.
enum After {
    Answer,
    AnswerWithoutBody,
    /// Nothing more is sent, and the end comes.
    Leave,
}

/// A connection of up to eight attempts.
pub(crate) fn call(bench: &Bench, number: u64, random: &mut fastrand::Rng) -> Account {
    let hello = Hello::of(&bench.pki, "sleep", "open.test");
    let hello = Hello {
        server_name: None,
        ..hello
    };
    let mut raw = hello.connect(bench.egret.listener("mesh")).unwrap();
    let mut account = Account {
        caller: raw.local_address(),
        fates: Vec::new(),
        in_order: true,
    };
    for place in 0..random.u8(1..=8) {
        let attempt = attempt(&format!("{number}-{place}"), random);
        let (sent, told) = (attempt.bytes.clone(), attempt.fate.told.clone());
        account.fates.push(attempt.fate);
        // A refusal may come, and the connection go, before all is sent.
        let _ = raw.send(&attempt.bytes);
        let goes_on = match attempt.after {
            After::Leave => false,
            After::Answer | After::AnswerWithoutBody => {
                let without_body = matches!(attempt.after, After::AnswerWithoutBody);
                let answer = answer(&mut raw, without_body);
                let answer = answer.unwrap_or_else(|| {
                    let sent = String::from_utf8_lossy(&sent);
                    panic!("no answer, {told:?} expected, to {sent}")
                });
                if let Told::Line(status, _) = told {
                    assert_eq!(answer.status(), status, "{}", answer.text());
                }
                answer.value("connection").as_deref() != Some("close")
            }
        };
        if !goes_on {
            break;
        }
    }
    raw.finish();
    let (rest, ending) = raw.rest(PATIENCE);
    let rest = String::from_utf8_lossy(&rest);
    assert_eq!(ending, Ending::Closed, "{account:?}: {rest}");
    account
}

/// The final answer, if one comes.
fn answer(raw: &mut Raw, without_body: bool) -> Option<Message> {
    loop {
        let mut answer = raw.head().ok()?;
        match answer.status() {
            100..200 => {}
            _ if without_body => return Some(answer),
            _ => {
                answer = raw.body(answer).ok()?;
                return Some(answer);
            }
        }
    }
}

fn attempt(id: &str, random: &mut fastrand::Rng) -> Attempt {
    match random.u8(..20) {
        0..14 => whole(id, random),
        14..18 => {
            let (text, status, reason) = choose(random, &MALFORMED);
            Attempt {
                bytes: text.replace("$ID", id).into_bytes(),
                fate: Fate::ends(status, reason),
                after: After::Answer,
            }
        }
        18 => {
            let (text, reasons) = choose(random, &GIVEN_UP);
            Attempt {
                bytes: text.replace("$ID", id).into_bytes(),
                fate: Fate::breaks(format!("/open/{id}"), reasons),
                after: After::Leave,
            }
        }
        _ => {
            let whole = format!("GET /open/{id} HTTP/1.1\r\nhost: open.test\r\n\r\n");
            let length = random.usize(1..whole.len());
            Attempt {
                bytes: whole.as_bytes()[..length].to_vec(),
                fate: Fate::ends(400, "malformed_request_line"),
                after: After::Leave,
            }
        }
    }
}

/// A request that is one, with a body or without.
fn whole(id: &str, random: &mut fastrand::Rng) -> Attempt {
    let plain = plain(id, random);
    let mut bytes = format!("{} {} HTTP/1.1\r\n", plain.method, plain.target).into_bytes();
    let host = choose(random, &["Host", "host", "HOST"]);
    bytes.extend(format!("{host}: {}\r\n", plain.host).into_bytes());
    for number in 0..random.u8(..4) {
        bytes.extend(format!("x-{number}: ").into_bytes());
        bytes.extend((0..random.u8(..20)).map(|_| random.u8(0x80..)));
        bytes.extend(b"\r\n");
    }
    let has_body = !matches!(plain.method, "GET" | "HEAD") && random.bool();
    if has_body {
        let body = body(random);
        if random.u8(..4) == 0 && !body.is_empty() {
            bytes.extend(b"expect: 100-continue\r\n");
        }
        if random.bool() {
            bytes.extend(format!("content-length: {}\r\n\r\n", body.len()).into_bytes());
            bytes.extend(body);
        } else {
            bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            bytes.extend(chunks(&body, random));
        }
    } else {
        bytes.extend(b"\r\n");
    }
    // Behind a request without a body stands another now and then, which is never served.
    if !has_body && random.u8(..10) == 0 {
        bytes.extend(format!("GET /open/{id}/behind HTTP/1.1\r\nhost: open.test\r\n\r\n").bytes());
    }
    Attempt {
        bytes,
        fate: plain.fate,
        after: match plain.method {
            "HEAD" => After::AnswerWithoutBody,
            _ => After::Answer,
        },
    }
}

fn chunks(mut body: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !body.is_empty() {
        let (piece, rest) = body.split_at(random.usize(1..=body.len()));
        let extension = choose(random, &["", ";a=b", ";quoted=\"x\""]);
        bytes.extend(format!("{:X}{extension}\r\n", piece.len()).into_bytes());
        bytes.extend(piece);
        bytes.extend(b"\r\n");
        body = rest;
    }
    bytes.extend(b"0\r\n");
    if random.bool() {
        bytes.extend(b"x-trailer: end\r\n");
    }
    bytes.extend(b"\r\n");
    bytes
}
