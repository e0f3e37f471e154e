//! One exchange, from a head to its record: admit → (refer) → resolve → dial →
//! forward.
//!
//! INVARIANT(one-record): every exchange is recorded exactly once, when its
//! [`Trace`] is closed; one dropped half-way (a panic) records itself.

mod abortive;
mod attempt;
mod deadline;
mod extended_connect;
mod forward;
mod pace;
mod referral;
mod trace;
mod turn;
mod websocket;

use bytes::Bytes;
use pingora_core::protocols::http::server::Session;
use policy::canonical::Malformed;
use policy::destination::{Action, Redirect, Route};
use policy::refusal::{Failure, Refusal};
use policy::rule::Effect;
use policy::{Admitted, Next, RawRequest, Refused, Request};
use tokio::time::timeout;

use crate::authorise::{Downstream, Inquiry};
use crate::clock::Moment;
use crate::connection::Connection;
use crate::headers::{Changes, Onward, is_grpc};
use crate::intake::head;
use crate::reply::Reply;
use crate::upstream::UpstreamSession;

pub(crate) use abortive::{record_abandoned, record_cut, record_unparsed};
use referral::Question;
use trace::{Injected, Told, Trace};
pub(crate) use websocket::Conversation;

/// What becomes of the connection after an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The answer is whole; the connection may serve again if HTTP allows.
    Finish,
    /// The answer broke off; only the connection's (the stream's) end says so.
    Abort,
}

/// What came of an exchange.
pub(crate) enum Served<'c> {
    /// It is over, and recorded.
    Ended(Ending),
    /// It goes on in another protocol, to be recorded at its end.
    Switched(Box<Conversation<'c>>),
}

/// See the module.
pub(crate) struct Exchange<'c> {
    trace: Trace<'c>,
    /// The upstream has agreed to another protocol, and the caller been told.
    switched: Option<UpstreamSession>,
}

/// What is asked of an upstream: canonical, owned, after rewriting.
pub(crate) struct Outbound {
    /// The canonical host asked for.
    pub(crate) requested: Box<str>,
    /// `Host` as sent.
    pub(crate) host: Box<str>,
    /// Target as sent.
    pub(crate) target: Box<str>,
    /// An authoriser's.
    pub(crate) changes: Changes,
}

/// Where an admitted request stands.
enum Step {
    /// It goes to its upstream.
    Go(Outbound),
    /// It waits for an authoriser's word.
    Ask(Box<Question>),
}

/// What a canonical request asks for.
#[derive(Clone, Copy)]
struct Asked<'a> {
    host: &'a str,
    explicit_port: Option<u16>,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Asked<'a> {
    fn of(request: &'a Request<'_>) -> Self {
        Self {
            host: request.host(),
            explicit_port: request.explicit_port(),
            path: request.path(),
            query: request.query(),
        }
    }

    fn by(inquiry: &'a Inquiry) -> Self {
        Self {
            host: &inquiry.host,
            explicit_port: inquiry.explicit_port,
            path: &inquiry.path,
            query: inquiry.query.as_deref(),
        }
    }
}

impl<'c> Exchange<'c> {
    pub(crate) fn new(connection: &'c Connection, begun: Moment) -> Self {
        Self {
            trace: Trace::new(connection, begun),
            switched: None,
        }
    }

