//! What is known of an exchange so far; at its end, the record.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora_core::protocols::http::server::Session;
use pingora_http::{RequestHeader, ResponseHeader};
use policy::door::Door;
use policy::refusal::{Failure, Refusal};
use policy::{Marks, Plan, RawRequest, Request, RuleId};

use super::extended_connect::Key;
use crate::clock::Moment;
use crate::connection::Connection;
use crate::headers::Received;
use crate::live::Seen;
use crate::record::{Authorisation, Decision, HeaderFields, Record, Reservation, RuleName};
use crate::reply::Reply;

use super::referral::Said;
use super::websocket::Opening;

/// Ours for what the process does not live to see the end of.
const DRAINED: &str = "drained";

/// See the module.
pub(crate) struct Trace<'c> {
    pub(crate) connection: &'c Connection,
    pub(crate) seen: Arc<Seen>,
    pub(crate) begun: Moment,
    pub(crate) plan: Option<Plan>,
    pub(crate) status: u16,
    pub(crate) details: Cow<'static, str>,
    pub(crate) grpc: bool,
    /// Ours to a WebSocket's server.
    pub(super) websocket_key: Option<Key>,
    pub(crate) grpc_status: Option<u16>,
    pub(crate) service_time: Option<Duration>,
    pub(crate) upstream: Option<SocketAddr>,
    pub(crate) upstream_local: Option<SocketAddr>,
    pub(crate) cluster: Option<String>,
    pub(crate) transport_failure: Option<String>,
    /// Whether the last connect failure was one of several.
    pub(crate) retried: bool,
    /// A fault of the route's.
    pub(crate) injected: Option<Injected>,
    /// By an authoriser.
    pub(super) said: Option<Said>,
    canonical: Option<Canonical>,
    door: Option<Door>,
    rule: Option<RuleId>,
    marks: Marks,
    refusal: Option<Refusal>,
    failure: Option<Failure>,
    /// How it began, if it became a conversation.
    pub(super) opening: Option<Box<Opening>>,
    /// Room in logs that would rather refuse than drop.
    reservation: Option<Reservation>,
    closed: bool,
}

/// What a route made to go wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Injected {
    /// It waited.
    Delay,
    /// It answered in the upstream's stead.
    Abort,
}

/// What the record tells of the messages themselves.
pub(super) struct Told<'s> {
    pub(super) request: &'s RequestHeader,
    pub(super) answer: Option<&'s ResponseHeader>,
    pub(super) is_http2: bool,
    /// Bytes from the caller, but for the head.
    pub(super) received: u64,
    /// Bytes to him.
    pub(super) sent: u64,
}

impl<'s> Told<'s> {
    pub(super) fn of(session: &'s Session) -> Self {
        Self {
            request: session.req_header(),
            answer: session.response_written(),
            is_http2: session.is_http2(),
            received: count(session.body_bytes_read()),
            sent: count(session.body_bytes_sent()),
        }
    }
}

/// Host and target as they were judged.
struct Canonical {
    authority: Box<str>,
    host_length: usize,
    target: Box<str>,
}

impl<'c> Trace<'c> {
    pub(crate) fn new(connection: &'c Connection, begun: Moment) -> Self {
        Self {
            connection,
            seen: connection.seen(),
            begun,
            plan: None,
            status: 0,
            details: Cow::Borrowed("via_upstream"),
            grpc: false,
            websocket_key: None,
            grpc_status: None,
            service_time: None,
            upstream: None,
            upstream_local: None,
            cluster: None,
            transport_failure: None,
            retried: false,
            injected: None,
            said: None,
            canonical: None,
            door: None,
            rule: None,
            marks: Marks::default(),
            refusal: None,
            failure: None,
            opening: None,
            reservation: None,
            closed: false,
        }
    }

    /// Makes sure that what passes can be recorded.
    pub(crate) fn reserve(&mut self) -> Result<(), Refusal> {
        let room = self.seen.live.loggers().reserve();
        self.reservation = Some(room.map_err(|_| Refusal::LogUnavailable)?);
        Ok(())
    }

