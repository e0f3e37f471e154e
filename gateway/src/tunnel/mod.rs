//! What is not ours to end: policy decides, and the bytes pass on untouched to
//! an address that was vetted.
//!
//! What an application's TLS is for, its `ClientHello` says; what is no TLS, or
//! need not be, goes where the port leads. Who calls is known where mutual TLS
//! is around it, and else by address. What is asked within is not seen.

mod client_hello;
mod copy;
mod relay;
mod trace;
mod way;

use std::sync::Arc;
use std::time::Duration;

use pingora_core::protocols::Stream;
use policy::refusal::{Failure, Refusal};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::clock::Moment;
use crate::connection::Connection;
use crate::resolve::NoAddress;
use crate::upstream::{Connected, DialError, Target, connect};

pub(crate) use client_hello::ClientHello;
use relay::{Bounds, End, relay};
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
    mut caller: impl AsyncRead + AsyncWrite + Unpin,
    hello: Option<ClientHello>,
    begun: Moment,
) {
    let mut trace = Trace::new(connection, begun);
    let limits = &connection.limits;
    let mut bounds = Bounds {
        idle: limits.tunnel_idle_timeout,
        whole: limits.tunnel_timeout,
    };
    match open(&mut trace, &mut caller, hello).await {
        Ok((upstream, age)) => {
            bounds.whole = bounds.whole.into_iter().chain(age).min();
            let end = tokio::select! {
                end = relay(&mut caller, upstream, &trace.traffic, bounds) => end,
                Err(lost) = connection.over(None) => End::Lost(lost),
            };
            trace.ended(end);
        }
        Err(Stop::Refused(refusal)) => trace.refused(refusal),
        Err(Stop::Failed(failure)) => trace.failed(failure),
    }
    // First the end, then the record of it.
    drop(caller);
    trace.close();
}

/// Decides, dials, and hands over what has been read; with how long it may stand
/// by the word of its upstream.
async fn open(
    trace: &mut Trace<'_>,
    caller: &mut (impl AsyncRead + Unpin),
    hello: Option<ClientHello>,
) -> Result<(Stream, Option<Duration>), Stop> {
    trace.reserve().map_err(Stop::Refused)?;
    if trace.connection.gateway.memory.is_scarce() {
        return Err(Stop::Refused(Refusal::Overloaded));
    }
    let Way { host, plan, read } = way::find(trace, caller, hello)
        .await
        .map_err(Stop::Refused)?;
    let seen = Arc::clone(&trace.seen);
    let target = seen.live.target(plan.upstream());
    let target = target.ok_or(Stop::Failed(Failure::Internal))?;
    let mut upstream = dial(trace, target, &host).await?;
    if !read.is_empty() {
        trace.traffic.add_up(read.len());
        let sent = async {
            upstream.write_all(&read).await?;
            upstream.flush().await
        };
        sent.await.map_err(|_| Stop::Failed(Failure::Closed))?;
    }
    Ok((upstream, target.upstream().bounds.age))
}

async fn dial(trace: &mut Trace<'_>, target: &Target, requested: &str) -> Result<Stream, Stop> {
    let gateway = &trace.connection.gateway;
    let host = target.host(requested);
    trace.cluster = Some(target.cluster(host));
    let addresses = target.addresses(&gateway.resolver, host).await;
    let addresses = addresses.map_err(|none| match none {
        NoAddress::Refused(refusal) => Stop::Refused(refusal),
        NoAddress::Failed(failure) => Stop::Failed(failure),
    })?;
    match connect(target, host, &addresses).await {
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
