//! HTTP/2: origins that send frames no decent one would.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use integration_tests::record::reason;
use integration_tests::wait::until;

use crate::bench::{Bench, Expected, GOOD};
use crate::origin::{Origin, Wire};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A literal field that nobody is to index.
const FIELD: &[u8] = b"\x00\x01x\x04yyyy";
/// `:status: 200` in HPACK's static table.
const OK: u8 = 0x88;

const RESET: Expected = Expected {
    status: 503,
    reason: "upstream_reset",
    flags: "UR",
};
const TIMEOUT: Expected = Expected {
    status: 504,
    reason: "route_timeout",
    flags: "UT",
};
const FINE: Expected = Expected {
    status: 200,
    reason: "",
    flags: "-",
};
const CUT: Expected = Expected {
    status: 200,
    reason: "upstream_reset",
    flags: "UR",
};

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Reads frames until the first with `kind`; its stream.
fn read_until(wire: &mut Wire, kind: u8) -> io::Result<u32> {
    loop {
        let mut head = [0; 9];
        wire.stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        wire.stream.read_exact(&mut payload)?;
        if head[3] == kind {
            return Ok(u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
        }
    }
}

/// An origin that waits for the first request, and then does as `conduct` says.
fn origin(settings: &'static [u8], conduct: Conduct) -> Bench {
    Bench::start(conducted(settings, conduct), CLEARTEXT)
}

type Conduct = fn(&mut Wire, u32) -> io::Result<()>;

const CLEARTEXT: &str = "tls: off, protocol: h2";

fn conducted(settings: &'static [u8], conduct: Conduct) -> Origin {
    Origin::start(move |stream, number| {
        let mut wire = Wire { stream, number };
        let mut preface = [0; 24];
        let _ = wire.stream.read_exact(&mut preface).and_then(|()| {
            wire.send(&frame(SETTINGS, 0, 0, settings))?;
            let stream = read_until(&mut wire, HEADERS)?;
            conduct(&mut wire, stream)
        });
    })
}

#[test]
fn floods_of_control_frames_never_become_memory() {
    let settings = |wire: &mut Wire, _| wire.flood(&frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 1]));
    origin(b"", settings).get("settings", &TIMEOUT);
    let pings = |wire: &mut Wire, _| wire.flood(&frame(PING, 0, 0, b"12345678"));
    origin(b"", pings).get("pings", &TIMEOUT);
    let empty = |wire: &mut Wire, stream| {
        wire.send(&frame(HEADERS, END_HEADERS, stream, &[OK]))?;
        wire.flood(&frame(DATA, 0, stream, b""))
    };
    origin(b"", empty).get("empty-data", &CUT);
}

/// Whether the gateway ended a connection that was flooded while idle.
static ENDED: AtomicBool = AtomicBool::new(false);

#[test]
fn a_connection_flooded_while_idle_ends_with_its_idle_time() {
    let answer_and_flood = |wire: &mut Wire, stream| {
        wire.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &[OK]))?;
        let flooded = wire.flood(&frame(PING, 0, 0, b"12345678"));
        // Not that it took nothing for long.
        let ended = flooded
            .as_ref()
            .is_err_and(|e| e.kind() != io::ErrorKind::WouldBlock);
        ENDED.store(ended, Ordering::SeqCst);
        flooded
    };
    let bench = origin(b"", answer_and_flood);
    bench.get("fine", &FINE);
    let ended = || ENDED.load(Ordering::SeqCst).then_some(());
    until("the gateway ends the connection", ended);
}

#[test]
fn a_connection_that_has_fallen_silent_is_asked_no_more() {
    let only_the_second_speaks = |wire: &mut Wire, stream| match wire.number {
        1 => wire.hold(),
        _ => {
            wire.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &[OK]))?;
            wire.hold()
        }
    };
    let silent = conducted(b"", only_the_second_speaks);
    let bench = Bench::keeping("60s", silent, CLEARTEXT);
    bench.get("silent", &TIMEOUT);
    bench.get("spoken", &FINE);
    assert_eq!(bench.origin.connections(), 2);
}

#[test]
fn a_server_that_admits_one_stream_gets_no_more_and_nobody_waits_behind_it() {
    // On its first connection it never answers.
    let slow = |wire: &mut Wire, stream| match wire.number {
        1 => wire.hold(),
        _ => {
            wire.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &[OK]))?;
            wire.hold()
        }
    };
    let bench = origin(&[0, 3, 0, 0, 0, 1], slow);
    let first = bench.curl("/first");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| first.send());
        until("it is under way", || {
            (bench.origin.connections() == 1).then_some(())
        });
        // Its settings are known once they have been acknowledged.
        let _ = bench.mesh.fetch("sleep", GOOD, "/meanwhile");
        let second = bench.curl("/second").send();
        assert_eq!(second.status, 200, "{}", second.error);
        assert_eq!(first.join().unwrap().status, 504);
    });
    assert_eq!(bench.origin.connections(), 2);
}

#[test]
fn a_stream_or_connection_ended_at_once_is_told() {
    let reset = |wire: &mut Wire, stream| {
        wire.send(&frame(RST_STREAM, 0, stream, &[0, 0, 0, 2]))?;
        wire.hold()
    };
    origin(b"", reset).get("reset", &RESET);
    let late = |wire: &mut Wire, stream| {
        wire.send(&frame(HEADERS, END_HEADERS, stream, &[OK]))?;
        wire.send(&frame(DATA, 0, stream, b"some"))?;
        wire.send(&frame(RST_STREAM, 0, stream, &[0, 0, 0, 2]))?;
        wire.hold()
    };
    origin(b"", late).get("reset-in-body", &CUT);
    let away = |wire: &mut Wire, _| {
        wire.send(&frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 11]))?;
        wire.hold()
    };
    origin(b"", away).get("goaway", &RESET);
}