    /// Notes a refusal; gives the answer to it.
    pub(crate) fn refused(&mut self, refusal: Refusal) -> Reply {
        self.refusal = Some(refusal);
        self.details = refusal.details().into();
        Reply::refusal(refusal)
    }

    /// Notes a failure; gives the answer to it.
    pub(crate) fn failed(&mut self, failure: Failure) -> Reply {
        self.failure = Some(failure);
        self.details = failure.details().into();
        Reply::failure(failure)
    }

    /// Notes that nobody is left to answer, unless something worse is known.
    pub(crate) fn client_gone(&mut self) {
        if self.failure.is_none() && self.refusal.is_none() {
            self.failed(Failure::ClientGone);
        }
    }

    /// Notes that the client took no answer, unless something worse is known.
    pub(crate) fn reader_stopped(&mut self) {
        if self.failure.is_none() && self.refusal.is_none() {
            self.refused(Refusal::ReaderTimeout);
        }
    }

    pub(crate) fn planned(&mut self, plan: Plan) {
        self.marked(plan.grant().rule(), plan.grant().marks());
        self.plan = Some(plan);
    }

    pub(crate) fn marked(&mut self, rule: Option<RuleId>, marks: Marks) {
        self.rule = rule;
        self.marks = marks;
    }

    pub(crate) fn canonical(&mut self, request: &Request<'_>) {
        let host = request.host();
        self.door = Some(request.door());
        let target = match request.query() {
            None => request.path().into(),
            Some(query) => format!("{}?{query}", request.path()).into(),
        };
        self.canonical = Some(Canonical {
            host_length: host.len(),
            authority: match request.explicit_port() {
                None => host.into(),
                Some(port) => format!("{host}:{port}").into(),
            },
            target,
        });
    }

    /// Ends the exchange: one line, one set of metrics.
    pub(super) fn close(mut self, told: &Told<'_>) {
        self.tell(Some(told));
    }

    /// The same for a conversation.
    pub(super) fn close_conversation(mut self) {
        let opening = self.opening.take();
        self.tell(opening.as_ref().map(|opening| opening.told()).as_ref());
    }

    fn tell(&mut self, told: Option<&Told<'_>>) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let reservation = self.reservation.take();
        let seen = Arc::clone(&self.seen);
        let mut record = self.connection.record(&seen.live, self.begun);
        self.fill(&mut record);
        let gateway = &self.connection.gateway;
        let Some(told) = told else {
            gateway.observe(&record, None, &seen.live, reservation);
            return;
        };
        let head = told.request;
        let headers = Received(&head.headers);
        record.method = Some(Cow::Borrowed(head.method.as_str()));
        record.protocol = Some(if told.is_http2 { "HTTP/2" } else { "HTTP/1.1" });
        if self.canonical.is_none() {
            record.path = Some(String::from_utf8_lossy(head.raw_path()));
            let authority = authority(head, told.is_http2);
            record.authority = Some(String::from_utf8_lossy(authority));
        }
        let field = |name: &str| head.headers.get(name).map(http::HeaderValue::as_bytes);
        record.x_forwarded_for = field("x-forwarded-for");
        record.user_agent = field("user-agent");
        record.referer = field("referer");
        record.request_id = field("x-request-id");
        record.bytes_received = told.received;
        record.bytes_sent = told.sent;
        record.request_bytes = record.bytes_received + head_size(&head.headers);
        let answered = told.answer.map_or(0, |answer| head_size(&answer.headers));
        record.response_bytes = record.bytes_sent + answered;
        record.headers = Some(HeaderFields(&headers));
        let raw = raw(
            self.connection,
            head,
            told.is_http2,
            &headers,
            &seen,
            self.begun,
        );
        gateway.observe(&record, Some(raw), &seen.live, reservation);
    }

