//! HTTP/2 streams that never become requests.
//!
//! The library resets a stream with a malformed head by itself, answers one
//! whose fields are too large, and forgets those whose caller has left. It tells
//! nobody, so the frames are counted on their way: what was opened on the wire
//! and did not come up as a request was one of these.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use policy::refusal::Refusal;

use crate::socket::Observer;

/// `PRI * HTTP/2.0`, and what follows (RFC 9113, section 3.4).
const PREFACE: usize = 24;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const REFUSED_STREAM: u32 = 7;

/// Streams answered lately, of which a reset may follow.
const REMEMBERED: usize = 16;

/// What was seen on the wire of one connection.
#[derive(Debug, Default)]
struct Counts {
    opened: AtomicU32,
    /// Reset without an answer since the last look.
    reset: AtomicU32,
    /// More than may be open at once, which a caller may not know yet.
    too_many: AtomicU32,
    /// The library waits for the caller to read; it may have frames it did not
    /// look at yet.
    waits: AtomicBool,
}

/// Follows the frames of a connection.
#[derive(Debug)]
pub(crate) struct Frames {
    counts: Arc<Counts>,
    read: Walk,
    written: Walk,
    newest: u32,
    /// The newest stream's head has begun, and not ended.
    opening: bool,
    /// Streams above this are passed over in silence, as we have told.
    last: u32,
    ended: VecDeque<u32>,
}

/// Streams of a connection that did not come up as requests.
#[derive(Debug)]
pub(crate) struct Lost {
    counts: Arc<Counts>,
    known: u32,
}

/// Begins to follow a connection's frames.
pub(crate) fn follow() -> (Frames, Lost) {
    let counts = Arc::new(Counts::default());
    let frames = Frames {
        counts: Arc::clone(&counts),
        read: Walk::behind(PREFACE),
        written: Walk::behind(0),
        newest: 0,
        opening: false,
        last: u32::MAX,
        ended: VecDeque::new(),
    };
    (frames, Lost { counts, known: 0 })
}

/// What became of lost streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Losses {
    pub(crate) malformed: u32,
    pub(crate) too_large: u32,
    pub(crate) too_many: u32,
}

impl Losses {
    /// The refusal of each.
    pub(crate) fn refusals(self) -> impl Iterator<Item = Refusal> {
        let malformed = self.malformed + self.too_many;
        let too_large = (0..self.too_large).map(|_| Refusal::HeadTooLarge);
        too_large.chain((0..malformed).map(|_| Refusal::MalformedStream))
    }
}

impl Lost {
    /// A stream came up, as a request or as a refusal of its own.
    pub(crate) fn came_up(&mut self) {
        self.known = self.known.wrapping_add(1);
    }

    /// Those lost since the last time, if the library has looked at all it read.
    pub(crate) fn found(&mut self) -> Losses {
        if self.counts.waits.load(Ordering::Relaxed) {
            return Losses::default();
        }
        let lost = self.left();
        let of = |count: &AtomicU32, most: u32| count.swap(0, Ordering::Relaxed).min(most);
        let too_many = of(&self.counts.too_many, lost);
        let malformed = of(&self.counts.reset, lost - too_many);
        Losses {
            malformed,
            // What was not reset was answered: the library does so for one reason.
            too_large: lost - too_many - malformed,
            too_many,
        }
    }

    /// Those lost since the last time, now that the connection is over.
    pub(crate) fn left(&mut self) -> u32 {
        let opened = self.counts.opened.load(Ordering::Relaxed);
        let lost = opened.saturating_sub(self.known);
        self.known = self.known.max(opened);
        lost
    }
}

impl Observer for Frames {
    fn read(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while let Some(frame) = self.read.next(&mut rest) {
            self.received(frame);
        }
        Ok(())
    }

    fn written(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(frame) = self.written.next(&mut rest) {
            self.sent(frame);
        }
    }

    fn waits(&mut self, waits: bool) {
        self.counts.waits.store(waits, Ordering::Relaxed);
    }
}

impl Frames {
    fn received(&mut self, frame: Frame) {
        match frame.kind {
            HEADERS if frame.stream > self.newest && frame.stream <= self.last => {
                self.newest = frame.stream;
                self.opening = true;
            }
            CONTINUATION => {}
            _ => return,
        }
        if self.opening && frame.flags & END_HEADERS != 0 {
            self.opening = false;
            self.counts.opened.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn sent(&mut self, frame: Frame) {
        match (frame.kind, frame.word) {
            (HEADERS, _) if frame.flags & END_STREAM != 0 => {
                self.ended.truncate(REMEMBERED - 1);
                self.ended.push_front(frame.stream);
            }
            (RST_STREAM, REFUSED_STREAM) => {
                self.counts.too_many.fetch_add(1, Ordering::Relaxed);
            }
            (RST_STREAM, _) if !self.ended.contains(&frame.stream) => {
                self.counts.reset.fetch_add(1, Ordering::Relaxed);
            }
            (GOAWAY, last) => self.last = last,
            _ => {}
        }
    }
}

/// A frame that has passed as a whole.
#[derive(Clone, Copy, Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    /// The payload's first four bytes.
    word: u32,
}

/// From frame to frame.
#[derive(Debug)]
struct Walk {
    head: [u8; 9],
    word: [u8; 4],
    /// Bytes of the frame that have passed.
    passed: usize,
    /// Bytes before the first frame.
    before: usize,
}

impl Walk {
    fn behind(before: usize) -> Self {
        Self {
            head: [0; 9],
            word: [0; 4],
            passed: 0,
            before,
        }
    }

    /// Passes over bytes up to the end of a frame.
    fn next(&mut self, rest: &mut &[u8]) -> Option<Frame> {
        self.before -= skip(rest, self.before);
        if rest.is_empty() {
            return None;
        }
        let head = self.head.len();
        if let Some(missing) = self.head.get_mut(self.passed..) {
            self.passed += fill(missing, rest);
        }
        if self.passed < head {
            return None;
        }
        let [a, b, c, kind, flags, w, x, y, z] = self.head;
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?;
        if let Some(missing) = self.word.get_mut(self.passed - head..) {
            let here = missing.len().min(length.saturating_sub(self.passed - head));
            self.passed += fill(missing.get_mut(..here).unwrap_or_default(), rest);
        }
        self.passed += skip(rest, (head + length).saturating_sub(self.passed));
        if self.passed < head + length {
            return None;
        }
        let word = if length < 4 {
            0
        } else {
            u32::from_be_bytes(self.word)
        };
        self.passed = 0;
        Some(Frame {
            kind,
            flags,
            stream: u32::from_be_bytes([w & 0x7f, x, y, z]),
            word,
        })
    }
}

/// Copies what is missing, as far as there is any; how much.
fn fill(missing: &mut [u8], rest: &mut &[u8]) -> usize {
    let here = missing.len().min(rest.len());
    if let (Some(to), Some((from, after))) = (missing.get_mut(..here), rest.split_at_checked(here))
    {
        to.copy_from_slice(from);
        *rest = after;
    }
    here
}

/// Leaves out as many bytes, as far as there are any; how many.
fn skip(rest: &mut &[u8], count: usize) -> usize {
    let here = count.min(rest.len());
    *rest = rest.get(here..).unwrap_or_default();
    here
}

#[cfg(test)]
#[path = "streams_tests.rs"]
mod tests;
