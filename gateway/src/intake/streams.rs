//! HTTP/2 streams that never become requests, callers who send what is none,
//! and callers who do not read.
//!
//! The library resets a stream with a malformed head by itself, answers one
//! whose fields are too large, and forgets those whose caller has left. It tells
//! nobody, so the frames are counted on their way: what was opened on the wire
//! and did not come up as a request was one of these. Control frames it answers
//! without end; here they have a [`Budget`].

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use conf::snapshot::Limits;
use policy::refusal::Refusal;

use super::budget::Budget;
use super::frames::{
    CONTINUATION, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, RST_STREAM, Walk,
};

use crate::socket::Observer;

/// `PRI * HTTP/2.0`, and what follows (RFC 9113, section 3.4).
const PREFACE: usize = 24;

const REFUSED_STREAM: u32 = 7;

/// Streams answered lately, of which a reset may follow.
const REMEMBERED: usize = 16;

/// Heads read in one turn. The library looks at all there is to read before it tells
/// of any: megabytes of heads too large to be taken held up a thread for a tenth of a
/// second each time, and were counted only then.
const TURN: u32 = 16;

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
    /// Twice the heads that have ended; odd while one has begun and not ended.
    heads: AtomicU32,
    /// Changes with all that is written.
    writes: AtomicU32,
    /// Of the two floods, which.
    frame_flood: AtomicBool,
    reset_flood: AtomicBool,
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
    /// Heads and trailers that have ended, and whether one has not.
    heads: u32,
    within_head: bool,
    /// Of these, those of this turn.
    in_turn: u32,
    budget: Budget,
    /// The budget is spent: nothing more is read.
    flooded: bool,
}

/// What the library does not tell of a connection.
#[derive(Debug)]
pub(crate) struct Untold {
    counts: Arc<Counts>,
    known: u32,
    /// Of those refused as too many, the ones that we refuse by ourselves.
    turned_away: u32,
    heads: u32,
    writes: u32,
}

/// Begins to follow a connection's frames.
pub(crate) fn follow(limits: &Limits) -> (Frames, Untold) {
    let counts = Arc::new(Counts::default());
    let frames = Frames {
        counts: Arc::clone(&counts),
        read: Walk::behind(PREFACE),
        written: Walk::behind(0),
        newest: 0,
        opening: false,
        last: u32::MAX,
        ended: VecDeque::new(),
        heads: 0,
        within_head: false,
        in_turn: 0,
        budget: Budget::new(limits),
        flooded: false,
    };
    let untold = Untold {
        counts,
        known: 0,
        turned_away: 0,
        heads: 0,
        writes: 0,
    };
    (frames, untold)
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

impl Untold {
    /// Which flood has come, if one has.
    pub(crate) fn flood(&self) -> Option<Refusal> {
        let is = |flood: &AtomicBool| flood.load(Ordering::Relaxed);
        let frames = is(&self.counts.frame_flood).then_some(Refusal::FrameFlood);
        frames.or(is(&self.counts.reset_flood).then_some(Refusal::ResetFlood))
    }

    /// Whether a head that had begun when this was last asked has not ended.
    pub(crate) fn has_slow_head(&mut self) -> bool {
        let heads = self.counts.heads.load(Ordering::Relaxed);
        let before = std::mem::replace(&mut self.heads, heads);
        before == heads && heads % 2 == 1
    }

    /// Whether the caller has taken nothing of what waits for him since the
    /// last time this was asked.
    pub(crate) fn has_stopped_reading(&mut self) -> bool {
        let writes = self.counts.writes.load(Ordering::Relaxed);
        let before = std::mem::replace(&mut self.writes, writes);
        before == writes && self.counts.waits.load(Ordering::Relaxed)
    }

    /// A stream came up, as a request or as a refusal of its own.
    pub(crate) fn came_up(&mut self) {
        self.known = self.known.wrapping_add(1);
    }

    /// One that came up is refused as one too many, which is recorded elsewhere.
    pub(crate) fn turned_away(&mut self) {
        self.turned_away = self.turned_away.saturating_add(1);
    }

    /// Those lost since the last time, if the library has looked at all it read.
    pub(crate) fn found(&mut self) -> Losses {
        if self.counts.waits.load(Ordering::Relaxed) {
            return Losses::default();
        }
        let lost = self.left();
        let of = |count: &AtomicU32, most: u32| count.swap(0, Ordering::Relaxed).min(most);
        let refused = of(&self.counts.too_many, u32::MAX);
        let ours = refused.min(self.turned_away);
        self.turned_away -= ours;
        let too_many = (refused - ours).min(lost);
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
        let begun = matches!(self.read.begun(), Some(HEADERS | CONTINUATION));
        let unfinished = u32::from(self.within_head || begun);
        self.counts
            .heads
            .store(self.heads.wrapping_mul(2) | unfinished, Ordering::Relaxed);
        Ok(())
    }

    fn written(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(frame) = self.written.next(&mut rest) {
            self.budget.sent(frame);
            self.sent(frame);
        }
        self.counts.writes.fetch_add(1, Ordering::Relaxed);
    }

    fn waits(&mut self, waits: bool) {
        self.counts.waits.store(waits, Ordering::Relaxed);
    }

    fn has_enough(&self) -> bool {
        self.flooded
    }

    fn ends_turn(&mut self) -> bool {
        let ends = self.in_turn >= TURN;
        self.in_turn = if ends { 0 } else { self.in_turn };
        ends
    }
}

impl Frames {
    fn received(&mut self, frame: Frame) {
        if let Err(refusal) = self.budget.received(frame) {
            self.flooded = true;
            let flood = match refusal {
                Refusal::ResetFlood => &self.counts.reset_flood,
                _ => &self.counts.frame_flood,
            };
            flood.store(true, Ordering::Relaxed);
        }
        if matches!(frame.kind, HEADERS | CONTINUATION) {
            let ended = frame.flags & END_HEADERS != 0;
            self.within_head = !ended;
            self.heads = self.heads.wrapping_add(ended.into());
            self.in_turn = self.in_turn.saturating_add(ended.into());
        }
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
            self.budget.opened(frame.stream);
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

#[cfg(test)]
#[path = "streams_tests.rs"]
mod tests;
