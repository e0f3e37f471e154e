//! How the recording origin answers. The path of the request decides, so that
//! a test needs no second channel to the origin:
//!
//! `/delay/N` answers after N seconds · `/silence` never · `/trickle-head` and
//! `/trickle-body` a byte each tenth of a second · `/reset` and `/close`
//! instead of answering · `/truncate` closes within the body · `/garbage` is no
//! HTTP · `/bytes/N` and `/chunked/N` bodies of N bytes · `/status/N` ·
//! `/echo` the request's body · anything else 200 with the path as body.

use std::io::{self, Write};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::message::Message;
use crate::recorder::After;

/// Pause between two trickled bytes.
const DRIP: Duration = Duration::from_millis(100);
/// Trickling and silence end by themselves after this.
const LONG: Duration = Duration::from_secs(60);

/// What to do with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    /// Answer 200 after a while.
    Delay(Duration),
    /// Hold the connection without a byte.
    Silence,
    /// Send the head bytewise.
    TrickleHead,
    /// Send the body bytewise.
    TrickleBody,
    /// Reset the connection.
    Reset,
    /// Close the connection.
    Close,
    /// Close within the body.
    Truncate,
    /// Send what is no HTTP.
    Garbage,
    /// Answer with a body of so many bytes.
    Bytes(usize),
    /// The same, in chunks, with a trailer.
    Chunked(usize),
    /// Answer with this status.
    Status(u16),
    /// Answer with the request's body.
    Echo,
    /// Answer with the path.
    Path,
}

impl Conduct {
    /// What the path of `request` asks for.
    #[must_use]
    pub fn asked_by(request: &Message) -> Self {
        let target = request.target();
        let path = target.split('?').next().unwrap_or_default();
        let mut segments = path.trim_start_matches('/').split('/');
        let (first, number) = (segments.next().unwrap_or_default(), segments.next());
        match (first, number.and_then(|n| n.parse().ok())) {
            ("delay", Some(seconds)) => Self::Delay(Duration::from_secs(seconds)),
            ("bytes", Some(length)) => Self::Bytes(length as usize),
            ("chunked", Some(length)) => Self::Chunked(length as usize),
            ("status", Some(status)) => Self::Status(status as u16),
            _ => Self::by_name(first),
        }
    }

    fn by_name(name: &str) -> Self {
        match name {
            "silence" => Self::Silence,
            "trickle-head" => Self::TrickleHead,
            "trickle-body" => Self::TrickleBody,
            "reset" => Self::Reset,
            "close" => Self::Close,
            "truncate" => Self::Truncate,
            "garbage" => Self::Garbage,
            "echo" => Self::Echo,
            _ => Self::Path,
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// When the other side is gone.
    pub fn perform(
        self,
        stream: &mut impl Write,
        request: &Message,
        stop: &Stop,
    ) -> io::Result<After> {
        match self {
            Self::Delay(time) => {
                stop.within(time);
                answer(stream, 200, b"late\n")
            }
            Self::Silence => {
                stop.within(LONG);
                Ok(After::Close)
            }
            Self::TrickleHead => trickle(stream, b"", &head(200, 0), stop),
            Self::TrickleBody => trickle(stream, &head(200, 10_000), &[b'.'; 10_000], stop),
            Self::Reset => Ok(After::Reset),
            Self::Close => Ok(After::Close),
            Self::Truncate => {
                stream.write_all(&head(200, 1000))?;
                stream.write_all(b"not a thousand bytes")?;
                Ok(After::Close)
            }
            Self::Garbage => {
                stream.write_all(b"\x16\x03 this is no HTTP\r\n\r\n")?;
                Ok(After::Close)
            }
            Self::Bytes(length) => answer(stream, 200, &vec![b'.'; length]),
            Self::Chunked(length) => chunks(stream, length),
            Self::Status(status) => answer(stream, status, b""),
            Self::Echo => answer(stream, 200, &request.body),
            Self::Path => answer(stream, 200, request.target().as_bytes()),
        }
    }
}

fn head(status: u16, length: usize) -> Vec<u8> {
    let text = "content-type: text/plain\r\nserver: recorder\r\nx-from-origin: yes";
    format!("HTTP/1.1 {status} Answer\r\n{text}\r\ncontent-length: {length}\r\n\r\n").into_bytes()
}

fn answer(stream: &mut impl Write, status: u16, body: &[u8]) -> io::Result<After> {
    stream.write_all(&head(status, body.len()))?;
    stream.write_all(body)?;
    Ok(After::KeepAlive)
}

fn chunks(stream: &mut impl Write, length: usize) -> io::Result<After> {
    stream.write_all(b"HTTP/1.1 200 Answer\r\ntransfer-encoding: chunked\r\n\r\n")?;
    for chunk in vec![b'.'; length].chunks(4096) {
        write!(stream, "{:x}\r\n", chunk.len())?;
        stream.write_all(chunk)?;
        stream.write_all(b"\r\n")?;
    }
    stream.write_all(b"0\r\nx-trailer: end\r\n\r\n")?;
    Ok(After::KeepAlive)
}

fn trickle(stream: &mut impl Write, at_once: &[u8], rest: &[u8], stop: &Stop) -> io::Result<After> {
    stream.write_all(at_once)?;
    for byte in rest {
        if stop.within(DRIP) {
            break;
        }
        stream.write_all(&[*byte])?;
        stream.flush()?;
    }
    Ok(After::KeepAlive)
}

/// Tells threads that wait that the test is over.
#[derive(Debug, Default)]
pub struct Stop {
    set: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Wakes everyone.
    pub fn now(&self) {
        *self.set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Whether it has been told.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for it, at most `time`; whether it came.
    pub fn within(&self, time: Duration) -> bool {
        let set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(set, time, |set| !*set);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
