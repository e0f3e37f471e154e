//! One exchange with an upstream, over HTTP/1.1 or HTTP/2 alike.
//!
//! Reading is safe to abandon at any await, so that it can stand in a `select!`
//! beside the request body. Informational responses end here: a sidecar gets
//! none but our own 100.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use pingora_core::connectors::http::v2::ConnectionRef;
use pingora_core::protocols::http::v1::client::HttpSession as Http1;
use pingora_core::protocols::http::v2::client::Http2Session as Http2;
use pingora_core::protocols::{Digest, Stream};
use pingora_error::{Error, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};

use super::farewell;
use super::framing::{self, Afterwards};
use super::lease::Lease;
use super::tenure::Tenure;
use super::waiting::Waiting;
use crate::headers::{UpstreamVersion, is_bodiless, names_websocket};
use crate::relay::{Side, now};

/// Responses of status 1xx an upstream may send before its answer.
const MAX_INFORMATIONAL: u8 = 10;

/// See the module.
pub(crate) struct UpstreamSession {
    wire: Wire,
    stage: Stage,
    /// Over HTTP/2.
    waiting: Option<Waiting>,
    informational: u8,
    /// Whether the answer can have no body.
    bodiless: bool,
    request_done: bool,
    afterwards: Afterwards,
    switching: Switching,
    /// Given up last: only then is the connection free.
    pub(super) lease: Lease,
}

/// What becomes of the protocol that is spoken (RFC 9110, section 7.8).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Switching {
    NotAsked,
    Asked,
    /// From here on bytes of another protocol go both ways.
    Done,
}

enum Wire {
    Http1(Box<Http1>),
    Http2(Box<Http2>),
}

impl Wire {
    fn waiting(&self) -> Option<Waiting> {
        match self {
            Self::Http1(_) => None,
            Self::Http2(session) => Some(Waiting::on(session.conn.clone())),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    Body,
    Trailers,
    Done,
}

/// What an upstream sends next.
pub(crate) enum Part {
    /// The response head; `true` when nothing follows.
    Head(Box<ResponseHeader>, bool),
    /// The head of an answer that agrees to switch protocols.
    Switched(Box<ResponseHeader>),
    /// A piece of the body; `true` when nothing follows.
    Body(Bytes, bool),
    /// Trailers, which end the response.
    Trailers(HeaderMap),
    /// The end.
    End,
}

impl Part {
    /// Bytes of the body.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Body(data, _) => data.len(),
            _ => 0,
        }
    }
}

/// A connection that may serve again.
pub(crate) enum Reusable {
    Http1(Stream, Option<Arc<Tenure>>),
    Http2(ConnectionRef, Option<Arc<Tenure>>),
}

impl Reusable {
    pub(super) fn tenure(&self) -> Option<&Arc<Tenure>> {
        let (Self::Http1(_, tenure) | Self::Http2(_, tenure)) = self;
        tenure.as_ref()
    }

    /// Another handle of a connection that several exchanges use at once.
    pub(super) fn shared(&self) -> Option<ConnectionRef> {
        match self {
            Self::Http1(..) => None,
            Self::Http2(connection, _) => Some(connection.clone()),
        }
    }
}

impl fmt::Debug for Reusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1(..) => "HTTP/1.1 connection",
            Self::Http2(..) => "HTTP/2 connection",
        })
    }
}

impl UpstreamSession {
    pub(super) fn http1(stream: Stream, lease: Lease) -> Self {
        Self::new(Wire::Http1(Box::new(Http1::new(stream))), lease)
    }

    pub(super) fn http2(stream: Http2, lease: Lease) -> Self {
        Self::new(Wire::Http2(Box::new(stream)), lease)
    }

    fn new(wire: Wire, lease: Lease) -> Self {
        Self {
            waiting: wire.waiting(),
            wire,
            stage: Stage::Head,
            informational: 0,
            bodiless: false,
            request_done: false,
            switching: Switching::NotAsked,
            afterwards: Afterwards::Reusable,
            lease,
        }
    }

