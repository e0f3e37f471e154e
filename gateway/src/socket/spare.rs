//! Buffers that a thread lends to its connections and takes back when they are
//! empty: made once, cleared never, since nobody reads past what was filled.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::mem;
use std::task::{Poll, ready};

use tokio::io::ReadBuf;

thread_local! {
    static READ: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static WRITE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A buffer to read into, and what of it is not yet handed over.
pub(super) struct ReadBuffer {
    bytes: Vec<u8>,
    consumed: usize,
    filled: usize,
}

impl ReadBuffer {
    /// One TLS record and its head.
    pub(super) const SIZE: usize = 16 * 1024 + 512;

    /// The thread's own, or another where that is lent already.
    pub(super) fn take() -> Self {
        let mut bytes = READ.try_with(Cell::take).unwrap_or_default();
        bytes.resize(Self::SIZE, 0);
        Self {
            bytes,
            consumed: 0,
            filled: 0,
        }
    }

    pub(super) fn give_back(self) {
        // A thread that ends needs none.
        let _ = READ.try_with(|spare| spare.set(self.bytes));
    }

    pub(super) fn fill(
        &mut self,
        read: impl FnOnce(&mut ReadBuf<'_>) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        let mut room = ReadBuf::new(&mut self.bytes);
        ready!(read(&mut room))?;
        self.filled = room.filled().len();
        self.consumed = 0;
        Poll::Ready(Ok(()))
    }

    pub(super) fn hand_over(&mut self, out: &mut ReadBuf<'_>) {
        let rest = self.bytes.get(self.consumed..self.filled);
        let rest = rest.unwrap_or_default();
        let now = rest.get(..out.remaining()).unwrap_or(rest);
        out.put_slice(now);
        self.consumed += now.len();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.consumed >= self.filled
    }
}

/// Without the bytes: they are a caller's.
impl fmt::Debug for ReadBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = self.filled.saturating_sub(self.consumed);
        write!(f, "{left} bytes")
    }
}

/// Room to gather writes in: the thread's own, or new where that is lent.
pub(super) fn take_write() -> Vec<u8> {
    WRITE.try_with(Cell::take).unwrap_or_default()
}

/// Takes the room back, and leaves none.
pub(super) fn give_back_write(written: &mut Vec<u8>) {
    let mut room = mem::take(written);
    room.clear();
    let _ = WRITE.try_with(|spare| spare.set(room));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(bytes: &[u8]) -> ReadBuffer {
        let mut buffer = ReadBuffer::take();
        let read = buffer.fill(|room| {
            room.put_slice(bytes);
            Poll::Ready(Ok(()))
        });
        assert!(read.is_ready());
        buffer
    }

    fn handed(buffer: &mut ReadBuffer, size: usize) -> Vec<u8> {
        let mut out = vec![0; size];
        let mut out = ReadBuf::new(&mut out);
        buffer.hand_over(&mut out);
        out.filled().to_vec()
    }

    #[test]
    fn nothing_is_handed_over_but_what_was_filled() {
        let mut secret = filled(b"a secret of another connection");
        assert_eq!(handed(&mut secret, 8), b"a secret");
        secret.give_back();
        let mut buffer = filled(b"12345");
        assert_eq!(handed(&mut buffer, 2), b"12");
        assert!(!buffer.is_empty());
        assert_eq!(handed(&mut buffer, 100), b"345");
        assert!(buffer.is_empty());
        assert_eq!(handed(&mut buffer, 100), b"");
    }

    #[test]
    fn two_connections_never_share_a_buffer() {
        let mut one = filled(b"one");
        let mut other = filled(b"other");
        assert_eq!(handed(&mut one, 9), b"one");
        assert_eq!(handed(&mut other, 9), b"other");
        let mut room = take_write();
        room.extend_from_slice(b"written");
        assert!(take_write().is_empty());
        give_back_write(&mut room);
        assert!(room.is_empty() && take_write().is_empty());
    }
}
