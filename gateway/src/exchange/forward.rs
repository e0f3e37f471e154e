//! To the upstream and back, within the route's time.
//!
//! The time bounds the exchange as a whole: an upstream that is silent, that
//! trickles its head or its body is cut off at the deadline, wherever it is.

use std::pin::pin;
use std::time::Duration;

use pingora_core::protocols::http::server::Session;
use pingora_error::ErrorType;
use policy::destination::Route;
use policy::refusal::{Failure, Refusal};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::attempt::{Attempt, Broken, Progress};
use super::deadline::{deadline, of_call};
use super::trace::Trace;
use super::websocket;
use super::{Ending, Exchange, Outbound, extended_connect};
use crate::connection::Connection;
use crate::headers::RequestBody;
use crate::resolve::{NoAddress, VettedAddress};
use crate::socket::Presence;
use crate::upstream::{DialError, Freshness, Outcome, Retry, Target, Wanted};

/// Base of the wait between attempts; doubled, with jitter.
const BACK_OFF: Duration = Duration::from_millis(25);
/// What is under way when its caller loses the right to ask may end within this
/// time, and at most twice of it.
const LINGER: Duration = Duration::from_secs(20);

/// Time for an upstream to take the end of what was begun with it. One that does not
/// read never does, and the exchange would last until it did.
const PARTING: Duration = Duration::from_secs(1);

/// Why an exchange ends without the upstream's whole answer.
enum Stop {
    /// We will not.
    Refused(Refusal),
    /// We could not.
    Failed(Failure),
    /// The caller does not keep to his part.
    Caller(Refusal),
    /// The caller would not be let in any more.
    Lost(Refusal),
}

