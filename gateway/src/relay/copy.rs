//! One direction of a relay.
//!
//! Bytes pass through a buffer that the thread lends while they move, so that a
//! relay in which nothing moves holds none. Only what the reader does not take
//! at once is kept, and no more is read before he has taken it. However a side
//! ends, what it said before goes out.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use policy::refusal::Failure;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is read at once: few system calls for a large body.
const ROOM: usize = 64 * 1024;
/// Reads in one turn, then others have theirs: TLS gives a record at a time, and
/// of records of one byte there may be thousands.
const TURN: u32 = 64;

thread_local! {
    static LENT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Copies what has been `read` already, and then to the end, which is told;
/// `moved` hears of what has been taken. The failures are those of the two sides.
pub(super) async fn copy(
    read: Vec<u8>,
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
    [reading, writing]: [Failure; 2],
    moved: impl Fn(usize),
) -> Result<(), Failure> {
    let mut copy = Copy {
        from,
        to,
        moved,
        kept: read,
        sent: 0,
        ended: None,
        reading,
        writing,
    };
    poll_fn(|cx| copy.poll(cx)).await?;
    // The other side may be gone already, and has then been told.
    let _ = poll_fn(|cx| Pin::new(&mut copy.to).poll_shutdown(cx)).await;
    Ok(())
}

struct Copy<R, W, M> {
    from: R,
    to: W,
    moved: M,
    /// Read, and not yet taken from `sent` on.
    kept: Vec<u8>,
    sent: usize,
    /// Nothing more will come, and whether that is as it should be.
    ended: Option<Result<(), Failure>>,
    reading: Failure,
    writing: Failure,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin, M: Fn(usize)> Copy<R, W, M> {
    /// Ready when all has been said and taken.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        for _ in 0..TURN {
            ready!(self.write_kept(cx))?;
            if let Some(ended) = self.ended {
                // Writes may have gathered on the way.
                let flushed = ready!(Pin::new(&mut self.to).poll_flush(cx));
                return Poll::Ready(ended.and(flushed.map_err(|_| self.writing)));
            }
            let mut room = LENT.try_with(Cell::take).unwrap_or_default();
            room.resize(ROOM, 0);
            let passed = self.pass(cx, &mut room);
            let _ = LENT.try_with(|lent| lent.set(room));
            match passed {
                Poll::Ready(Ok(0)) => self.ended = Some(Ok(())),
                Poll::Ready(Err(failure)) if failure == self.reading => {
                    self.ended = Some(Err(failure));
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(failure)) => return Poll::Ready(Err(failure)),
                Poll::Pending => {
                    // Nothing more to come for now: what was gathered goes out.
                    let flushed = Pin::new(&mut self.to).poll_flush(cx);
                    return match flushed {
                        Poll::Ready(Err(_)) => Poll::Ready(Err(self.writing)),
                        Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
                    };
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn write_kept(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        while self.sent < self.kept.len() {
            let rest = self.kept.get(self.sent..).unwrap_or_default();
            let written = write(&mut self.to, cx, rest);
            let written = ready!(written).map_err(|_| self.writing)?;
            self.sent += written;
            (self.moved)(written);
        }
        self.kept = Vec::new();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    /// Reads once and writes as much of it as is taken; gives what was read.
    fn pass(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<Result<usize, Failure>> {
        let mut read = ReadBuf::new(room);
        let reading = Pin::new(&mut self.from).poll_read(cx, &mut read);
        ready!(reading).map_err(|_| self.reading)?;
        let bytes = read.filled();
        let mut rest = bytes;
        while !rest.is_empty() {
            match write(&mut self.to, cx, rest) {
                Poll::Ready(Ok(written)) => {
                    (self.moved)(written);
                    rest = rest.get(written..).unwrap_or_default();
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Err(self.writing)),
                Poll::Pending => {
                    self.kept = rest.to_vec();
                    break;
                }
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }
}

/// As `poll_write`, of which nothing at all is an error.
fn write(
    to: &mut (impl AsyncWrite + Unpin),
    cx: &mut Context<'_>,
    bytes: &[u8],
) -> Poll<io::Result<usize>> {
    match ready!(Pin::new(to).poll_write(cx, bytes))? {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        written => Poll::Ready(Ok(written)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const FAILURES: [Failure; 2] = [Failure::ClientGone, Failure::Closed];

    #[tokio::test]
    async fn every_byte_passes_once_and_in_order_however_slow_the_reader() {
        let bytes: Vec<u8> = (0..300_000_u32).map(|i| (i % 251) as u8).collect();
        for (given, taken) in [(100_000, 7), (7, 100_000), (1, 1), (200_000, 200_000)] {
            let some = &bytes[..if taken == 1 { 5_000 } else { 300_000 }];
            let (mut source, from) = duplex(given);
            let (to, mut sink) = duplex(taken);
            let count = RefCell::new(0);
            let writing = async {
                source.write_all(some).await.unwrap();
                source.shutdown().await.unwrap();
            };
            let reading = async {
                let mut all = Vec::new();
                sink.read_to_end(&mut all).await.unwrap();
                all
            };
            let copying = copy(Vec::new(), from, to, FAILURES, |n| *count.borrow_mut() += n);
            let ((), copied, seen) = tokio::join!(writing, copying, reading);
            copied.unwrap();
            assert!(seen == some, "{given} {taken}");
            assert_eq!(count.take(), some.len());
        }
    }

    #[tokio::test]
    async fn whose_failure_it_was_is_told() {
        let (mut source, from) = duplex(64);
        let (to, sink) = duplex(64);
        drop(sink);
        source.write_all(b"x").await.unwrap();
        let copied = copy(Vec::new(), from, to, FAILURES, |_| {}).await;
        assert_eq!(copied, Err(Failure::Closed));
        let reset = broken();
        let (to, _sink) = duplex(64);
        assert_eq!(
            copy(Vec::new(), reset, to, FAILURES, |_| {}).await,
            Err(Failure::ClientGone)
        );
    }

    #[tokio::test]
    async fn what_was_said_before_an_end_or_a_break_goes_out() {
        for broken_off in [false, true] {
            let (to, mut sink) = duplex(64);
            // Above it writes gather until somebody flushes.
            let to = crate::socket::Gathered::new(to);
            let said = &b"last words"[..];
            let copied = match broken_off {
                true => copy(b"some ".into(), said.chain(broken()), to, FAILURES, |_| {}).await,
                false => copy(b"some ".into(), said, to, FAILURES, |_| {}).await,
            };
            assert_eq!(copied.is_err(), broken_off);
            let mut heard = Vec::new();
            sink.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, b"some last words");
        }
    }

    /// A reader that breaks off.
    fn broken() -> impl AsyncRead + Unpin {
        struct Broken;
        impl AsyncRead for Broken {
            fn poll_read(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
                _: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
        }
        Broken
    }
}
