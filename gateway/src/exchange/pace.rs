//! How slowly a caller may send his body.
//!
//! Only the time he is waited for counts, not the time the upstream takes what
//! he has sent. A pause ends after `bodyIdleTimeout`; and over each such time
//! of waiting `bodyRate` must have been kept, so that a body that trickles in
//! is no way around it.
//!
//! Streams of gRPC stand idle for good reasons, for as long as the caller has
//! nothing to say. They can be told from slow ones, since their messages have
//! lengths: between two messages a stream may pause like a connection between
//! two requests, for `idleTimeout`; within a message the rules are those above.

use std::time::Duration;

use conf::snapshot::Limits;
use policy::refusal::Refusal;
use tokio::time::Instant;

/// See the module.
#[derive(Debug)]
pub(super) struct Pace {
    pause: Duration,
    /// Bytes that must come within `pause`; 0: any.
    least: u64,
    between_messages: Duration,
    messages: Option<Messages>,
    /// Since when the next piece is waited for.
    waiting: Option<Instant>,
    /// Of the present measure: waited for pieces that have come, and their size.
    waited: Duration,
    came: u64,
}

impl Pace {
    pub(super) fn new(limits: &Limits, is_grpc: bool) -> Self {
        let seconds = limits.body_idle_timeout.as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rate and a time of an operator's, whose product need not be exact"
        )]
        let least = (limits.body_rate as f64 * seconds) as u64;
        Self {
            pause: limits.body_idle_timeout,
            least,
            between_messages: limits.idle_timeout,
            messages: is_grpc.then(Messages::default),
            waiting: None,
            waited: Duration::ZERO,
            came: 0,
        }
    }

    /// The next piece is waited for from now on, or has been for a while; until
    /// when, and what it means if it has not come then.
    pub(super) fn wait(&mut self, now: Instant) -> (Instant, Refusal) {
        let since = *self.waiting.get_or_insert(now);
        if self.messages.is_some_and(Messages::is_between) {
            return (since + self.between_messages, Refusal::BodyTimeout);
        }
        let left = match self.least {
            0 => self.pause,
            _ => self.pause.saturating_sub(self.waited),
        };
        // Most of the time in silence is a stop; what comes in between, slowness.
        let refusal = if left >= self.pause / 2 {
            Refusal::BodyTimeout
        } else {
            Refusal::BodyTooSlow
        };
        (since + left, refusal)
    }

    /// A piece has come.
    pub(super) fn came(&mut self, piece: &[u8], now: Instant) {
        let since = self.waiting.take().unwrap_or(now);
        let idle = self.messages.is_some_and(Messages::is_between);
        if let Some(messages) = &mut self.messages {
            messages.pass(piece);
        }
        let size = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.came = self.came.saturating_add(size);
        if !idle {
            self.waited += now.saturating_duration_since(since);
        }
        // What was due has come: a new measure begins.
        if self.came >= self.least || self.messages.is_some_and(Messages::is_between) {
            (self.came, self.waited) = (0, Duration::ZERO);
        }
    }
}

/// Where in the messages of a gRPC body we are: each has a flag, its length in
/// four bytes, and as many bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Messages {
    prefix: [u8; 5],
    /// How much of the prefix has come.
    known: usize,
    /// How much of the message is to come.
    missing: usize,
}

impl Messages {
    fn is_between(self) -> bool {
        self.known == 0 && self.missing == 0
    }

