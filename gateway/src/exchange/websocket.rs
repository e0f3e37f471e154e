//! WebSockets (RFC 6455): an exchange whose sides agree to go on in another
//! protocol. What asks for one is judged like any request; after the 101, bytes
//! go both ways unread, as in a tunnel, and within a tunnel's times.

use std::time::Duration;

use http::Method;
use http::header::{CONTENT_LENGTH, SEC_WEBSOCKET_KEY, TRANSFER_ENCODING};
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::server::Session;
use pingora_core::protocols::http::v1::server::HttpSession;
use pingora_http::{RequestHeader, ResponseHeader};
use policy::destination::{Route, Upgrades};
use policy::refusal::Failure;
use tokio::io::{AsyncRead, AsyncWrite};

use super::trace::{Told, Trace};
use crate::connection::Connection;
use crate::headers::names_websocket;
use crate::relay::{Bounds, End, Side, Traffic, now, relay};
use crate::socket::{Http2Stream, Plain, Presence};
use crate::upstream::UpstreamSession;

/// Envoy's words for both.
const IDLE: &str = "stream_idle_timeout";
const EXPIRED: &str = "max_duration_timeout";
/// Once one side has closed, the other has only to do so, too (RFC 6455, section
/// 7.1.1); what is on its way still comes.
const CLOSING: Duration = Duration::from_secs(5);

/// Whether a request asks for a WebSocket, and its route lets it through.
pub(super) fn is_asked_for(session: &Session, route: &Route) -> bool {
    let head = session.req_header();
    route.upgrades == Upgrades::WebSocket
        && head.method == Method::GET
        && names_websocket(&head.headers)
        && head.headers.contains_key(SEC_WEBSOCKET_KEY)
        && !head.headers.contains_key(CONTENT_LENGTH)
        && !head.headers.contains_key(TRANSFER_ENCODING)
}

/// A request that became a conversation in another protocol.
pub(crate) struct Conversation<'c> {
    trace: Trace<'c>,
    upstream: UpstreamSession,
}

/// What is left of its beginning, for the record.
pub(super) struct Opening {
    request: RequestHeader,
    answer: Option<ResponseHeader>,
    is_http2: bool,
    traffic: Traffic,
}

impl Opening {
    fn of(session: &Session) -> Self {
        Self {
            request: session.req_header().clone(),
            answer: session.response_written().cloned(),
            is_http2: session.is_http2(),
            traffic: Traffic::new(),
        }
    }

    /// As the record tells it.
    pub(super) fn told(&self) -> Told<'_> {
        Told {
            request: &self.request,
            answer: self.answer.as_ref(),
            is_http2: self.is_http2,
            received: self.traffic.up(),
            sent: self.traffic.down(),
        }
    }
}

impl<'c> Conversation<'c> {
    pub(super) fn new(trace: Trace<'c>, upstream: UpstreamSession) -> Self {
        Self { trace, upstream }
    }

    /// Bytes both ways until a side closes, and the record of it.
    pub(crate) async fn hold(mut self, session: Session) {
        let connection = self.trace.connection;
        let _open = connection.gateway.metrics.websocket_opened();
        let opening = self.trace.opening.insert(Box::new(Opening::of(&session)));
        let traffic = &opening.traffic;
        let (upstream, _lease) = match self.upstream.into_stream().await {
            Ok((upstream, lease)) => (Ok(upstream), Some(lease)),
            Err(error) => (Err(error), None),
        };
        let end = match (session, upstream) {
            (Session::H1(mut session), Ok(upstream)) => match already_read(&mut session).await {
                Ok(read) => {
                    let stream = session.into_inner();
                    let caller = Side { stream, read };
                    carry(connection, caller, &connection.presence, upstream, traffic).await
                }
                Err(failure) => End::Broken(failure),
            },
            (Session::H2(session), Ok(upstream)) => match Http2Stream::new(session) {
                Some(stream) => {
                    let (presence, read) = (stream.presence(), Vec::new());
                    let caller = Side { stream, read };
                    carry(connection, caller, &presence, upstream, traffic).await
                }
                None => End::Broken(Failure::Internal),
            },
            (_, Ok(_)) => End::Broken(Failure::Internal),
            (_, Err(_)) => End::Broken(Failure::Closed),
        };
        match end {
            End::Finished => {}
            End::Idle => self.trace.details = IDLE.into(),
            End::Expired => self.trace.details = EXPIRED.into(),
            End::Broken(Failure::ClientGone) => self.trace.client_gone(),
            End::Broken(failure) => drop(self.trace.failed(failure)),
            End::Lost(refusal) => drop(self.trace.refused(refusal)),
        }
        self.trace.close_conversation();
    }
}

/// Bytes both ways, within a tunnel's times.
async fn carry(
    connection: &Connection,
    caller: Side<impl AsyncRead + AsyncWrite + Plain + Unpin>,
    presence: &Presence,
    upstream: Side<Stream>,
    traffic: &Traffic,
) -> End {
    let bounds = Bounds {
        idle: connection.limits.tunnel_idle_timeout,
        whole: connection.limits.tunnel_timeout,
        rest: Some(CLOSING),
    };
    tokio::select! {
        // First, so that no byte goes out once it is known.
        biased;
        Err(lost) = connection.over(None) => End::Lost(lost),
        end = relay(caller, upstream, presence, traffic, bounds) => end,
    }
}

/// What has been read of the caller behind his request; he is not waited for.
async fn already_read(session: &mut HttpSession) -> Result<Vec<u8>, Failure> {
    match now(session.read_body_bytes()).await {
        Some(Ok(read)) => Ok(read.unwrap_or_default().into()),
        Some(Err(_)) => Err(Failure::ClientGone),
        None => Ok(Vec::new()),
    }
}
