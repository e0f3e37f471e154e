//! Bytes that come in pieces, as from a socket.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, ReadBuf};

/// Gives at most `piece` bytes at a time, and is never waited for.
#[derive(Debug)]
pub(crate) struct Pieces<'a> {
    pub(crate) left: &'a [u8],
    pub(crate) piece: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let most = self.piece.max(1).min(into.remaining()).min(self.left.len());
        let (now, later) = self.left.split_at(most);
        into.put_slice(now);
        self.left = later;
        Poll::Ready(Ok(()))
    }
}

/// What comes of something that waits for nothing.
pub(crate) fn at_once<T>(work: impl Future<Output = T>) -> T {
    let work = std::pin::pin!(work);
    match work.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits, and there is nothing to wait for"),
    }
}
