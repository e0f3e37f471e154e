//! A TCP connection as Pingora's sessions want it, with a small buffer to read
//! into.
//!
//! BoringSSL reads every TLS record in two pieces; without a buffer each piece
//! is a system call. The buffer is lent by the thread and exists only while it
//! holds something, so that an idle connection costs next to nothing. Writes
//! gather above TLS, in [`Gathered`].

mod gathered;
mod http2_stream;
mod observed;
mod plain;
mod presence;
mod spare;
mod writing;

use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

pub(crate) use gathered::Gathered;
pub(crate) use http2_stream::Http2Stream;
pub(crate) use observed::{Observed, Observer};
pub(crate) use plain::Plain;
pub(crate) use presence::{Caller, Presence};
use spare::ReadBuffer;
pub(crate) use writing::{Writing, broken};

/// See the module.
#[derive(Debug)]
pub(crate) struct Socket {
    tcp: TcpStream,
    digest: Arc<SocketDigest>,
    read: Option<ReadBuffer>,
    _kept: Option<Kept>,
}

/// What lives as long as a socket: a place among those that may be open.
struct Kept(#[expect(dead_code, reason = "only its end matters")] Box<dyn Send + Sync>);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

impl Socket {
    /// Wraps a connected stream; small packets go out at once.
    ///
    /// # Errors
    /// When the socket is already gone.
    pub(crate) fn new(tcp: TcpStream) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        let digest = Arc::new(SocketDigest::from_raw_fd(tcp.as_raw_fd()));
        Ok(Self {
            tcp,
            digest,
            read: None,
            _kept: None,
        })
    }

    /// The same, which drops `kept` when it is closed.
    pub(crate) fn keeping(self, kept: impl Send + Sync + 'static) -> Self {
        let _kept = Some(Kept(Box::new(kept)));
        Self { _kept, ..self }
    }

    /// The first byte that comes, left where it is; `None`: none will come.
    pub(crate) async fn first_byte(&self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        let seen = self.tcp.peek(&mut byte).await?;
        Ok(byte.first().copied().filter(|_| seen > 0))
    }

    /// The connection itself. Nothing may have been read or written yet but by
    /// [`Socket::first_byte`].
    pub(crate) fn into_tcp(self) -> TcpStream {
        self.tcp
    }

    /// Reads as much as there is, into a buffer of the thread's.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<ReadBuffer>> {
        let mut buffer = ReadBuffer::take();
        // Tokio remembers that less came than there was room for: then the
        // socket is empty, and nobody asks it again before it says otherwise.
        let read = buffer.fill(|room| Pin::new(&mut self.tcp).poll_read(cx, room));
        match read {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(buffer)),
            Poll::Ready(Err(error)) => {
                buffer.give_back();
                Poll::Ready(Err(error))
            }
            Poll::Pending => {
                buffer.give_back();
                Poll::Pending
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut buffer = match self.read.take() {
            Some(buffer) => buffer,
            None if out.remaining() >= ReadBuffer::SIZE => {
                return Pin::new(&mut self.tcp).poll_read(cx, out);
            }
            None => ready!(self.fill(cx))?,
        };
        buffer.hand_over(out);
        if buffer.is_empty() {
            buffer.give_back();
        } else {
            self.read = Some(buffer);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Socket {
    async fn shutdown(&mut self) {
        // The peer may be gone already; there is nobody to tell.
        let _ = AsyncWriteExt::shutdown(self).await;
    }
}

impl UniqueID for Socket {
    fn id(&self) -> UniqueIDType {
        self.tcp.as_raw_fd()
    }
}

impl Ssl for Socket {}

impl GetTimingDigest for Socket {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Socket {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Socket {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.digest))
    }
}

impl Peek for Socket {}
