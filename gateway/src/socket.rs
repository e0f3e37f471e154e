//! A TCP connection with two small buffers, as Pingora's sessions want it.
//!
//! BoringSSL reads every TLS record in two pieces and writes it in one; without
//! a buffer each piece is a system call. The read buffer exists only while it
//! holds something, so that an idle connection costs next to nothing; writes
//! gather until a flush, or until there is nothing to do but wait for input.

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

/// One TLS record and its head.
const READ_BUFFER: usize = 16 * 1024 + 512;
/// Writes gather up to this size before they go out unflushed.
const WRITE_BUFFER: usize = 16 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Socket {
    tcp: TcpStream,
    digest: Arc<SocketDigest>,
    read: Vec<u8>,
    consumed: usize,
    write: Vec<u8>,
    sent: usize,
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
            read: Vec::new(),
            consumed: 0,
            write: Vec::new(),
            sent: 0,
        })
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

    /// Hands buffered bytes over; the buffer is given back once empty.
    fn take_buffered(&mut self, out: &mut ReadBuf<'_>) {
        let rest = self.read.get(self.consumed..).unwrap_or_default();
        let (now, later) = rest.split_at(rest.len().min(out.remaining()));
        out.put_slice(now);
        if later.is_empty() {
            self.read = Vec::new();
            self.consumed = 0;
        } else {
            self.consumed += now.len();
        }
    }

    /// Waits for something to read before it makes the buffer to put it in.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.tcp.poll_read_ready(cx))?;
            self.read.reserve(READ_BUFFER);
            match self.tcp.try_read_buf(&mut self.read) {
                Ok(_) => return Poll::Ready(Ok(())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.read = Vec::new(),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.write.len() {
            let rest = self.write.get(self.sent..).unwrap_or_default();
            match ready!(Pin::new(&mut self.tcp).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.sent += written,
            }
        }
        self.write = Vec::new();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Pingora flushes no body of known length before its end: a slow one would not be seen.
        if let Poll::Ready(Err(error)) = self.drain(cx) {
            return Poll::Ready(Err(error));
        }
        if self.read.is_empty() {
            if out.remaining() >= READ_BUFFER {
                return Pin::new(&mut self.tcp).poll_read(cx, out);
            }
            ready!(self.fill(cx))?;
        }
        self.take_buffered(out);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.write.len() + bytes.len() > WRITE_BUFFER {
            ready!(self.drain(cx))?;
            if bytes.len() >= WRITE_BUFFER {
                return Pin::new(&mut self.tcp).poll_write(cx, bytes);
            }
        }
        self.write.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.drain(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(cx))?;
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
