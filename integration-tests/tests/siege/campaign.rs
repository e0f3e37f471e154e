//! Every flood for as long as is asked, beside a caller who keeps to a rate: what
//! he notices of it, and how long after it he still does.
//!
//! It measures, and asserts only that the good caller is served: how fast depends
//! on the machine. `EGRET_SIEGE_SECONDS` is the time of each flood, `EGRET_BIN` the
//! gateway, of which an optimised build tells more:
//!
//! ```text
//! EGRET_SIEGE_SECONDS=600 EGRET_BIN=target/release/egret \
//!     cargo test -p integration-tests --test siege -- --ignored --nocapture campaign
//! ```

use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use integration_tests::http2::{
    self, CONTINUATION, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, frame,
};
use integration_tests::mesh::Mesh;
use integration_tests::raw::{Hello, Raw};

use crate::besieged::{HOST, MIB, block, connect_from, fields, get, stream, unbounded, with};

/// Requests of the good caller in a second, and connections they come on; every
/// tenth on one of its own.
const RATE: u32 = 50;
const CALLERS: usize = 4;
/// How long he is watched before a flood.
const BEFORE: Duration = Duration::from_secs(5);
/// And after it.
const AFTER: Duration = Duration::from_secs(6);
/// Hands of the one attacker, and what they hold open at most.
const HANDS: usize = 2;
const HELD: usize = 200;

/// What an attacker has.
struct Attacker<'a> {
    mesh: &'a Mesh,
    gateway: SocketAddr,
    stop: &'a AtomicBool,
    /// Things done, of whichever kind.
    done: &'a AtomicUsize,
}

impl Attacker<'_> {
    /// Whether it goes on.
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn did(&self, number: usize) {
        self.done.fetch_add(number, Ordering::Relaxed);
    }

    /// A connection, unless the gateway will not have it.
    fn connect(&self, alpn: &'static str) -> Option<Raw> {
        let hello = Hello {
            alpn: vec![alpn],
            ..Hello::of(&self.mesh.pki, "sleep", HOST)
        };
        hello.over(self.dial()).ok()
    }

    /// From an address of his own: what a source may take is bounded.
    fn dial(&self) -> TcpStream {
        connect_from("127.0.0.2", self.gateway)
    }

    fn http2(&self) -> Option<Raw> {
        let mut raw = self.connect("h2")?;
        raw.send(&http2::preface()).ok()?;
        Some(raw)
    }

    /// Sends the same on one connection after the other, each until it is cut.
    fn pour(&self, mut next: impl FnMut(u32) -> Vec<u8>) {
        while self.goes_on() {
            let Some(mut raw) = self.http2() else {
                continue;
            };
            for round in 0.. {
                if !self.goes_on() || raw.send(&next(round)).is_err() {
                    break;
                }
                self.did(1);
            }
        }
    }

    /// Begins on many connections, and goes on with each a byte at a time.
    fn trickle(&self, begin: &[u8], byte: &[u8]) {
        let mut held: Vec<Raw> = Vec::new();
        while self.goes_on() {
            if held.len() < HELD
                && let Some(mut raw) = self.connect("http/1.1")
                && raw.send(begin).is_ok()
            {
                held.push(raw);
                self.did(1);
            }
            held.retain_mut(|raw| raw.send(byte).is_ok());
        }
    }
}