    /// Serves one request and records it.
    pub(crate) async fn run(mut self, session: &mut Session, expects_continue: bool) -> Served<'c> {
        // What is opened for another protocol is no call, whatever its media type.
        self.trace.grpc =
            is_grpc(&session.req_header().headers) && !extended_connect::is_one(session);
        let admitted = match self.check_fields(session) {
            Ok(()) => self.admit(session),
            Err(refusal) => Err(self.trace.refused(refusal)),
        };
        let admitted = match admitted {
            Ok(Step::Go(outbound)) => Ok(outbound),
            Ok(Step::Ask(question)) => Box::pin(self.refer(*question)).await,
            Err(reply) => Err(reply),
        };
        #[cfg(debug_assertions)]
        crate::defect::at("judged", session);
        let ending = match admitted {
            Ok(outbound) => self.serve(session, outbound, expects_continue).await,
            Err(reply) => self.reply(session, reply).await,
        };
        if let Some(upstream) = self.switched {
            return Served::Switched(Box::new(Conversation::new(self.trace, upstream)));
        }
        self.trace.close(&Told::of(session));
        Served::Ended(ending)
    }

    /// The decision. An error is the answer to give.
    #[expect(
        clippy::result_large_err,
        reason = "an answer is as usual an outcome as a step, and passed on at once"
    )]
    fn admit(&mut self, session: &Session) -> Result<Step, Reply> {
        if let Err(refusal) = self.trace.reserve() {
            return Err(self.trace.refused(refusal));
        }
        if self.trace.connection.gateway.memory.is_scarce() {
            return Err(self.trace.refused(Refusal::Overloaded));
        }
        let seen = std::sync::Arc::clone(&self.trace.seen);
        let received = &session.req_header().headers;
        let headers = Onward::of(received);
        let raw = self.raw(session, &headers, &seen);
        let admission = seen.live.snapshot().admission();
        match admission.admit(raw, fastrand::u32(..)) {
            Ok(Admitted {
                request,
                next: Next::Go(plan),
            }) => {
                self.trace.canonical(&request);
                self.trace.planned(plan);
                let route = admission.route(&plan);
                Ok(Step::Go(outbound(Asked::of(&request), route)))
            }
            Ok(Admitted {
                request,
                next: Next::Ask(referral),
            }) => {
                self.trace.canonical(&request);
                let authoriser = admission.authoriser(referral.authoriser());
                let downstream = self.downstream(session);
                let inquiry = Inquiry::new(&request, received, downstream, authoriser);
                Ok(Step::Ask(Box::new(Question { referral, inquiry })))
            }
            Err(refused) => Err(self.refuse(&refused)),
        }
    }

    /// HTTP/2 heads are framed by the library; what HTTP/1.1's `intake` asks of
    /// fields is asked of them here, and one way of asking is made the other.
    fn check_fields(&mut self, session: &mut Session) -> Result<(), Refusal> {
        if !session.is_http2() {
            return Ok(());
        }
        let (head, limits) = (session.req_header(), &self.trace.connection.limits);
        head::check_target_length(head.raw_path(), limits)?;
        head::check_http2(&head.headers, limits)?;
        match extended_connect::adopt(session) {
            Ok(key) => {
                self.trace.websocket_key = key;
                Ok(())
            }
            Err(_) => Err(Refusal::TooManyFields),
        }
    }

    fn raw<'a>(
        &self,
        session: &'a Session,
        headers: &'a Onward<'a>,
        seen: &'a crate::live::Seen,
    ) -> RawRequest<'a>
    where
        'c: 'a,
    {
        trace::raw(
            self.trace.connection,
            session.req_header(),
            session.is_http2(),
            headers,
            seen,
            self.trace.begun,
        )
    }

    fn downstream(&self, session: &Session) -> Downstream {
        let connection = self.trace.connection;
        Downstream {
            source: connection.remote,
            destination: connection.local,
            is_http2: session.is_http2(),
            is_secure: connection.listener.mode.is_mutual(),
        }
    }

    fn refuse(&mut self, refused: &Refused<'_>) -> Reply {
        let mut reply = self.trace.refused(refused.refusal);
        self.trace.marked(refused.rule, refused.marks);
        let Some(request) = &refused.request else {
            return reply;
        };
        self.trace.canonical(request);
        let admission = self.trace.seen.live.snapshot().admission();
        let rule = refused.rule.and_then(|id| admission.rule(id));
        if let (Refusal::Denied, Some(Effect::Deny(answer))) =
            (refused.refusal, rule.map(|r| &r.effect))
        {
            reply = Reply::denial(answer, request);
        }
        reply
    }

    async fn serve(
        &mut self,
        session: &mut Session,
        outbound: Outbound,
        expects_continue: bool,
    ) -> Ending {
        let seen = std::sync::Arc::clone(&self.trace.seen);
        let plan = self.trace.plan;
        let route = plan.and_then(|plan| seen.live.snapshot().admission().route(&plan));
        let Some(route) = route else {
            let reply = self.trace.failed(Failure::Internal);
            return self.reply(session, reply).await;
        };
        let fault = &route.changes().fault;
        if let Some((share, time)) = fault.delay
            && share.includes(fastrand::u32(..))
        {
            self.trace.injected = Some(Injected::Delay);
            tokio::time::sleep(time).await;
        }
        if let Some((share, status)) = fault.abort
            && share.includes(fastrand::u32(..))
        {
            self.trace.injected = Some(Injected::Abort);
            self.trace.details = "fault_filter_abort".into();
            let body = Bytes::from_static(b"fault filter abort");
            return self.reply(session, Reply::written(status, body)).await;
        }
        match &route.action {
            // Routing has followed it to where it leads.
            Action::Hop(_) => {
                let reply = self.trace.failed(Failure::Internal);
                self.reply(session, reply).await
            }
            Action::Respond(respond) => {
                let body = Bytes::copy_from_slice(respond.body.as_bytes());
                self.trace.details = "direct_response".into();
                self.reply(session, Reply::written(respond.status, body))
                    .await
            }
            Action::Redirect(redirect) => {
                self.trace.details = "direct_response".into();
                let reply = redirection(redirect, &outbound);
                self.reply(session, reply).await
            }
            // What waits behind it is no body, and nobody would answer to it.
            Action::Forward(_)
                if extended_connect::is_one(session)
                    && !websocket::is_asked_for(session, route) =>
            {
                let refusal = Refusal::Malformed(Malformed::MethodRefused);
                let reply = self.trace.refused(refusal);
                self.reply(session, reply).await
            }
            Action::Forward(_) => {
                if expects_continue && session.write_continue_response().await.is_err() {
                    self.trace.failed(Failure::ClientGone);
                    return Ending::Abort;
                }
                self.forward(session, route, &outbound).await
            }
        }
    }

    /// Sends an answer of our own.
    async fn reply(&mut self, session: &mut Session, reply: Reply) -> Ending {
        if self.trace.connection.is_parting() {
            session.set_keepalive(None);
        }
        let mut reply = reply;
        // Success would say that the protocol asked for is spoken from here on.
        if extended_connect::is_one(session) && (200..300).contains(&reply.status) {
            reply.status = Malformed::MethodRefused.status();
        }
        // What is sent: gRPC callers are told within a 200.
        let grpc = self.trace.grpc;
        self.trace.status = if grpc { 200 } else { reply.status };
        self.trace.grpc_status = grpc.then_some(reply.grpc_status);
        let limit = self.trace.connection.limits.body_idle_timeout;
        match timeout(limit, reply.send(session, grpc)).await {
            Ok(Ok(())) => Ending::Finish,
            Ok(Err(_)) => {
                self.trace.client_gone();
                Ending::Abort
            }
            Err(_) => {
                self.trace.reader_stopped();
                Ending::Abort
            }
        }
    }
}

