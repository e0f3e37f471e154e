//! A stream whose bytes somebody follows on their way, without holding them up.
//!
//! For what Pingora's sessions and the HTTP/2 library do not tell: how a body
//! was framed, and which streams never became requests.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use boring::ssl::SslRef;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::{ALPN, SslDigest};
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

/// Who follows.
pub(crate) trait Observer: fmt::Debug + Send + Sync + Unpin + 'static {
    /// These bytes were read.
    ///
    /// # Errors
    /// When they are not to be passed on: the reader gets the error instead.
    fn read(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// These bytes were written.
    fn written(&mut self, _bytes: &[u8]) {}

    /// Whether writing has to wait for the peer.
    fn waits(&mut self, _waits: bool) {}

    /// Whether nothing more is to be read, ever: the reader waits until somebody
    /// else ends the connection.
    fn has_enough(&self) -> bool {
        false
    }

    /// Whether others are to have their turn before more is read; asked before each
    /// time, and another turn has begun once it said so.
    fn ends_turn(&mut self) -> bool {
        false
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Observed<O> {
    inner: Stream,
    observer: O,
}

impl<O: Observer> Observed<O> {
    /// `inner`, followed by `observer`.
    pub(crate) fn new(inner: Stream, observer: O) -> Self {
        Self { inner, observer }
    }

    /// What `stream` was before it was observed; others are left as they are.
    pub(crate) fn undo(stream: Stream) -> Option<Stream> {
        if !(*stream).as_any().is::<Self>() {
            return Some(stream);
        }
        let observed = stream.into_any().downcast::<Self>().ok()?;
        Some(observed.inner)
    }
}

impl<O: Observer> AsyncRead for Observed<O> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.observer.has_enough() {
            return Poll::Pending;
        }
        if self.observer.ends_turn() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = out.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, out))?;
        let read = out.filled().get(before..).unwrap_or_default();
        Poll::Ready(self.observer.read(read))
    }
}

impl<O: Observer> AsyncWrite for Observed<O> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.observer.waits(written.is_pending());
        if let Poll::Ready(Ok(count)) = written {
            self.observer
                .written(bytes.get(..count).unwrap_or_default());
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.observer.waits(flushed.is_pending());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[async_trait]
impl<O: Observer> Shutdown for Observed<O> {
    async fn shutdown(&mut self) {
        // The peer may be gone already; there is nobody to tell.
        let _ = AsyncWriteExt::shutdown(self).await;
    }
}

impl<O> UniqueID for Observed<O> {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl<O> Ssl for Observed<O> {
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

impl<O> GetTimingDigest for Observed<O> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }
}

impl<O> GetProxyDigest for Observed<O> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }
}

impl<O> GetSocketDigest for Observed<O> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }
}

impl<O> Peek for Observed<O> {}