type Flood = fn(&Attacker<'_>);

const FLOODS: [(&str, Flood); 12] = [
    ("connections opened and closed", |attacker| {
        while attacker.goes_on() {
            drop(attacker.dial());
            attacker.did(1);
        }
    }),
    ("handshakes, whole", |attacker| {
        while attacker.goes_on() {
            if attacker.connect("h2").is_some() {
                attacker.did(1);
            }
        }
    }),
    ("handshakes that stall", |attacker| {
        use std::io::Write;
        let mut held = std::collections::VecDeque::new();
        while attacker.goes_on() {
            let mut tcp = attacker.dial();
            let _ = tcp.write_all(&[22, 3, 1, 2, 0, 1]);
            held.push_back(tcp);
            attacker.did(1);
            if held.len() > HELD {
                held.pop_front();
            }
        }
    }),
    ("heads that trickle", |attacker| {
        attacker.trickle(b"GET / HTTP/1.1\r\nx: ", b"y");
    }),
    ("bodies that trickle", |attacker| {
        let head =
            format!("POST /upload HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 100000\r\n\r\n");
        attacker.trickle(head.as_bytes(), b"y");
    }),
    ("answers nobody reads", |attacker| {
        let mut held = std::collections::VecDeque::new();
        while attacker.goes_on() {
            if let Some(raw) = attacker.http2() {
                let mut raw = unbounded(raw);
                let many = (0..20).flat_map(|n| get(stream(n), "/bytes/1000000"));
                if raw.send(&many.collect::<Vec<_>>()).is_ok() {
                    attacker.did(20);
                }
                held.push_back(raw);
            }
            if held.len() > 10 {
                held.pop_front();
            }
        }
    }),
    ("streams reset at once", |attacker| {
        attacker.pour(|round| {
            let each = |n| {
                let id = stream(20 * round + n);
                [get(id, "/bytes/1"), frame(RST_STREAM, 0, id, &[0, 0, 0, 8])].concat()
            };
            (0..20).flat_map(each).collect()
        });
    }),
    ("PING without end", |attacker| {
        attacker.pour(|_| frame(PING, 0, 0, &[7; 8]).repeat(200));
    }),
    ("CONTINUATION without end", |attacker| {
        attacker.pour(|round| match round {
            0 => frame(HEADERS, END_STREAM, 1, &block(&fields("GET", "/"))),
            _ => frame(CONTINUATION, 0, 1, &[0; 1]).repeat(200),
        });
    }),
    ("heads of thousands of fields", |attacker| {
        let mut head = block(&fields("GET", "/bytes/1"));
        head.extend(http2::literal(&(b"x".to_vec(), b"y".to_vec())).repeat(3000));
        attacker.pour(|round| {
            let id = stream(round);
            frame(HEADERS, END_STREAM | END_HEADERS, id, &head)
        });
    }),
    ("malformed streams", |attacker| {
        let mut head = fields("GET", "/bytes/1");
        head.push((b":path".to_vec(), b"/other".to_vec()));
        attacker.pour(|round| http2::request(stream(round), &head, b""));
    }),
    ("requests that are refused", |attacker| {
        let request = format!("GET /../x HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
        while attacker.goes_on() {
            if let Some(mut raw) = attacker.connect("http/1.1") {
                let _ = raw.exchange(&request);
                attacker.did(1);
            }
        }
    }),
];

/// What the good caller was told, and when: from the moment a request was due.
#[derive(Default)]
struct Seen(Mutex<Vec<(Instant, Option<Duration>)>>);

impl Seen {
    /// Of requests that were due from then on and before `to`: one that was never
    /// made has failed.
    fn between(&self, from: Instant, to: Instant) -> Figures {
        let seen = self.0.lock().unwrap();
        let due = seen.iter().filter(|(due, _)| (from..to).contains(due));
        let mut took: Vec<Duration> = due.filter_map(|(_, took)| *took).collect();
        took.sort_unstable();
        let of = |share: usize| took.get(took.len() * share / 100).copied();
        let due = ((to - from).as_secs_f64() * f64::from(RATE)) as usize;
        Figures {
            share: (took.len() as f64 / due as f64).min(1.0),
            p50: of(50).unwrap_or_default(),
            p99: of(99).unwrap_or_default(),
        }
    }

    /// How long after `end` the last request was due that failed or took longer
    /// than `usual`; none, if they still did when it was last looked.
    fn recovered(&self, end: Instant, usual: Duration) -> Option<Duration> {
        let seen = self.0.lock().unwrap();
        let after = seen.iter().filter(|(due, _)| *due >= end);
        let is_bad = |took: &Option<Duration>| took.is_none_or(|took| took > usual);
        let (bad, good): (Vec<_>, Vec<_>) = after.partition(|(_, took)| is_bad(took));
        let last = |of: Vec<&(Instant, _)>| of.iter().map(|(due, _)| *due).max();
        let (bad, good) = (last(bad), last(good)?);
        match bad {
            None => Some(Duration::ZERO),
            Some(bad) => (bad < good).then(|| bad - end),
        }
    }
}

struct Figures {
    share: f64,
    p50: Duration,
    p99: Duration,
}

/// Asks at the rate until told to stop; what is late waits, and its wait counts.
fn ask(mesh: &Mesh, begun: Instant, stop: &AtomicBool, next: &AtomicUsize, seen: &Seen) {
    let hello = Hello::of(&mesh.pki, "politics", HOST);
    let gateway = mesh.gateway();
    let request = format!("GET /bytes/1000 HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
    let mut kept: Option<Raw> = None;
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let due = begun + Duration::from_secs(1) * number as u32 / RATE;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let mut raw = match kept.take() {
            Some(raw) if !number.is_multiple_of(10) => Some(raw),
            _ => hello.connect(gateway).ok(),
        };
        let answer = raw.as_mut().and_then(|raw| raw.exchange(&request).ok());
        let served = answer.is_some_and(|a| a.status() == 200 && a.body.len() == 1000);
        kept = raw.filter(|_| served);
        let took = served.then(|| due.elapsed());
        seen.0.lock().unwrap().push((due, took));
    }
}

#[test]
#[ignore = "a measurement that takes minutes: see the module"]
fn what_the_good_caller_notices_of_each_flood() {
    let seconds = std::env::var("EGRET_SIEGE_SECONDS").unwrap_or_else(|_| "15".to_owned());
    let time = Duration::from_secs(seconds.parse().expect("a number of seconds"));
    let mut table = String::from(
        "| flood | done | served | p50 ms before, under | p99 ms before, under | recovery s | MiB more |\n\
         |---|---|---|---|---|---|---|\n",
    );
    let mut served = true;
    for (name, flood) in FLOODS {
        let mesh = Mesh::start(&with("memory: 1GiB"));
        let (stop, seen) = (AtomicBool::new(false), Seen::default());
        let (halt, done, next) = (
            AtomicBool::new(false),
            AtomicUsize::new(0),
            AtomicUsize::new(0),
        );
        // What is made once is made before.
        for _ in 0..20 {
            assert_eq!(mesh.fetch("politics", HOST, "/bytes/1000").status, 200);
        }
        let begun = Instant::now();
        let (from, to, held) = thread::scope(|scope| {
            for _ in 0..CALLERS {
                scope.spawn(|| ask(&mesh, begun, &stop, &next, &seen));
            }
            thread::sleep(BEFORE);
            let before = mesh.egret.memory();
            let from = Instant::now();
            let hands: Vec<_> = (0..HANDS)
                .map(|_| {
                    scope.spawn(|| {
                        flood(&Attacker {
                            gateway: mesh.gateway(),
                            mesh: &mesh,
                            stop: &halt,
                            done: &done,
                        });
                    })
                })
                .collect();
            let mut most = 0;
            while from.elapsed() < time {
                thread::sleep(Duration::from_millis(100));
                most = most.max(mesh.egret.memory());
            }
            halt.store(true, Ordering::Relaxed);
            hands.into_iter().for_each(|hand| hand.join().unwrap());
            let to = Instant::now();
            thread::sleep(AFTER);
            stop.store(true, Ordering::Relaxed);
            (from, to, most.saturating_sub(before))
        });
        let (alone, flooded) = (seen.between(begun, from), seen.between(from, to));
        let recovery = seen.recovered(to, (2 * alone.p99).max(Duration::from_millis(20)));
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        let recovery = recovery.map_or_else(
            || format!("> {}", AFTER.as_secs()),
            |time| format!("{:.1}", time.as_secs_f64()),
        );
        served &= alone.share.min(flooded.share) > 0.99;
        let line = format!(
            "| {name} | {} | {:.1} % | {:.0}, {:.0} | {:.0}, {:.0} | {recovery} | {} |\n",
            done.load(Ordering::Relaxed),
            100.0 * flooded.share,
            millis(alone.p50),
            millis(flooded.p50),
            millis(alone.p99),
            millis(flooded.p99),
            held / MIB,
        );
        print!("{line}");
        table += &line;
    }
    println!("\n{table}");
    assert!(served, "the good caller was not");
}
