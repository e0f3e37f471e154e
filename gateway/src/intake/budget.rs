//! How much an HTTP/2 caller may have us do that is no request and no body.
//!
//! Control frames have a budget for each second, and earn more by what is done
//! on the connection: every stream opened, every piece of an answer we send. So
//! a busy connection, with all the window updates, pings and priorities of its
//! streams, never meets its end, and what a flood costs us stays in proportion
//! to what it costs the caller.
//!
//! Of resets, those are counted that end a stream in its first second or so: who
//! waits longer for an answer and gives up has done nothing wrong, even if all
//! callers of a silent origin do so at once.

use std::time::{Duration, Instant};

use conf::snapshot::Limits;
use policy::refusal::Refusal;

use super::frames::{CONTINUATION, DATA, END_STREAM, Frame, HEADERS, RST_STREAM};

/// What a stream earns: its priority, its window, a ping and its end.
const FOR_STREAM: u32 = 4;
/// What a frame of an answer earns: two windows, the stream's and the
/// connection's, and a ping by which the caller measures the way.
const FOR_DATA: u32 = 3;
/// What its size earns: callers give back windows piece by piece as they read.
const FOR_KIB: u32 = 1;
/// No more is saved up: a caller has at most this to spend at once.
const SAVINGS: u32 = 1 << 20;

/// So many early resets are looked at together.
const RESETS_WITHIN: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Budget {
    control_frames: u32,
    left: u32,
    earned: u32,
    filled: Instant,
    early_resets: u32,
    reset: u32,
    served: u32,
    counting_since: Instant,
    ages: Ages,
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        let now = Instant::now();
        Self {
            control_frames: limits.control_frames,
            left: limits.control_frames,
            earned: 0,
            filled: now,
            early_resets: limits.early_resets,
            reset: 0,
            served: 0,
            counting_since: now,
            ages: Ages::new(now),
        }
    }

    /// Counts a frame of the caller's.
    ///
    /// # Errors
    /// When it is one too many.
    pub(super) fn received(&mut self, frame: Frame) -> Result<(), Refusal> {
        match frame.kind {
            HEADERS | CONTINUATION => return Ok(()),
            DATA if frame.length > 0 || frame.flags & END_STREAM != 0 => return Ok(()),
            RST_STREAM => self.count_reset(frame.stream, Instant::now())?,
            _ => {}
        }
        self.spend(Instant::now)
    }

    /// A stream has begun.
    pub(super) fn opened(&mut self, stream: u32) {
        self.ages.opened(stream, Instant::now());
        self.earn(FOR_STREAM);
    }

    /// Counts a frame of ours.
    pub(super) fn sent(&mut self, frame: Frame) {
        if frame.kind == DATA {
            self.earn(FOR_DATA + frame.length / 1024 * FOR_KIB);
        }
        if matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0 {
            self.served = self.served.saturating_add(1);
        }
    }

    fn earn(&mut self, frames: u32) {
        self.earned = self.earned.saturating_add(frames).min(SAVINGS);
    }

    fn spend(&mut self, now: impl Fn() -> Instant) -> Result<(), Refusal> {
        let purse = match (self.earned, self.left) {
            (1.., _) => &mut self.earned,
            (0, 1..) => &mut self.left,
            (0, 0) => {
                let now = now();
                if now.saturating_duration_since(self.filled) < SECOND {
                    return Err(Refusal::FrameFlood);
                }
                self.filled = now;
                self.left = self.control_frames;
                &mut self.left
            }
        };
        *purse = purse.saturating_sub(1);
        Ok(())
    }

    /// Resets beyond the bound are looked at as one: whether they came in a
    /// short time, and outnumber the streams that were served in it.
    fn count_reset(&mut self, stream: u32, now: Instant) -> Result<(), Refusal> {
        if self.ages.is_old(stream, now) {
            return Ok(());
        }
        self.reset = self.reset.saturating_add(1);
        if self.reset <= self.early_resets {
            return Ok(());
        }
        let quick = now.saturating_duration_since(self.counting_since) < RESETS_WITHIN;
        if quick && self.served < self.reset {
            return Err(Refusal::ResetFlood);
        }
        self.counting_since = now;
        (self.reset, self.served) = (0, 0);
        Ok(())
    }
}

/// Which streams have been open for a second: of a few, when they were opened;
/// of the others, that they are older than one of these.
#[derive(Debug)]
struct Ages {
    /// The newest stream, and one at least a second older, and another.
    opened: [(u32, Instant); 3],
}

impl Ages {
    fn new(now: Instant) -> Self {
        Self {
            opened: [(0, now); 3],
        }
    }

    fn opened(&mut self, stream: u32, now: Instant) {
        let [newest, older, oldest] = self.opened;
        self.opened = if newest.1.saturating_duration_since(older.1) >= SECOND
            || now.saturating_duration_since(newest.1) >= SECOND
        {
            [(stream, now), newest, older]
        } else {
            [(stream, now), older, oldest]
        };
    }