    fn pass(&mut self, mut piece: &[u8]) {
        while let Some((first, rest)) = piece.split_first() {
            if self.missing > 0 {
                let here = self.missing.min(piece.len());
                self.missing -= here;
                piece = piece.get(here..).unwrap_or_default();
                continue;
            }
            if let Some(byte) = self.prefix.get_mut(self.known) {
                *byte = *first;
            }
            piece = rest;
            self.known += 1;
            if self.known == self.prefix.len() {
                let [_, a, b, c, d] = self.prefix;
                let length = u32::from_be_bytes([a, b, c, d]);
                self.missing = usize::try_from(length).unwrap_or(usize::MAX);
                self.known = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// At most ten seconds of waiting, and 100 bytes in them.
    fn limits() -> Limits {
        Limits {
            body_idle_timeout: 10 * SECOND,
            body_rate: 10,
            idle_timeout: 1000 * SECOND,
            ..Limits::default()
        }
    }

    /// Sends pieces, each after a while; what is waited for last, and how long.
    fn sent(pace: &mut Pace, pieces: &[(u32, &[u8])]) -> (Duration, Refusal) {
        let mut now = Instant::now();
        for (after, piece) in pieces {
            let (until, refusal) = pace.wait(now);
            now += *after * SECOND;
            assert!(until >= now, "{refusal:?} before {piece:?}");
            pace.came(piece, now);
        }
        let (until, refusal) = pace.wait(now);
        (until - now, refusal)
    }

    #[test]
    fn a_pause_is_bounded_and_so_is_a_trickle() {
        let mut pace = Pace::new(&limits(), false);
        let due = sent(&mut pace, &[]);
        assert_eq!(due, (10 * SECOND, Refusal::BodyTimeout));
        let mut pace = Pace::new(&limits(), false);
        let due = sent(&mut pace, &[(4, &[0; 9]), (3, &[0; 90])]);
        assert_eq!(due, (3 * SECOND, Refusal::BodyTooSlow));
        // The hundredth byte: what was due has come.
        let due = sent(&mut pace, &[(1, b"0")]);
        assert_eq!(due, (10 * SECOND, Refusal::BodyTimeout));
        // What came at once earns nothing for later.
        let due = sent(&mut pace, &[(0, &[0; 100_000]), (9, b"0")]);
        assert_eq!(due, (SECOND, Refusal::BodyTooSlow));
    }

    #[test]
    fn time_the_upstream_takes_is_not_the_callers() {
        let mut pace = Pace::new(&limits(), false);
        let now = Instant::now();
        pace.wait(now);
        pace.came(b"0", now + 9 * SECOND);
        let later = now + 500 * SECOND;
        assert_eq!(pace.wait(later).0, later + SECOND);
    }

    #[test]
    fn looking_again_does_not_begin_anew() {
        let mut pace = Pace::new(&limits(), false);
        let now = Instant::now();
        let until = pace.wait(now);
        assert_eq!(pace.wait(now + 5 * SECOND), until);
    }

    #[test]
    fn without_a_rate_a_trickle_may_go_on() {
        let unbounded = Limits {
            body_rate: 0,
            ..limits()
        };
        let mut pace = Pace::new(&unbounded, false);
        let trickle = [(9, &b"0"[..]); 50];
        let due = sent(&mut pace, &trickle);
        assert_eq!(due, (10 * SECOND, Refusal::BodyTimeout));
    }

    #[test]
    fn between_messages_of_grpc_is_no_slowness_and_within_them_is() {
        let mut pace = Pace::new(&limits(), true);
        let whole = [(900, &b"\0\0\0\0\x03abc"[..]); 3];
        let idle = (1000 * SECOND, Refusal::BodyTimeout);
        assert_eq!(sent(&mut pace, &whole), idle);
        // Two messages in pieces: the second has begun.
        let due = sent(&mut pace, &[(0, b"\0\0\0"), (1, b"\0\x01z\0\0")]);
        assert_eq!(due, (9 * SECOND, Refusal::BodyTimeout));
        let due = sent(&mut pace, &[(1, b"\0\0\x02"), (1, b"a"), (1, b"b")]);
        assert_eq!(due, idle);
        let due = sent(&mut pace, &[(900, b"\0\0\0\x01\0"), (0, &[0; 200])]);
        assert_eq!(due, (10 * SECOND, Refusal::BodyTimeout));
    }
}