impl Exchange<'_> {
    /// Forwards a request along its route.
    pub(super) async fn forward(
        &mut self,
        session: &mut Session,
        route: &Route,
        outbound: &Outbound,
    ) -> Ending {
        let begun = Instant::from_std(self.trace.begun.at);
        let admission = self.trace.seen.live.snapshot().admission();
        let bound = self.trace.plan.and_then(|plan| admission.timeout(&plan));
        let call = self
            .trace
            .grpc
            .then(|| of_call(&session.req_header().headers));
        let deadline = deadline(begun, bound, call.flatten());
        let mut progress = Progress::default();
        let connection = self.trace.connection;
        let going = self.attempts(session, route, outbound, &mut progress);
        let ended = within(deadline, connection, going).await;
        let is_late = matches!(ended, Err(Stop::Failed(Failure::RouteTimeout)));
        if is_late
            && call
                .flatten()
                .is_none_or(|call| bound.is_some_and(|bound| bound <= call))
        {
            self.late(outbound, &progress);
        }
        if let (Ok(()), Some(upstream)) = (&ended, progress.conversation.take()) {
            self.switched = Some(upstream);
            return Ending::Finish;
        }
        self.end(session, ended, &progress).await
    }

    /// The route's time has run out. Where the upstream had the whole request, that
    /// is its fault; where its caller waits for less, or sends slowly, it is not.
    fn late(&self, outbound: &Outbound, progress: &Progress) {
        let Some((address, choice)) = progress.asked else {
            return;
        };
        if progress.answered || !progress.request_done {
            return;
        }
        let upstream = self.trace.plan.and_then(|plan| plan.upstream());
        let target = upstream.and_then(|upstream| self.trace.seen.live.target(upstream));
        if let Some(target) = target {
            let host = target.host(&outbound.requested);
            target.observe(host, address, Outcome::TooLate, choice);
        }
    }

    async fn end(
        &mut self,
        session: &mut Session,
        ended: Result<(), Stop>,
        progress: &Progress,
    ) -> Ending {
        let reply = match ended {
            Ok(()) => return Ending::Finish,
            Err(Stop::Refused(refusal) | Stop::Caller(refusal)) => self.trace.refused(refusal),
            Err(Stop::Lost(refusal)) => {
                self.trace.refused(refusal);
                return Ending::Abort;
            }
            Err(Stop::Failed(Failure::ClientGone)) => {
                self.trace.client_gone();
                return Ending::Abort;
            }
            Err(Stop::Failed(failure)) => self.trace.failed(failure),
        };
        if progress.answered {
            // The caller has a head of the upstream's already; he learns of the
            // end by its missing.
            return Ending::Abort;
        }
        self.reply(session, reply).await
    }

    async fn attempts(
        &mut self,
        session: &mut Session,
        route: &Route,
        outbound: &Outbound,
        progress: &mut Progress,
    ) -> Result<(), Stop> {
        let seen = std::sync::Arc::clone(&self.trace.seen);
        let upstream = self.trace.plan.and_then(|plan| plan.upstream());
        let target = upstream
            .and_then(|upstream| seen.live.target(upstream))
            .ok_or(Stop::Failed(Failure::Internal))?;
        let host = target.host(&outbound.requested);
        self.trace.cluster = Some(target.cluster(host));
        let addresses = self.addresses(target, host).await?;
        let mut freshness = Freshness::Any;
        let mut tries = 0;
        let mut retry: Option<Retry> = None;
        loop {
            let broken = match self
                .attempt(
                    session, route, outbound, target, host, &addresses, freshness, progress,
                )
                .await
            {
                Ok(()) => return Ok(()),
                Err(broken) => broken,
            };
            let again = match &broken {
                // Trying again would only press harder.
                Broken::Connect(Failure::Overflow) => false,
                Broken::Connect(_) => {
                    tries += 1;
                    route.retries.connect_failure && tries <= route.retries.attempts
                }
                // The connection had served before and died before it took the
                // request: once more, on a new one.
                Broken::Stale => {
                    freshness = Freshness::New;
                    true
                }
                Broken::Caller(_) | Broken::Failed(_) => false,
            };
            // The last one's place is free again before the next is asked for.
            drop(retry.take());
            retry = again.then(|| target.retry()).flatten();
            if retry.is_none() {
                return Err(self.stop(broken));
            }
            self.trace.retried = true;
            if tries > 0 {
                let jitter = f64::from(fastrand::u8(..)) / 255.0;
                sleep(BACK_OFF.mul_f64(f64::from(tries) * (0.5 + jitter))).await;
            }
        }
    }

    async fn addresses(
        &mut self,
        target: &Target,
        host: &str,
    ) -> Result<std::sync::Arc<[VettedAddress]>, Stop> {
        let connection = self.trace.connection;
        target
            .addresses(&connection.gateway.resolver, host, |host| {
                connection.count_name(host)
            })
            .await
            .map_err(|none| match none {
                NoAddress::Refused(refusal) => Stop::Refused(refusal),
                NoAddress::Failed(failure) => Stop::Failed(failure),
            })
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one attempt needs all an exchange knows"
    )]
    async fn attempt(
        &mut self,
        session: &mut Session,
        route: &Route,
        outbound: &Outbound,
        target: &Target,
        host: &str,
        addresses: &[VettedAddress],
        freshness: Freshness,
        progress: &mut Progress,
    ) -> Result<(), Broken> {
        let dialler = &self.trace.connection.gateway.dialler;
        let wanted = wanted(session, route);
        let opening = dialler.open(target, host, addresses, freshness, wanted);
        let presence = &self.trace.connection.presence;
        // What comes before a switch of protocols is none of HTTP, and there is nobody
        // yet to take a body.
        let reads = wanted != Wanted::Switchable && session.is_body_empty();
        let dialled = match target.is_bounded() {
            true => unless_gone(session, presence, reads, opening).await?,
            false => opening.await,
        };
        let dialled = dialled.map_err(|error| self.connect_failed(error))?;
        if !dialled.reused {
            self.trace.connection.gateway.metrics.upstream_connected();
        }
        self.trace.upstream = Some(dialled.address);
        self.trace.upstream_local = dialled.local;
        let attempt = Attempt {
            route,
            outbound,
            body: body_of(session),
            limits: &self.trace.connection.limits,
            presence,
            reused: dialled.reused,
        };
        progress.asked = Some((dialled.address, addresses.len()));
        let mut upstream = dialled.session;
        let done = attempt
            .run(&mut self.trace, session, &mut upstream, progress)
            .await;
        if let Some(outcome) = outcome(&self.trace, &done) {
            target.observe(host, dialled.address, outcome, addresses.len());
        }
        match done {
            Ok(()) if upstream.has_switched() => {
                progress.conversation = Some(upstream);
                Ok(())
            }
            Ok(()) => {
                let _ = timeout(PARTING, dialler.release(upstream)).await;
                Ok(())
            }
            Err(broken) => {
                let _ = timeout(PARTING, upstream.abort()).await;
                Err(broken)
            }
        }
    }

    fn connect_failed(&mut self, error: DialError) -> Broken {
        self.trace.upstream = error.address;
        self.trace.transport_failure = Some(error.reason);
        Broken::Connect(error.failure)
    }

    fn stop(&mut self, broken: Broken) -> Stop {
        match broken {
            Broken::Connect(failure) | Broken::Failed(failure) => Stop::Failed(failure),
            Broken::Stale => Stop::Failed(Failure::Closed),
            Broken::Caller(refusal) => Stop::Caller(refusal),
        }
    }
}

