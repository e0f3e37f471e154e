//! Writes gather until a flush, or until there is nothing to do but wait for
//! input. What has been read may be looked at before it is taken.
//!
//! Above TLS, so that head and body, or the frames of an HTTP/2 answer, are one
//! record: one encryption, one system call, and one packet where it fits.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use boring::ssl::SslRef;
use bytes::BytesMut;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::{ALPN, SslDigest};
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::spare::{give_back_write, take_write};

/// Writes gather up to this size, that of a TLS record, before they go out
/// unflushed.
const RECORD: usize = 16 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Gathered<S> {
    pub(super) inner: S,
    gathered: Vec<u8>,
    sent: usize,
    /// Read, looked at and not yet taken.
    seen: BytesMut,
}

impl<S: AsyncWrite + Unpin> Gathered<S> {
    /// Gathers what is written to `inner`.
    pub(crate) fn new(inner: S) -> Self {
        Self {
            inner,
            gathered: Vec::new(),
            sent: 0,
            seen: BytesMut::new(),
        }
    }

    pub(super) fn has_nothing_to_write(&self) -> bool {
        self.gathered.is_empty()
    }

    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.gathered.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while self.sent < self.gathered.len() {
            let rest = self.gathered.get(self.sent..).unwrap_or_default();
            match ready!(Pin::new(&mut self.inner).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.sent += written,
            }
        }
        give_back_write(&mut self.gathered);
        self.sent = 0;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> Gathered<S> {
    /// What can be seen of what will be read.
    pub(crate) fn seen(&self) -> &[u8] {
        &self.seen
    }

    /// Waits for more to see. `false`: none will come.
    pub(crate) async fn look(&mut self) -> io::Result<bool> {
        Ok(self.inner.read_buf(&mut self.seen).await? > 0)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Pingora flushes no body of known length before its end: a slow one would not be seen.
        if let Poll::Ready(Err(error)) = self.drain(cx) {
            return Poll::Ready(Err(error));
        }
        if !self.seen.is_empty() {
            let taken = self.seen.len().min(out.remaining());
            out.put_slice(&self.seen.split_to(taken));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_read(cx, out)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.gathered.len() + bytes.len() > RECORD {
            ready!(self.drain(cx))?;
            if bytes.len() >= RECORD {
                return Pin::new(&mut self.inner).poll_write(cx, bytes);
            }
        }
        if self.gathered.capacity() == 0 {
            self.gathered = take_write();
        }
        self.gathered.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[async_trait]
impl<S: AsyncWrite + Unpin + Send> Shutdown for Gathered<S> {
    async fn shutdown(&mut self) {
        // The peer may be gone already; there is nobody to tell.
        let _ = AsyncWriteExt::shutdown(self).await;
    }
}

impl<S: UniqueID> UniqueID for Gathered<S> {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl<S: Ssl> Ssl for Gathered<S> {
    fn get_ssl(&self) -> Option<&SslRef> {
        self.inner.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.selected_alpn_proto()
    }
}

impl<S: GetTimingDigest> GetTimingDigest for Gathered<S> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }
}

impl<S: GetProxyDigest> GetProxyDigest for Gathered<S> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }
}

impl<S: GetSocketDigest> GetSocketDigest for Gathered<S> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }
}

impl<S> Peek for Gathered<S> {}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn writes_go_out_together_at_a_flush_and_before_a_wait() {
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        let mut stream = Gathered::new(ours);
        let mut seen = [0; 64];
        stream.write_all(b"head ").await.unwrap();
        stream.write_all(b"body").await.unwrap();
        let nothing = tokio::time::timeout(std::time::Duration::ZERO, theirs.read(&mut seen));
        assert!(nothing.await.is_err());
        stream.flush().await.unwrap();
        assert_eq!(theirs.read(&mut seen).await.unwrap(), 9);
        stream.write_all(b"unflushed").await.unwrap();
        let mut byte = [0];
        let wait = tokio::time::timeout(std::time::Duration::ZERO, stream.read(&mut byte));
        assert!(wait.await.is_err());
        assert_eq!(theirs.read(&mut seen).await.unwrap(), 9);
    }

    #[tokio::test]
    async fn whatever_the_sizes_every_byte_goes_out_once_and_in_order() {
        // The pipe is narrow, so that writes stop half-way.
        let (ours, mut theirs) = tokio::io::duplex(1000);
        let sizes = [1, 16_383, 2, 16_384, 5, 40_000, 16_000, 400];
        let bytes: Vec<u8> = (0..sizes.iter().sum())
            .map(|i: usize| (i % 251) as u8)
            .collect();
        let expected = bytes.clone();
        let reader = tokio::spawn(async move {
            let mut all = Vec::new();
            theirs.read_to_end(&mut all).await.unwrap();
            all
        });
        let mut stream = Gathered::new(ours);
        let mut rest = &bytes[..];
        for size in sizes {
            let (now, later) = rest.split_at(size);
            stream.write_all(now).await.unwrap();
            rest = later;
        }
        AsyncWriteExt::shutdown(&mut stream).await.unwrap();
        drop(stream);
        assert!(reader.await.unwrap() == expected);
    }
}
