//! A stream of HTTP/2 as a connection: its DATA are the bytes.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use h2::RecvStream;
use h2::server::SendResponse;
use http::{Response, StatusCode, header};
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::reply::Reply;
use crate::socket::{Plain, Presence, Writing, broken};
use crate::tunnel::Asking;

/// Who says CONNECT over HTTP/2.
pub(crate) struct OverHttp2 {
    respond: SendResponse<Bytes>,
    body: RecvStream,
    writing: Writing,
}

impl OverHttp2 {
    pub(super) fn new(respond: SendResponse<Bytes>, body: RecvStream) -> Self {
        Self {
            respond,
            body,
            writing: Writing::default(),
        }
    }

    /// By which is told whether he is still there, once he has his answer.
    pub(super) fn presence(&self) -> Presence {
        Presence::Stream(self.writing.clone())
    }
}

impl Asking for OverHttp2 {
    type Bytes = Within;

    async fn agree(mut self) -> io::Result<Within> {
        let sent = self.respond.send_response(Response::new(()), false);
        self.writing.begin(sent.map_err(broken)?);
        Ok(Within {
            read: self.body,
            kept: Bytes::new(),
            write: self.writing,
        })
    }

    async fn refuse(mut self, reply: Reply) {
        let mut head = Response::new(());
        *head.status_mut() =
            StatusCode::from_u16(reply.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        if !reply.body.is_empty() {
            let kind = header::HeaderValue::from_static("text/plain");
            head.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        // He may be gone; nothing of it is waited for.
        if let Ok(mut body) = self.respond.send_response(head, reply.body.is_empty())
            && !reply.body.is_empty()
        {
            let _ = body.send_data(reply.body, true);
        }
        // What is left of the stream the library resets, once this has gone out.
    }
}

/// See the module.
pub(crate) struct Within {
    read: RecvStream,
    /// Read of the caller and not yet given on.
    kept: Bytes,
    write: Writing,
}

impl fmt::Debug for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Within").finish_non_exhaustive()
    }
}

impl Plain for Within {}

impl Within {
    /// The next piece; the window opens for as much again, since what is kept here
    /// is at most one.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        loop {
            let Some(more) = ready!(self.read.poll_data(cx)) else {
                return Poll::Ready(Ok(None));
            };
            let more = more.map_err(broken)?;
            let _ = self.read.flow_control().release_capacity(more.len());
            if !more.is_empty() {
                return Poll::Ready(Ok(Some(more)));
            }
        }
    }
}

impl AsyncRead for Within {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.kept.is_empty() {
            match ready!(self.poll_more(cx))? {
                Some(more) => self.kept = more,
                None => return Poll::Ready(Ok(())),
            }
        }
        let taken = self.kept.len().min(out.remaining());
        out.put_slice(self.kept.get(..taken).unwrap_or_default());
        self.kept.advance(taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Within {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The connection's own task sends it.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Twice is no mistake, nor is an end that the caller has made already.
        let _ = self.write.end();
        Poll::Ready(Ok(()))
    }
}

#[async_trait]
impl Shutdown for Within {
    async fn shutdown(&mut self) {
        // The caller may be gone already; there is nobody to tell.
        let _ = AsyncWriteExt::shutdown(self).await;
    }
}

impl UniqueID for Within {
    fn id(&self) -> UniqueIDType {
        // Only pools of Pingora's ask, which are not used.
        0
    }
}

impl Ssl for Within {}

impl GetTimingDigest for Within {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Within {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Within {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

impl Peek for Within {}