/// What comes of `opening`, while the caller is there to wait for it: his place in
/// a queue is free when he leaves.
async fn unless_gone<T>(
    session: &mut Session,
    presence: &Presence,
    reads: bool,
    opening: impl Future<Output = T>,
) -> Result<T, Broken> {
    let mut opening = pin!(opening);
    // Over HTTP/2 nothing is read for it.
    if reads || session.is_http2() {
        tokio::select! {
            biased;
            opened = opening.as_mut() => return Ok(opened),
            read = session.read_body_or_idle(true) => {
                if let Err(error) = read
                    && *error.etype() != ErrorType::ConnectError
                {
                    return Err(Broken::Failed(Failure::ClientGone));
                }
                // A byte of another request: it is not served.
                session.set_keepalive(None);
            }
        }
    }
    tokio::select! {
        biased;
        opened = opening => Ok(opened),
        () = presence.left() => Err(Broken::Failed(Failure::ClientGone)),
    }
}

/// What comes of `going` by the deadline, and while the caller may ask.
async fn within(
    deadline: Instant,
    connection: &Connection,
    going: impl Future<Output = Result<(), Stop>>,
) -> Result<(), Stop> {
    let mut going = pin!(going);
    let mut lost = None;
    let mut next = Instant::now() + LINGER;
    loop {
        if let Ok(ended) = timeout_at(deadline.min(next), going.as_mut()).await {
            return ended;
        }
        if deadline <= next {
            return Err(Stop::Failed(Failure::RouteTimeout));
        }
        if let Some(refusal) = lost {
            return Err(Stop::Lost(refusal));
        }
        lost = connection.standing().err();
        next += LINGER;
    }
}

/// The version of HTTP that a request could do with.
fn wanted(session: &Session, route: &Route) -> Wanted {
    if websocket::is_asked_for(session, route) {
        Wanted::Switchable
    } else if session.is_http2() {
        Wanted::Http2
    } else {
        Wanted::Http1
    }
}

/// What an attempt tells of the address; nothing where the caller ended it.
fn outcome(trace: &Trace<'_>, done: &Result<(), Broken>) -> Option<Outcome> {
    match done {
        Ok(()) => Some(Outcome::Answer(match (trace.status, trace.grpc_status) {
            (200, Some(status)) if trace.grpc => http_status(status),
            (status, _) => status,
        })),
        Err(Broken::Failed(Failure::RouteTimeout)) => Some(Outcome::TooLate),
        Err(Broken::Failed(Failure::Closed | Failure::Reset | Failure::Protocol)) => {
            Some(Outcome::NoAnswer)
        }
        Err(_) => None,
    }
}

/// What a gRPC status would be in HTTP, as far as failures of servers go (as Envoy
/// maps them).
fn http_status(grpc: u16) -> u16 {
    match grpc {
        2 | 13 | 15 => 500,
        4 => 504,
        12 => 501,
        14 => 503,
        _ => 200,
    }
}

fn body_of(session: &mut Session) -> RequestBody {
    if extended_connect::is_one(session) {
        return RequestBody::None;
    }
    if session.is_body_empty() {
        // `content-length: 0` says so to the origin too.
        let sized = session
            .req_header()
            .headers
            .contains_key(http::header::CONTENT_LENGTH);
        return if sized {
            RequestBody::Sized
        } else {
            RequestBody::None
        };
    }
    if session
        .req_header()
        .headers
        .contains_key(http::header::CONTENT_LENGTH)
    {
        RequestBody::Sized
    } else {
        RequestBody::Streamed
    }
}