    fn fill<'a>(&'a self, record: &mut Record<'a>) {
        let live = &self.seen.live;
        let admission = live.snapshot().admission();
        let rule = |id: RuleId| {
            admission.rule(id).map(|rule| RuleName {
                name: &rule.name,
                origin: &rule.origin,
            })
        };
        record.rule = self.rule.and_then(rule);
        record.shadow_rule = self.marks.shadow.and_then(rule);
        record.audit_rule = self.marks.audit.and_then(rule);
        record.response_code = self.status;
        record.grpc = self.grpc;
        record.grpc_status = self.grpc_status;
        record.refusal = self.refusal.map(Refusal::code);
        record.failure = self.failure.map(Failure::code);
        record.decision = match self.refusal {
            None => Decision::Allow,
            Some(
                Refusal::Denied
                | Refusal::NotAllowed
                | Refusal::AuthoriserDenied
                | Refusal::AuthoriserUnavailable,
            ) => Decision::Deny,
            Some(_) => Decision::Refuse,
        };
        record.authoriser = self.said.as_ref().and_then(|said| {
            Some(Authorisation {
                authoriser: &admission.authoriser(said.authoriser)?.name,
                verdict: said.word,
                duration: said.duration,
                error: said.error.as_deref(),
            })
        });
        record.response_flags = self.flags();
        record.response_code_details = Some(Cow::Borrowed(&*self.details));
        record.upstream_service_time = self.service_time;
        record.upstream_host = self.upstream;
        record.upstream_local_address = self.upstream_local;
        record.upstream_cluster = self.cluster.as_deref().map(Cow::Borrowed);
        record.upstream_transport_failure_reason =
            self.transport_failure.as_deref().map(Cow::Borrowed);
        if let Some(plan) = &self.plan {
            record.route_name = admission.route(plan).map(|route| &*route.name);
            let destination = admission.destination(plan.destination());
            record.destination = destination.map(|d| &*d.name);
        }
        if let Some(canonical) = &self.canonical {
            record.path = Some(Cow::Borrowed(&*canonical.target));
            record.authority = Some(Cow::Borrowed(&*canonical.authority));
            record.host = canonical.authority.get(..canonical.host_length);
            if record.decision == Decision::Deny {
                // What policy refuses has no plan; its host tells the destination.
                let destination = self.door.zip(record.host);
                let destination = destination.and_then(|(d, h)| admission.find_destination(h, d));
                record.destination = destination.map(|d| &*d.name);
            }
        }
    }

    fn flags(&self) -> Cow<'static, str> {
        match (self.refusal, self.failure) {
            (Some(refusal), _) => refusal.flags().into(),
            (None, Some(failure)) if self.retried && failure.flags() == "UF" => "URX,UF".into(),
            (None, Some(failure)) => failure.flags().into(),
            (None, None) => match self.injected {
                None => "-".into(),
                Some(Injected::Delay) => "DI".into(),
                Some(Injected::Abort) => "FI".into(),
            },
        }
    }
}

/// Dropped before its end: the process ends while it goes on, or a panic has
/// passed. It is recorded like every other.
impl Drop for Trace<'_> {
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        if std::thread::panicking() {
            self.failed(Failure::Internal);
        } else {
            self.details = DRAINED.into();
        }
        let opening = self.opening.take();
        self.tell(opening.as_ref().map(|opening| opening.told()).as_ref());
    }
}

/// A request as its session holds it.
pub(crate) fn raw<'a>(
    connection: &'a Connection,
    head: &'a RequestHeader,
    is_http2: bool,
    headers: &'a dyn policy::Headers,
    seen: &'a Seen,
    begun: Moment,
) -> RawRequest<'a> {
    RawRequest {
        method: head.method.as_str().as_bytes(),
        authority: authority(head, is_http2),
        target: head.raw_path(),
        headers,
        caller: &seen.caller,
        server_name: connection.server_name.host(),
        view: connection.listener.view,
        port: connection.listener.unnamed_port(),
        time: begun.nanos,
    }
}

/// `:authority` of HTTP/2, `Host` of HTTP/1.1.
fn authority(head: &RequestHeader, is_http2: bool) -> &[u8] {
    match head.uri.authority() {
        Some(authority) if is_http2 => authority.as_str().as_bytes(),
        _ => {
            let host = head.headers.get(http::header::HOST);
            host.map(http::HeaderValue::as_bytes).unwrap_or_default()
        }
    }
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Roughly what a head takes on the wire.
fn head_size(headers: &http::HeaderMap) -> u64 {
    let fields = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4);
    count(fields.sum())
}
