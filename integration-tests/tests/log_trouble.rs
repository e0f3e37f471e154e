//! Logs that cannot be written for a while: a disk without room, a reader that
//! has stopped. What the operator asked for holds meanwhile, every line that is
//! lost is counted, and afterwards lines flow again.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use integration_tests::egret::{Beside, Egret};
use integration_tests::jsonl;
use integration_tests::mesh::Mesh;
use integration_tests::pki::Pki;
use integration_tests::raw::{Hello, Raw};
use integration_tests::record::reason;
use integration_tests::wait::until;

const HOST: &str = "httpbin.org";
/// Each attempt is told so often, so that the queue is soon full.
const LINES: usize = 20;
/// More attempts than any queue takes.
const MANY: usize = 4_000;

/// Something a log is written to, which takes nothing for a while.
struct Trouble {
    mesh: Mesh,
    raw: Raw,
    sent: usize,
    /// Lets the log be written again.
    relief: Box<dyn FnOnce(&Mesh) -> Reader>,
}

/// Gives every line there is so far.
type Reader = Box<dyn FnMut() -> Vec<String>>;

fn start(overflow: &str, pki: Pki, sink: &str, through: &[&str]) -> (Mesh, Raw) {
    let log = format!("  - {{ to: {{ file: \"$PKI/{sink}\" }}, overflow: {overflow} }}\n");
    let logs = log.repeat(LINES);
    let configuration = format!(
        "logs:
{logs}defaults: {{ policy: allow }}
destinations:
  - host: {HOST}
    upstream: {{ addresses: [\"$RECORDER\"], tls: {{ ca: $ORIGIN_CA }} }}
    allowAddresses: [127.0.0.0/8]
"
    );
    let beside = Beside {
        through: through.iter().map(Into::into).collect(),
        ..Beside::default()
    };
    let start = |configuration: &str| Egret::start_beside(configuration, &beside);
    let mesh = Mesh::start_by(start, pki, &configuration);
    let raw = connect(&mesh);
    (mesh, raw)
}

fn connect(mesh: &Mesh) -> Raw {
    let hello = Hello::of(&mesh.pki, "sleep", HOST);
    hello.connect(mesh.gateway()).unwrap()
}

/// A file that may not grow beyond a mebibyte: as on a full disk, the last
/// write takes some of a line and the next one fails. (A signal would end the
/// process, were it not ignored.)
fn full_disk(overflow: &str) -> Trouble {
    let limited = "trap '' XFSZ; ulimit -S -f 2048; exec \"$0\" \"$@\"";
    let (mesh, raw) = start(
        overflow,
        Pki::create(),
        "access.log",
        &["sh", "-c", limited],
    );
    let relief = |mesh: &Mesh| -> Reader {
        let mut prlimit = Command::new("prlimit");
        prlimit.args(["--fsize=unlimited", "--pid", &mesh.egret.id().to_string()]);
        assert!(prlimit.status().unwrap().success());
        let file: PathBuf = mesh.pki.dir().join("access.log");
        Box::new(move || {
            let text = fs::read_to_string(&file).unwrap();
            text.lines().map(str::to_owned).collect()
        })
    };
    let relief = Box::new(relief);
    Trouble {
        mesh,
        raw,
        sent: 0,
        relief,
    }
}

/// A pipe that nobody reads.
fn stalled_reader(overflow: &str) -> Trouble {
    let pki = Pki::create();
    let path = pki.dir().join("access.fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    // Both ends, so that opening waits for nobody.
    let pipe = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let (mesh, raw) = start(overflow, pki, "access.fifo", &["env"]);
    let relief = |_: &Mesh| -> Reader {
        let lines = reader(pipe);
        let mut all = Vec::new();
        Box::new(move || {
            all.extend(lines.try_iter());
            all.clone()
        })
    };
    let relief = Box::new(relief);
    Trouble {
        mesh,
        raw,
        sent: 0,
        relief,
    }
}

fn reader(pipe: File) -> Receiver<String> {
    let (tell, told) = channel();
    thread::spawn(move || {
        let lines = BufReader::new(pipe).lines().map_while(Result::ok);
        lines.map_while(|line| tell.send(line).ok()).count()
    });
    told
}

impl Trouble {
    /// One request; its status.
    fn ask(&mut self) -> u16 {
        let long = "a".repeat(2000);
        let request = format!(
            "GET /{} HTTP/1.1\r\nhost: {HOST}\r\nx-request-id: {long}\r\n\
             x-forwarded-for: {long}\r\n\r\n",
            self.sent
        );
        self.sent += 1;
        let status = self.raw.exchange(&request).unwrap().status();
        if status != 200 {
            // The gateway closes then: let the caller try elsewhere.
            self.raw = connect(&self.mesh);
        }
        status
    }

    fn dropped(&self) -> usize {
        self.mesh.egret.metric("egret_log_lines_dropped_total") as usize
    }

    fn written(&self) -> usize {
        self.mesh.egret.metric("egret_log_lines_total") as usize
    }

    /// Every attempt is a line, or counted as lost.
    #[track_caller]
    fn until_settled(&self) {
        until("every line is written or counted", || {
            (self.written() + self.dropped() == self.sent * LINES).then_some(())
        });
    }

    /// The log can be written again: what is in it in the end.
    #[track_caller]
    fn relieve(mut self) -> Vec<serde_json::Value> {
        let relief = std::mem::replace(&mut self.relief, Box::new(|_| Box::new(Vec::new)));
        let mut read = relief(&self.mesh);
        self.until_settled();
        let lost = self.dropped();
        for _ in 0..10 {
            assert_eq!(self.ask(), 200);
        }
        self.until_settled();
        assert_eq!(self.dropped(), lost, "lines flow again");
        let lines = until("all that was written is read", || {
            let lines = read();
            (lines.len() + lost == self.sent * LINES).then_some(lines)
        });
        lines.iter().map(|line| jsonl::object(line)).collect()
    }
}

#[track_caller]
fn drops_and_counts(mut trouble: Trouble) {
    while trouble.sent < MANY && (!trouble.sent.is_multiple_of(50) || trouble.dropped() < 100) {
        assert_eq!(trouble.ask(), 200, "after {}", trouble.sent);
    }
    assert!(
        trouble.dropped() >= 100,
        "{} are not too many",
        trouble.sent
    );
    let sent = trouble.sent + 10;
    let lines = trouble.relieve();
    let mut of_path: BTreeMap<&str, usize> = BTreeMap::new();
    for line in &lines {
        *of_path.entry(line["path"].as_str().unwrap()).or_default() += 1;
    }
    assert!(
        of_path.values().all(|told| *told <= LINES),
        "no line comes twice"
    );
    for whole in [0, sent - 1] {
        assert_eq!(of_path[&*format!("/{whole}")], LINES);
    }
}

#[track_caller]
fn refuses(mut trouble: Trouble) {
    let mut status = 200;
    while trouble.sent < MANY && status == 200 {
        status = trouble.ask();
    }
    assert_eq!(status, 503, "after {}", trouble.sent);
    for _ in 0..50 {
        assert_eq!(trouble.ask(), 503);
    }
    let forwarded = || trouble.mesh.recorder.seen().len();
    assert_eq!(
        forwarded(),
        trouble.sent - 51,
        "what is refused goes nowhere"
    );
    let refused = (trouble.sent - 51)..trouble.sent;
    let lines = trouble.relieve();
    let (told, others): (Vec<_>, Vec<_>) = lines.iter().partition(|r| r["response_code"] == 200);
    assert_eq!(
        told.len(),
        (refused.start + 10) * LINES,
        "what went out has its line"
    );
    assert!(
        others.iter().all(|r| reason(r) == "log_unavailable"),
        "{others:#?}"
    );
}

#[test]
fn a_full_disk_holds_up_nothing_and_what_is_lost_is_counted() {
    drops_and_counts(full_disk("drop"));
}

#[test]
fn a_stalled_reader_holds_up_nothing_and_what_is_lost_is_counted() {
    drops_and_counts(stalled_reader("drop"));
}

#[test]
fn with_a_full_disk_nothing_goes_out_that_has_no_line_where_so_asked() {
    refuses(full_disk("refuse"));
}

#[test]
fn with_a_stalled_reader_nothing_goes_out_that_has_no_line_where_so_asked() {
    refuses(stalled_reader("refuse"));
}