/// The request as its route sends it on.
fn outbound(request: Asked<'_>, route: Option<&Route>) -> Outbound {
    let rewrite = route.map(|route| &route.changes().rewrite);
    let mut target = String::with_capacity(request.path.len() + 16);
    match rewrite.and_then(|rewrite| rewrite.path.as_ref()) {
        None => target.push_str(request.path),
        Some(path) => target.push_str(&path.apply(request.path)),
    }
    if let Some(query) = request.query {
        target.push('?');
        target.push_str(query);
    }
    let requested: Box<str> = request.host.into();
    let host = match rewrite.and_then(|rewrite| rewrite.host.as_deref()) {
        Some(host) => host.into(),
        None => match request.explicit_port {
            // A mesh names ports of the mesh; the origin knows its own.
            Some(port) if port != 80 && port != 443 => format!("{requested}:{port}").into(),
            _ => requested.clone(),
        },
    };
    Outbound {
        requested,
        host,
        target: target.into(),
        changes: Changes::default(),
    }
}

fn redirection(redirect: &Redirect, outbound: &Outbound) -> Reply {
    let scheme = redirect.scheme.as_deref().unwrap_or("http");
    let host = redirect.host.as_deref().unwrap_or(&outbound.host);
    let host = match redirect.port {
        Some(port) => format!("{}:{port}", host.split(':').next().unwrap_or(host)),
        None => host.to_owned(),
    };
    let path = redirect.path.as_deref().unwrap_or(&outbound.target);
    Reply {
        location: Some(format!("{scheme}://{host}{path}")),
        ..Reply::written(redirect.status, Bytes::new())
    }
}
