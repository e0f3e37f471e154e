//! gRPC's two ends, as nghttp2 plays them: a server that ends what it echoes
//! with trailers, and a client that shows an answer frame by frame.
//!
//! gRPC itself is not spoken: the gateway looks at heads and trailers alone.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::peers;
use crate::pki::Credential;
use crate::process::Process;
use crate::wait::{PATIENCE, until, within};

/// Names and values, in order.
pub type Fields = Vec<(String, String)>;

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    dir: TempDir,
    _process: Process,
}

impl Server {
    /// Starts one that echoes every body and ends it with `trailers`, each
    /// written `name: value`.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(credential: &Credential, trailers: &[&str]) -> Self {
        // Another process may take the free port first; then another one is tried.
        let mut started = (0..5).find_map(|_| Self::try_start(credential, trailers));
        started.take().expect("nghttpd listens")
    }

    fn try_start(credential: &Credential, trailers: &[&str]) -> Option<Self> {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("its address");
        drop(free);
        let dir = TempDir::with_prefix("egret-grpc-").expect("a temporary directory");
        let mut process = Process::start(server(address, dir.path(), credential, trailers));
        let heard = within(PATIENCE, || {
            let ended = process.exited().map(|_| false);
            read(dir.path())
                .contains("listen")
                .then_some(true)
                .or(ended)
        });
        (heard == Some(true)).then_some(Self {
            address,
            dir,
            _process: process,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Heads of all requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Fields> {
        heads(&read(self.dir.path()))
    }

    /// The head of the first request for `target`, once it has come.
    ///
    /// # Panics
    /// When it does not come in time.
    #[track_caller]
    #[must_use]
    pub fn wait_for(&self, target: &str) -> Fields {
        let is_it = |head: &Fields| value(head, ":path") == Some(target);
        let what = format!("nghttpd was asked for {target}");
        until(&what, || self.requests().into_iter().find(is_it))
    }
}

/// The value of a field.
#[must_use]
pub fn value<'f>(fields: &'f Fields, name: &str) -> Option<&'f str> {
    let mut fields = fields.iter();
    fields.find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}

fn server(address: SocketAddr, dir: &Path, credential: &Credential, trailers: &[&str]) -> Command {
    let log = File::create(dir.join("log")).expect("its log");
    let mut command = Command::new(peers::nghttpd());
    command.args(["--verbose", "--echo-upload", "--no-content-length"]);
    for trailer in trailers {
        command.args(["--trailer", trailer]);
    }
    command.arg("--address").arg(address.ip().to_string());
    command.arg("--htdocs").arg(dir);
    command.arg(address.port().to_string());
    command.arg(&credential.key).arg(&credential.chain);
    command
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(Stdio::null());
    command
}

fn read(dir: &Path) -> String {
    fs::read_to_string(dir.join("log")).unwrap_or_default()
}

/// Fields are logged one a line, `… recv (stream_id=1) name: value`, and then
/// the frame they came in.
fn heads(log: &str) -> Vec<Fields> {
    let (mut heads, mut fields) = (Vec::new(), Fields::new());
    for line in log.lines() {
        if let Some(field) = received_field(line) {
            fields.push(field);
        } else if line.contains("recv HEADERS frame") {
            heads.push(std::mem::take(&mut fields));
        }
    }
    heads
}

fn received_field(line: &str) -> Option<(String, String)> {
    let (_, field) = line.split_once("recv (stream_id=")?.1.split_once(") ")?;
    // The name of a pseudo field begins with a colon.
    let colon = 1 + field.get(1..)?.find(": ")?;
    Some((field[..colon].to_owned(), field[colon + 2..].to_owned()))
}

/// What a gRPC caller got, frame by frame.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Fields of each HEADERS frame.
    pub heads: Vec<Fields>,
    /// Of each frame of the stream: its kind, and whether it ended the stream.
    pub frames: Vec<(String, Ends)>,
}

/// Whether a frame carries END_STREAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// It does.
    Stream,
    /// It does not.
    Nothing,
}

/// A call straight to the gateway as `who`, over HTTP/2, with a message of five bytes.
///
/// # Panics
/// When nghttp cannot run.
#[must_use]
pub fn call(gateway: SocketAddr, who: &Credential, host: &str, target: &str) -> Answer {
    let dir = TempDir::with_prefix("egret-call-").expect("a temporary directory");
    let message = dir.path().join("message");
    fs::write(&message, [0; 5]).expect("a message");
    let mut command = Command::new(peers::nghttp());
    command.args([
        "--verbose",
        "--no-dep",
        "--timeout",
        "20",
        "--no-verify-peer",
    ]);
    command
        .arg("--cert")
        .arg(&who.chain)
        .arg("--key")
        .arg(&who.key);
    command.arg("--data").arg(&message);
    for field in ["content-type: application/grpc", "te: trailers"] {
        command.arg("--header").arg(field);
    }
    command.arg("--header").arg(format!(":authority: {host}"));
    command.arg(format!("https://{gateway}{target}"));
    let output = command.output().expect("nghttp runs");
    answer(&String::from_utf8_lossy(&output.stdout))
}

fn answer(log: &str) -> Answer {
    let frames = log.lines().filter_map(received_frame);
    Answer {
        heads: heads(log),
        frames: frames.collect(),
    }
}

/// `… recv DATA frame <length=8, flags=0x01, stream_id=1>`
fn received_frame(line: &str) -> Option<(String, Ends)> {
    let (kind, rest) = line.split_once("recv ")?.1.split_once(" frame <")?;
    let flags = rest.split_once("flags=0x")?.1.get(..2)?;
    let ends = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
    let of_stream = matches!(kind, "HEADERS" | "DATA");
    let ends = if ends { Ends::Stream } else { Ends::Nothing };
    of_stream.then(|| (kind.to_owned(), ends))
}