    fn is_old(&self, stream: u32, now: Instant) -> bool {
        self.opened.iter().any(|(known, opened)| {
            stream <= *known && now.saturating_duration_since(*opened) >= SECOND
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: u8 = 6;
    const WINDOW_UPDATE: u8 = 8;

    fn frame(kind: u8, flags: u8, length: u32) -> Frame {
        Frame {
            kind,
            flags,
            stream: 1,
            length,
            word: 0,
        }
    }

    fn budget() -> Budget {
        Budget::new(&Limits {
            control_frames: 100,
            early_resets: 20,
            ..Limits::default()
        })
    }

    /// How many of these it takes until one is too many.
    fn until_refused(budget: &mut Budget, frame: Frame) -> (usize, Option<Refusal>) {
        let refusal = (0..10_000).find_map(|n| Some((n, budget.received(frame).err()?)));
        refusal.map_or((10_000, None), |(n, refusal)| (n, Some(refusal)))
    }

    #[test]
    fn what_is_no_request_and_no_body_is_counted() {
        let flood = Some(Refusal::FrameFlood);
        for (kind, flags, length) in [
            (PING, 0, 8),
            (4, 0, 0),
            (2, 0, 5),
            (WINDOW_UPDATE, 0, 4),
            (DATA, 0, 0),
            (16, 0, 9),
        ] {
            let frame = frame(kind, flags, length);
            assert_eq!(until_refused(&mut budget(), frame), (100, flood), "{kind}");
        }
        for (kind, flags, length) in [
            (HEADERS, 0, 9),
            (CONTINUATION, 0, 9),
            (DATA, 0, 1),
            (DATA, END_STREAM, 0),
        ] {
            let frame = frame(kind, flags, length);
            assert_eq!(until_refused(&mut budget(), frame), (10_000, None));
        }
    }

    #[test]
    fn streams_and_answers_earn_what_belongs_to_them() {
        let mut budget = budget();
        budget.opened(1);
        budget.sent(frame(DATA, 0, 16 * 1024));
        budget.sent(frame(DATA, 0, 10));
        let expected = 100 + 4 + (3 + 16) + 3;
        let windows = frame(WINDOW_UPDATE, 0, 4);
        assert_eq!(until_refused(&mut budget, windows).0, expected);
        (0..1_000_000).for_each(|_| budget.sent(frame(DATA, 0, 16 * 1024)));
        assert_eq!(budget.earned, SAVINGS);
    }

    #[test]
    fn a_second_fills_the_budget_and_saves_nothing_up() {
        let mut budget = budget();
        let begun = budget.filled;
        let at = |millis| move || begun + Duration::from_millis(millis);
        (0..100).for_each(|_| budget.spend(at(0)).unwrap());
        assert!(budget.spend(at(999)).is_err());
        (0..100).for_each(|_| budget.spend(at(60_000)).unwrap());
        assert!(budget.spend(at(60_500)).is_err());
    }

    #[test]
    fn resets_are_a_flood_when_they_are_quick_and_outnumber_what_was_served() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut newest = 0;
        let mut resets = |budget: &mut Budget, seconds| {
            (0..21).try_for_each(|_| {
                newest += 2;
                budget.ages.opened(newest, at(seconds));
                budget.count_reset(newest, at(seconds))
            })
        };
        let mut hostile = budget();
        assert_eq!(resets(&mut hostile, 1), Err(Refusal::ResetFlood));
        let mut slow = budget();
        assert_eq!(resets(&mut slow, 11), Ok(()));
        assert_eq!(resets(&mut slow, 22), Ok(()));
        assert_eq!(resets(&mut slow, 23), Err(Refusal::ResetFlood));
        let mut busy = budget();
        (0..21).for_each(|_| busy.sent(frame(HEADERS, END_STREAM, 5)));
        assert_eq!(resets(&mut busy, 1), Ok(()));
        // What was served before does not excuse what comes after.
        assert_eq!(resets(&mut busy, 2), Err(Refusal::ResetFlood));
    }
    #[test]
    fn streams_that_had_their_time_are_not_reset_early() {
        let begun = Instant::now();
        let at = |millis| begun + Duration::from_millis(millis);
        let mut ages = Ages::new(begun);
        // A stream each tenth of a second, for a minute.
        for n in 1..600 {
            let now = at(100 * n);
            let stream = 2 * n as u32 + 1;
            ages.opened(stream, now);
            for tenths in 0..n {
                let old = ages.is_old(stream - 2 * tenths as u32, now);
                match tenths {
                    0..10 => assert!(!old, "{tenths} tenths at {n}"),
                    // As near as marks can tell.
                    10..22 => {}
                    _ => assert!(old, "{tenths} tenths at {n}"),
                }
            }
        }
        // Without others to tell the time by.
        let mut ages = Ages::new(begun);
        ages.opened(1, at(0));
        ages.opened(3, at(500));
        assert!(!ages.is_old(3, at(1400)) && ages.is_old(3, at(1500)));
        ages.opened(5, at(9000));
        assert!(ages.is_old(3, at(9001)) && !ages.is_old(5, at(9001)));
    }
}