    pub(crate) fn digest(&self) -> Option<&Digest> {
        match &self.wire {
            Wire::Http1(session) => Some(session.digest()),
            Wire::Http2(session) => session.digest(),
        }
    }

    pub(crate) fn version(&self) -> UpstreamVersion {
        match &self.wire {
            Wire::Http1(_) => UpstreamVersion::Http1,
            Wire::Http2(session) => {
                let secure = session.digest().is_some_and(|d| d.ssl_digest.is_some());
                let scheme = if secure { "https" } else { "http" };
                UpstreamVersion::Http2 { scheme }
            }
        }
    }

    /// Longest wait for the upstream to take a piece of the request.
    pub(crate) fn set_write_timeout(&mut self, timeout: Duration) {
        match &mut self.wire {
            Wire::Http1(session) => session.write_timeout = Some(timeout),
            Wire::Http2(session) => session.write_timeout = Some(timeout),
        }
    }

    /// Whether the head that is sent may ask for another protocol.
    pub(crate) fn can_switch(&self) -> bool {
        matches!(self.wire, Wire::Http1(_))
    }

    /// Whether bytes of another protocol go both ways.
    pub(crate) fn has_switched(&self) -> bool {
        self.switching == Switching::Done
    }

    /// The head asks for another protocol.
    pub(crate) fn ask_to_switch(&mut self) {
        self.switching = Switching::Asked;
    }

    pub(crate) async fn send_head(&mut self, head: Box<RequestHeader>, end: bool) -> Result<()> {
        self.bodiless = head.method == Method::HEAD;
        match &mut self.wire {
            Wire::Http1(session) => session.write_request_header(head).await.map(|_| ())?,
            Wire::Http2(session) => session.write_request_header(head, end)?,
        }
        if end {
            self.finish_request().await?;
        }
        Ok(())
    }

