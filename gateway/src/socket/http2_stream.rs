//! The bytes of one HTTP/2 stream, as if it were a connection.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use pingora_core::protocols::http::v2::server::HttpSession;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Presence, Writing};

/// See the module. Dropped before its end, the stream is reset.
pub(crate) struct Http2Stream {
    reading: HttpSession,
    writing: Writing,
    /// What has come and was not taken yet.
    read: Bytes,
    ended: bool,
}

impl fmt::Debug for Http2Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2Stream").finish_non_exhaustive()
    }
}

impl Http2Stream {
    /// What follows the head of an answer that has been sent; `None`: none has.
    pub(crate) fn new(mut session: HttpSession) -> Option<Self> {
        Some(Self {
            writing: session.take_response_body_writer()?.into(),
            reading: session,
            read: Bytes::new(),
            ended: false,
        })
    }

    /// By which is told whether the caller is still there.
    pub(crate) fn presence(&self) -> Presence {
        Presence::Stream(self.writing.clone())
    }
}

impl AsyncRead for Http2Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.read.is_empty() {
            match ready!(self.reading.poll_read_body_bytes(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(data) => self.read = data.map_err(io::Error::other)?,
            }
        }
        let taken = self.read.len().min(out.remaining());
        out.put_slice(self.read.get(..taken).unwrap_or_default());
        self.read.advance(taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Http2Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writing.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::replace(&mut self.ended, true) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(self.writing.end())
    }
}