#[test]
fn what_is_no_http_2_ends_the_connection() {
    let garbage = |wire: &mut Wire, _| wire.last(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    origin(b"", garbage).get("http1", &RESET);
    let promise = |wire: &mut Wire, stream| {
        wire.send(&frame(
            PUSH_PROMISE,
            END_HEADERS,
            stream,
            &[0, 0, 0, 2, 0x82],
        ))?;
        wire.hold()
    };
    origin(b"", promise).get("push", &RESET);
    let no_head = |wire: &mut Wire, stream| {
        wire.send(&frame(DATA, END_STREAM, stream, b"no head"))?;
        wire.hold()
    };
    origin(b"", no_head).get("data-first", &RESET);
    let length = |wire: &mut Wire, stream| {
        // content-length: 9, of which four bytes come.
        let head = [&[OK, 0x0f, 0x0d, 1][..], b"9"].concat();
        wire.send(&frame(HEADERS, END_HEADERS, stream, &head))?;
        wire.send(&frame(DATA, END_STREAM, stream, b"1234"))?;
        wire.hold()
    };
    origin(b"", length).get("short", &CUT);
}

#[test]
fn an_answer_that_can_have_no_body_is_framed_as_none() {
    // `:status: 204`, and the end of the stream apart from it.
    let no_content = |wire: &mut Wire, stream| {
        wire.send(&frame(HEADERS, END_HEADERS, stream, &[0x89]))?;
        wire.send(&frame(DATA, END_STREAM, stream, b""))?;
        wire.hold()
    };
    let bench = origin(b"", no_content);
    let expected = Expected {
        status: 204,
        ..FINE
    };
    let reply = bench.get("no-content", &expected);
    assert_eq!(reply.header("transfer-encoding"), None);
    let head_alone = |wire: &mut Wire, stream| {
        wire.send(&frame(HEADERS, END_HEADERS, stream, &[OK]))?;
        wire.send(&frame(DATA, END_STREAM, stream, b""))?;
        wire.hold()
    };
    let bench = origin(b"", head_alone);
    let curl = bench.curl("/head").args(&["--head"]);
    let reply = bench.ask("/head", curl, &FINE);
    assert_eq!(reply.header("transfer-encoding"), None);
    let stolen = |wire: &mut Wire, stream| {
        wire.send(&frame(HEADERS, END_HEADERS, stream, &[0x89]))?;
        wire.send(&frame(DATA, END_STREAM, stream, b"HTTP/1.1 200 OK\r\n\r\n"))?;
        wire.hold()
    };
    let bench = origin(b"", stolen);
    let reply = bench.curl("/stolen").send();
    assert_eq!((reply.status, reply.text().as_str()), (204, ""));
    let record = bench.mesh.egret.record_of("/stolen");
    assert_eq!(reason(&record), "upstream_protocol");
}

#[test]
fn heads_without_end_are_refused_in_little_memory() {
    let endless = |wire: &mut Wire, stream| {
        wire.send(&frame(HEADERS, 0, stream, &[OK]))?;
        wire.flood(&frame(CONTINUATION, 0, stream, &FIELD.repeat(1000)))
    };
    origin(b"", endless).get("continuation", &RESET);
    // A large entry of the table, and a byte for each use of it.
    let bomb = |wire: &mut Wire, stream| {
        let value = [&[0x40, 1, b'x', 127, 0x81, 0x1d][..], &[b'y'; 3840]].concat();
        let head = [&[OK][..], &value, &[0xbe; 10_000]].concat();
        wire.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &head))?;
        wire.hold()
    };
    origin(b"", bomb).get("bomb", &RESET);
    let interim = |wire: &mut Wire, stream| {
        // `:status: 103`.
        wire.flood(&frame(HEADERS, END_HEADERS, stream, b"\x08\x03103"))
    };
    // The library keeps them until the exchange's turn comes: as many as were
    // read in one turn.
    let bench = origin(b"", interim).with_room(4);
    bench.get("interim", &TIMEOUT);
    let trailers = |wire: &mut Wire, stream| {
        wire.send(&frame(HEADERS, END_HEADERS, stream, &[OK]))?;
        wire.send(&frame(HEADERS, END_STREAM, stream, b""))?;
        wire.flood(&frame(CONTINUATION, 0, stream, &FIELD.repeat(1000)))
    };
    origin(b"", trailers).get("trailers", &CUT);
}

#[test]
fn more_than_the_window_is_a_breach_and_no_window_is_a_wait() {
    let more = |wire: &mut Wire, stream| {
        wire.send(&frame(HEADERS, END_HEADERS, stream, &[OK]))?;
        wire.flood(&frame(DATA, 0, stream, &[b'.'; 16_384]))
    };
    let bench = origin(b"", more);
    // The caller reads slowly, so that the window is not given back in time.
    let curl = bench.curl("/more").args(&["--limit-rate", "10k"]);
    bench.ask("/more", curl, &CUT);
    // SETTINGS_INITIAL_WINDOW_SIZE of nothing, and never more.
    let bench = origin(&[0, 4, 0, 0, 0, 0], |wire: &mut Wire, _| wire.hold());
    let curl = bench
        .curl("/no-window")
        .body(&[b'u'; 2_000_000])
        .header("expect:");
    bench.ask("/no-window", curl, &TIMEOUT);
}