    pub(crate) async fn send_body(&mut self, data: Bytes) -> Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        match &mut self.wire {
            Wire::Http1(session) => session.write_body(&data).await.map(|_| ()),
            Wire::Http2(session) => session.write_request_body(data, false).await,
        }
    }

    pub(crate) async fn finish_request(&mut self) -> Result<()> {
        match &mut self.wire {
            Wire::Http1(session) => session.finish_body().await.map(|_| ())?,
            Wire::Http2(session) => session.finish_request_body()?,
        }
        self.request_done = true;
        Ok(())
    }

    /// The next part of the response. May be dropped while it waits.
    pub(crate) async fn next(&mut self) -> Result<Part> {
        match self.stage {
            Stage::Head => self.head().await,
            Stage::Body => self.body().await,
            Stage::Trailers => self.trailers().await,
            Stage::Done => Ok(Part::End),
        }
    }

    async fn head(&mut self) -> Result<Part> {
        loop {
            let head = match &mut self.wire {
                Wire::Http1(session) => {
                    session.read_response().await?;
                    session.resp_header().cloned()
                }
                Wire::Http2(session) => {
                    poll_fn(|cx| session.poll_read_response_header(cx))
                        .await
                        .map_err(http2_error)?;
                    session.response_header().cloned()
                }
            };
            let head =
                head.ok_or_else(|| Error::explain(ErrorType::InternalError, "no response head"))?;
            if head.status == http::StatusCode::SWITCHING_PROTOCOLS {
                self.switch(&head)?;
                return Ok(Part::Switched(Box::new(head)));
            }
            if !head.status.is_informational() {
                if let Wire::Http1(session) = &self.wire {
                    self.afterwards = framing::judge(&head, session.get_headers_raw_bytes())?;
                }
                if let Some(waiting) = &mut self.waiting {
                    waiting.answered();
                }
                self.bodiless |= is_bodiless(head.status);
                let end = self.body_is_empty()?;
                self.stage = if end { Stage::Done } else { Stage::Body };
                return Ok(Part::Head(Box::new(head), end));
            }
            self.informational += 1;
            if self.informational > MAX_INFORMATIONAL {
                return Error::e_explain(ErrorType::InvalidHTTPHeader, "a flood of 1xx");
            }
        }
    }

    fn switch(&mut self, head: &ResponseHeader) -> Result<()> {
        match &mut self.wire {
            Wire::Http1(session)
                if self.switching == Switching::Asked && names_websocket(&head.headers) =>
            {
                session.maybe_upgrade_body_writer();
                self.switching = Switching::Done;
                self.stage = Stage::Body;
                Ok(())
            }
            _ => Error::e_explain(ErrorType::InvalidHTTPHeader, "101 nobody asked for"),
        }
    }

    fn body_is_empty(&mut self) -> Result<bool> {
        match &mut self.wire {
            Wire::Http1(session) => Ok(session.is_body_done()),
            Wire::Http2(session) => session.check_response_end_or_error(),
        }
    }

    async fn body(&mut self) -> Result<Part> {
        match &mut self.wire {
            Wire::Http1(session) => {
                let data = session.read_body_bytes().await?.unwrap_or_default();
                let end = session.is_body_done();
                if end {
                    // What ends with its connection ends by the server's word, or has
                    // been cut by somebody (RFC 9112, section 9.8).
                    let cut = session
                        .resp_header()
                        .is_some_and(framing::ends_with_connection)
                        && farewell::is_missing(session.stream());
                    if cut {
                        return Error::e_explain(ErrorType::ConnectionClosed, "no word of an end");
                    }
                    self.stage = Stage::Done;
                }
                Ok(Part::Body(data, end))
            }
            Wire::Http2(session) => {
                let data = poll_fn(|cx| session.poll_read_response_body(cx)).await;
                match data.transpose().map_err(http2_error)? {
                    Some(data) if self.bodiless && !data.is_empty() => {
                        Error::e_explain(ErrorType::InvalidHTTPHeader, "a body where none can be")
                    }
                    Some(data) => Ok(Part::Body(data, false)),
                    None => {
                        self.stage = Stage::Trailers;
                        self.trailers().await
                    }
                }
            }
        }
    }

    async fn trailers(&mut self) -> Result<Part> {
        let trailers = match &mut self.wire {
            Wire::Http1(_) => None,
            Wire::Http2(session) => session.read_trailers().await?,
        };
        self.stage = Stage::Done;
        Ok(trailers.map_or(Part::End, Part::Trailers))
    }

    /// The connection itself, once the protocol has been switched, with what has
    /// been read of it already; and its place, to be kept until it is over.
    ///
    /// # Errors
    /// When the upstream has closed.
    pub(crate) async fn into_stream(self) -> Result<(Side<Stream>, Lease)> {
        let Wire::Http1(mut session) = self.wire else {
            return Error::e_explain(ErrorType::InternalError, "HTTP/2 does not switch");
        };
        let read = match now(session.read_body_bytes()).await {
            Some(read) => read?.unwrap_or_default().into(),
            None => Vec::new(),
        };
        let stream = session.into_inner();
        Ok((Side { stream, read }, self.lease))
    }

    /// Ends the exchange at once; the connection does not serve again.
    pub(crate) async fn abort(mut self) {
        match &mut self.wire {
            Wire::Http1(session) => session.shutdown().await,
            Wire::Http2(session) => session.shutdown(),
        }
    }

    /// The connection, if both directions ended as they should.
    pub(super) async fn release(self) -> Option<(Reusable, Lease)> {
        let complete = self.stage == Stage::Done && self.request_done;
        let reusable = complete && self.afterwards == Afterwards::Reusable;
        let lease = self.lease;
        let tenure = lease.tenure.clone();
        let connection = match self.wire {
            Wire::Http1(mut session) if reusable => {
                session.respect_keepalive();
                if session.will_keepalive() {
                    let stream = session.reuse().await;
                    stream.map(|stream| Reusable::Http1(stream, tenure))
                } else {
                    None
                }
            }
            Wire::Http1(_) => None,
            Wire::Http2(mut session) => {
                if !complete {
                    session.shutdown();
                }
                Some(Reusable::Http2(session.conn.clone(), tenure))
            }
        };
        connection.map(|connection| (connection, lease))
    }
}

fn http2_error(error: h2::Error) -> Box<Error> {
    Error::because(ErrorType::H2Error, "while reading the response", error)
}
