//! One attempt on one connection: the request goes up while the answer comes
//! down, neither waiting for the other, neither outrunning it.

use std::borrow::Cow;
use std::net::SocketAddr;

use bytes::Bytes;
use conf::snapshot::Limits;
use http::header;
use pingora_core::protocols::http::HttpTask;
use pingora_core::protocols::http::server::Session;
use pingora_error::{Error, ErrorType};
use pingora_http::ResponseHeader;
use policy::canonical::Malformed;
use policy::destination::Route;
use policy::refusal::{Failure, Refusal};
use tokio::time::{Instant, timeout, timeout_at};

use super::Outbound;
use super::pace::Pace;
use super::trace::Trace;
use super::turn::{self, Turn};
use super::{extended_connect, websocket};
use crate::headers::{self, Outgoing, RequestBody};
use crate::intake::chunks::is_malformed;
use crate::socket::Presence;
use crate::upstream::{Part, UpstreamSession};

/// What an attempt needs to know.
pub(super) struct Attempt<'a> {
    pub(super) route: &'a Route,
    pub(super) outbound: &'a Outbound,
    pub(super) body: RequestBody,
    pub(super) limits: &'a Limits,
    /// The caller's, where nothing may be read of him.
    pub(super) presence: &'a Presence,
    pub(super) reused: bool,
}

/// How far an exchange has come; what can still be done depends on it.
#[derive(Default)]
pub(super) struct Progress {
    /// The caller has been sent a response head.
    pub(super) answered: bool,
    /// Some of the caller's body has been taken from him.
    pub(super) body_taken: bool,
    /// The upstream that was asked last: its address, and of how many.
    pub(super) asked: Option<(SocketAddr, usize)>,
    /// It has the whole request.
    pub(super) request_done: bool,
    /// Both sides have agreed on a WebSocket.
    pub(super) conversation: Option<UpstreamSession>,
}

/// What the caller sends.
enum Received {
    /// Of his body what is there, and how many pieces it came in.
    Body(Bytes, usize),
    /// The end of it.
    End,
    /// More than one request at a time.
    Pipelined,
}

/// Why an attempt broke off.
pub(super) enum Broken {
    /// There was no connection: nothing was sent.
    Connect(Failure),
    /// A connection that had served before was closed before it answered.
    Stale,
    /// The caller does not keep to his part: his body is not good, or he does
    /// not read.
    Caller(Refusal),
    /// Anything else.
    Failed(Failure),
}

