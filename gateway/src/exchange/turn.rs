//! No exchange has a thread to itself, and no piece of a body is made smaller
//! work than it is worth.
//!
//! A task whose connections always have something for it never waits by itself.
//! Callers who sent bodies in TLS records of one byte had us write as many to the
//! upstream, for as long as bytes came: four hundred of them held up a good caller
//! for ten seconds. So small pieces that are there already go up as one, and after
//! a while of work everybody else has his turn.

use bytes::{Bytes, BytesMut};
use pingora_core::protocols::http::server::Session;

use crate::relay::{after_the_others, now};

/// Smaller pieces gather while more are there.
const SMALL: usize = 2 * 1024;
/// How much of them.
const ENOUGH: usize = 16 * 1024;
/// What moves in one turn; it takes some hundred microseconds.
const TURN: usize = 128 * 1024;
/// A piece of less costs as much as this.
const PIECE: usize = 512;

/// What an exchange has moved since others had their turn.
#[derive(Debug, Default)]
pub(super) struct Turn {
    moved: usize,
}

impl Turn {
    /// So many bytes came, in so many pieces.
    pub(super) fn moved(&mut self, bytes: usize, pieces: usize) {
        let cost = bytes.max(pieces.saturating_mul(PIECE));
        self.moved = self.moved.saturating_add(cost);
    }

    /// Lets others have their turn if this one has been long enough.
    pub(super) async fn end_in_time(&mut self) {
        if self.moved >= TURN {
            self.moved = 0;
            after_the_others().await;
        }
    }
}

/// A piece of the caller's body, and of those behind it what is there, as long as
/// they are small; and how many they were. Never waits.
///
/// # Errors
/// When the body breaks off.
pub(super) async fn gather(
    session: &mut Session,
    first: Bytes,
) -> pingora_error::Result<(Bytes, usize)> {
    if first.len() >= SMALL || session.is_body_done() {
        return Ok((first, 1));
    }
    // Its end is found again by whoever asks next.
    let Some(second) = more(session).await? else {
        return Ok((first, 1));
    };
    let mut all = BytesMut::with_capacity(2 * SMALL);
    all.extend_from_slice(&first);
    all.extend_from_slice(&second);
    let mut pieces = 2;
    while all.len() < ENOUGH && pieces < TURN / PIECE && !session.is_body_done() {
        let Some(next) = more(session).await? else {
            break;
        };
        all.extend_from_slice(&next);
        pieces += 1;
    }
    Ok((all.freeze(), pieces))
}

/// The next piece, if it is there.
async fn more(session: &mut Session) -> pingora_error::Result<Option<Bytes>> {
    let next = now(session.read_body_or_idle(false)).await;
    next.transpose().map(Option::flatten)
}
