//! What is not ours to end: policy decides, and the bytes pass on untouched to
//! an address that was vetted.
//!
//! What an application's TLS is for, its `ClientHello` says; what is no TLS, or
//! need not be, goes where the port leads. Who calls is known where mutual TLS
//! is around it, and else by address. What is asked within is not seen.

mod client_hello;
mod connect;
mod trace;
mod way;

use std::sync::Arc;

use pingora_core::protocols::Stream;
use policy::TunnelPlan;
use policy::refusal::{Failure, Refusal};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::clock::Moment;
use crate::connection::Connection;
use crate::relay::{Bounds, End, Side, relay};
use crate::resolve::NoAddress;
use crate::socket::Plain;
use crate::upstream::{self, Connected, DialError, Target};

pub(crate) use client_hello::ClientHello;
pub(crate) use connect::{Asking, OverHttp1, connect, decline, record_silent};
use trace::Trace;
use way::Way;

/// Why there is nothing to relay.
enum Stop {
    /// We will not.
    Refused(Refusal),
    /// We could not.
    Failed(Failure),
}

/// Serves a connection to its end. `hello` is what has been read of it; without
/// one, nothing has.
pub(crate) async fn serve(
    connection: &Connection,
    mut caller: impl AsyncRead + AsyncWrite + Plain + Unpin,
    hello: Option<ClientHello>,
    begun: Moment,
) {
    let mut trace = Trace::new(connection, begun);
    match open(&mut trace, &mut caller, hello).await {
        Ok((upstream, read)) => carry(&mut trace, &mut caller, upstream, read).await,
        Err(stop) => trace.stopped(&stop),
    }
    // First the end, then the record of it.
    drop(caller);
    trace.close();
}

/// Bytes both ways, to the end; first what has been `read` of the caller.
async fn carry(
    trace: &mut Trace<'_>,
    caller: &mut (impl AsyncRead + AsyncWrite + Plain + Unpin),
    upstream: Stream,
    read: Vec<u8>,
) {
    let limits = &trace.connection.limits;
    let bounds = Bounds {
        idle: limits.tunnel_idle_timeout,
        whole: limits.tunnel_timeout.into_iter().chain(trace.age).min(),
        // What a half-closed connection means is its protocol's to say.
        rest: None,
    };
    let caller = Side {
        stream: caller,
        read,
    };
    let upstream = Side {
        stream: upstream,
        read: Vec::new(),
    };
    trace.opened();
    let presence = &trace.connection.presence;
    let end = tokio::select! {
        // First, so that no byte goes out once it is known.
        biased;
        Err(lost) = trace.connection.over(None) => End::Lost(lost),
        end = relay(caller, upstream, presence, &trace.traffic, bounds) => end,
        never = trace.tell_in_between() => match never {},
    };
    trace.ended(end);
}

/// Decides and dials; what has been read of the caller comes with it.
async fn open(
    trace: &mut Trace<'_>,
    caller: &mut (impl AsyncRead + Unpin),
    hello: Option<ClientHello>,
) -> Result<(Stream, Vec<u8>), Stop> {
    check_room(trace)?;
    let Way { host, plan, read } = way::find(trace, caller, hello)
        .await
        .map_err(Stop::Refused)?;
    Ok((dial(trace, &plan, &host).await?, read))
}

/// Room for its line in the log, and for itself in memory.
fn check_room(trace: &mut Trace<'_>) -> Result<(), Stop> {
    trace.reserve().map_err(Stop::Refused)?;
    match trace.connection.gateway.memory.is_scarce() {
        true => Err(Stop::Refused(Refusal::Overloaded)),
        false => Ok(()),
    }
}

/// Connects to where a plan leads, for a caller who has not lost his right until
/// then: he may have been waited for, and so may the upstream.
async fn dial(trace: &mut Trace<'_>, plan: &TunnelPlan, host: &str) -> Result<Stream, Stop> {
    let connection = trace.connection;
    connection.standing().map_err(Stop::Refused)?;
    let seen = Arc::clone(&trace.seen);
    let target = seen.live.target(plan.upstream());
    let target = target.ok_or(Stop::Failed(Failure::Internal))?;
    trace.age = target.upstream().bounds.age;
    let stream = dial_target(trace, target, host).await?;
    connection.standing().map_err(Stop::Refused)?;
    Ok(stream)
}

async fn dial_target(
    trace: &mut Trace<'_>,
    target: &Target,
    requested: &str,
) -> Result<Stream, Stop> {
    let connection = trace.connection;
    let gateway = &connection.gateway;
    let host = target.host(requested);
    trace.cluster = Some(target.cluster(host));
    let addresses = target.addresses(&gateway.resolver, host, |host| connection.count_name(host));
    let addresses = addresses.await.map_err(|none| match none {
        NoAddress::Refused(refusal) => Stop::Refused(refusal),
        NoAddress::Failed(failure) => Stop::Failed(failure),
    })?;
    match upstream::connect(target, host, &addresses).await {
        Ok(Connected {
            stream,
            address,
            local,
        }) => {
            gateway.metrics.upstream_connected();
            trace.upstream = Some(address);
            trace.upstream_local = local;
            Ok(stream)
        }
        Err(DialError {
            failure,
            reason,
            address,
        }) => {
            trace.upstream = address;
            trace.transport_failure = Some(reason);
            Err(Stop::Failed(failure))
        }
    }
}