impl Attempt<'_> {
    /// Sends the request and relays the answer.
    pub(super) async fn run(
        &self,
        trace: &mut Trace<'_>,
        session: &mut Session,
        upstream: &mut UpstreamSession,
        progress: &mut Progress,
    ) -> Result<(), Broken> {
        upstream.set_write_timeout(self.limits.body_idle_timeout);
        let opened = extended_connect::is_one(session);
        // What comes on a stream opened for a WebSocket is not the request's.
        let mut request_done = session.is_body_empty() || opened;
        let websocket =
            request_done && upstream.can_switch() && websocket::is_asked_for(session, self.route);
        if opened && !websocket {
            return Err(Broken::Caller(Refusal::Malformed(Malformed::MethodRefused)));
        }
        let head = self.head(session, upstream, websocket)?;
        if websocket {
            upstream.ask_to_switch();
        }
        // What comes before the upstream has agreed is none of HTTP: it waits.
        let mut reads = !websocket;
        let mut pace = Pace::new(self.limits, trace.grpc && session.is_http2());
        let sent = upstream.send_head(head, request_done).await;
        sent.map_err(|error| self.upstream_broke(&error, session, progress))?;
        progress.request_done = request_done;
        let waiting_since = std::time::Instant::now();
        let mut turn = Turn::default();
        loop {
            tokio::select! {
                biased;
                part = upstream.next() => {
                    let part =
                        part.map_err(|error| self.upstream_broke(&error, session, progress))?;
                    if let Part::Head(..) | Part::Switched(_) = part {
                        trace.service_time = Some(waiting_since.elapsed());
                    }
                    turn.moved(part.size(), 1);
                    if self.relay(trace, session, part, progress).await? {
                        return Ok(());
                    }
                }
                body = self.receive(session, request_done, reads, &mut pace) => match body? {
                    Received::Body(data, pieces) => {
                        turn.moved(data.len(), pieces);
                        pace.came(&data, Instant::now());
                        progress.body_taken = true;
                        self.check_size(session)?;
                        if upstream.send_body(data).await.is_err() {
                            // It may have answered without reading all: the
                            // answer, if there is one, still goes through.
                            request_done = true;
                        } else if session.is_body_done() {
                            // The session would not say so by itself.
                            request_done = true;
                            progress.request_done = true;
                            let _ = upstream.finish_request().await;
                        }
                    }
                    Received::End => {
                        request_done = true;
                        progress.request_done = true;
                        // As above.
                        let _ = upstream.finish_request().await;
                    }
                    Received::Pipelined => {
                        // A byte of the next request is lost: it is not served,
                        // and the connection ends with this answer.
                        reads = false;
                        session.set_keepalive(None);
                    }
                },
            }
            turn.end_in_time().await;
        }
    }

    fn head(
        &self,
        session: &Session,
        upstream: &UpstreamSession,
        websocket: bool,
    ) -> Result<Box<pingora_http::RequestHeader>, Broken> {
        let outgoing = Outgoing {
            target: &self.outbound.target,
            host: &self.outbound.host,
            edits: &self.route.changes().headers.request,
            changes: &self.outbound.changes,
            body: self.body,
            version: upstream.version(),
            websocket,
        };
        headers::request(session.req_header(), &outgoing)
            .map_err(|_| Broken::Failed(Failure::Internal))
    }

    /// The next piece of the caller's body; once it has ended, or where nothing is
    /// read, waits for him to leave.
    async fn receive(
        &self,
        session: &mut Session,
        done: bool,
        reads: bool,
        pace: &mut Pace,
    ) -> Result<Received, Broken> {
        // Over HTTP/2 nothing is read for it.
        if !reads && !session.is_http2() {
            self.presence.left().await;
            return Err(Broken::Failed(Failure::ClientGone));
        }
        let reading = session.read_body_or_idle(done);
        if done {
            return match reading.await {
                Err(error) if *error.etype() != ErrorType::ConnectError => {
                    Err(Broken::Failed(Failure::ClientGone))
                }
                _ => Ok(Received::Pipelined),
            };
        }
        let (until, refusal) = pace.wait(Instant::now());
        match timeout_at(until, reading).await {
            Ok(Ok(Some(first))) => match turn::gather(session, first).await {
                Ok((data, pieces)) => Ok(Received::Body(data, pieces)),
                Err(error) => Err(body_broke(&error)),
            },
            Ok(Ok(None)) => Ok(Received::End),
            Ok(Err(error)) => Err(body_broke(&error)),
            Err(_) => Err(Broken::Caller(refusal)),
        }
    }

    fn check_size(&self, session: &Session) -> Result<(), Broken> {
        let read = u64::try_from(session.body_bytes_read()).unwrap_or(u64::MAX);
        let bound = Some(self.limits.body_bytes).filter(|bytes| *bytes > 0);
        let bounds = [bound, self.route.max_body];
        if bounds.into_iter().flatten().any(|bytes| read > bytes) {
            return Err(Broken::Caller(Refusal::BodyTooLarge));
        }
        Ok(())
    }

    /// Passes a part on to the caller, who must take it in time; `true` when it
    /// was the last. Pingora bounds only some of its writes.
    async fn relay(
        &self,
        trace: &mut Trace<'_>,
        session: &mut Session,
        part: Part,
        progress: &mut Progress,
    ) -> Result<bool, Broken> {
        #[cfg(debug_assertions)]
        crate::defect::at(if progress.answered { "body" } else { "head" }, session);
        let passing = self.pass_on(trace, session, part, progress);
        let passed = timeout(self.limits.body_idle_timeout, passing).await;
        passed.unwrap_or(Err(Broken::Caller(Refusal::ReaderTimeout)))
    }

    async fn pass_on(
        &self,
        trace: &mut Trace<'_>,
        session: &mut Session,
        part: Part,
        progress: &mut Progress,
    ) -> Result<bool, Broken> {
        let gone = |error: Box<Error>| caller_broke(&error);
        match part {
            // To the caller it would say that the protocol asked for is spoken from
            // here on, and the body be taken for its bytes (RFC 8441, section 5).
            Part::Head(head, _)
                if extended_connect::is_one(session) && head.status.is_success() =>
            {
                Err(Broken::Failed(Failure::Protocol))
            }
            Part::Head(mut head, end) => {
                self.dress(trace, session, &mut head, end)?;
                progress.answered = true;
                let task = HttpTask::Header(head, end);
                session
                    .response_duplex_vec(vec![task])
                    .await
                    .map_err(gone)?;
                Ok(end)
            }
            Part::Switched(mut head) => {
                self.dress_switch(trace, session, &mut head)?;
                progress.answered = true;
                session.write_response_header(head).await.map_err(gone)?;
                Ok(true)
            }
            Part::Body(data, end) => {
                session.write_response_body(data, end).await.map_err(gone)?;
                Ok(end)
            }
            Part::Trailers(mut trailers) => {
                trace.grpc_status = grpc_status(&trailers).or(trace.grpc_status);
                if session.is_http2() {
                    headers::trailers(&mut trailers);
                    session
                        .write_response_trailers(trailers)
                        .await
                        .map_err(gone)?;
                } else {
                    session.finish_body().await.map_err(gone)?;
                }
                Ok(true)
            }
            Part::End => {
                session.finish_body().await.map_err(gone)?;
                Ok(true)
            }
        }
    }

    fn dress(
        &self,
        trace: &mut Trace<'_>,
        session: &mut Session,
        head: &mut ResponseHeader,
        end: bool,
    ) -> Result<(), Broken> {
        if trace.connection.is_parting() {
            session.set_keepalive(None);
        }
        // HTTP/1.1 cannot write an HTTP/2 head.
        head.set_version(http::Version::HTTP_11);
        trace.status = head.status.as_u16();
        trace.details = Cow::Borrowed("via_upstream");
        trace.grpc_status = grpc_status(&head.headers);
        let sized = head.headers.contains_key(header::CONTENT_LENGTH);
        let asked_head = session.req_header().method == http::Method::HEAD;
        let bodiless = asked_head || headers::is_bodiless(head.status);
        let chunked = !session.is_http2() && !sized && !end && !bodiless;
        let waited = trace.service_time.unwrap_or_default().as_millis();
        headers::response(
            head,
            &self.route.changes().headers.response,
            waited,
            chunked,
        )
        .map_err(|_| Broken::Failed(Failure::Internal))
    }

    fn dress_switch(
        &self,
        trace: &mut Trace<'_>,
        session: &Session,
        head: &mut ResponseHeader,
    ) -> Result<(), Broken> {
        if let Some(key) = &trace.websocket_key {
            key.check(head)
                .map_err(|_| Broken::Failed(Failure::Protocol))?;
        }
        trace.details = Cow::Borrowed("via_upstream");
        let waited = trace.service_time.unwrap_or_default().as_millis();
        let edits = &self.route.changes().headers.response;
        headers::switching(head, edits, waited, session.is_http2())
            .map_err(|_| Broken::Failed(Failure::Internal))?;
        trace.status = head.status.as_u16();
        Ok(())
    }

    /// What an upstream's error means, and whether another connection may try.
    fn upstream_broke(&self, error: &Error, session: &Session, progress: &Progress) -> Broken {
        let failure = match error.etype() {
            ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError => {
                Failure::Closed
            }
            ErrorType::WriteTimedout | ErrorType::ReadTimedout => Failure::RouteTimeout,
            ErrorType::H2Error => Failure::Reset,
            ErrorType::InvalidHTTPHeader | ErrorType::InvalidH2 | ErrorType::H1Error => {
                Failure::Protocol
            }
            // Pingora's own names for chunks and trailers that are none.
            ErrorType::Custom("InvalidChunk" | "InvalidTrailerEnd") => Failure::Protocol,
            _ => Failure::Closed,
        };
        let untouched = !progress.answered && !progress.body_taken;
        let repeatable = session.req_header().method.is_idempotent();
        let retry = self.reused && untouched && repeatable && self.route.retries.refused_stream;
        if retry && matches!(failure, Failure::Closed | Failure::Reset) {
            Broken::Stale
        } else {
            Broken::Failed(failure)
        }
    }
}

/// A body that ends early is the caller's leaving; one that breaks its framing
/// is refused.
fn body_broke(error: &Error) -> Broken {
    if is_malformed(error) {
        return Broken::Caller(Refusal::MalformedBody);
    }
    match error.etype() {
        ErrorType::ReadTimedout => Broken::Caller(Refusal::BodyTimeout),
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::H2Error => {
            Broken::Failed(Failure::ClientGone)
        }
        _ => Broken::Caller(Refusal::MalformedBody),
    }
}

/// What it means that the answer cannot be passed on.
fn caller_broke(error: &Error) -> Broken {
    match error.etype() {
        ErrorType::WriteTimedout => Broken::Caller(Refusal::ReaderTimeout),
        _ => Broken::Failed(Failure::ClientGone),
    }
}

fn grpc_status(headers: &http::HeaderMap) -> Option<u16> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}
