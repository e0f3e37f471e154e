//! TLS that is not ours to end: its `ClientHello` names a host, policy decides,
//! and the bytes pass on untouched to an address that was vetted.
//!
//! Who calls is not known but by address, and what is asked within is not seen.

mod client_hello;
mod relay;
mod trace;

use std::sync::Arc;

use policy::refusal::{Failure, Refusal};
use policy::{AdmittedTunnel, RefusedTunnel};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::clock::Moment;
use crate::connection::Connection;
use crate::resolve::NoAddress;
use crate::upstream::{DialError, Target, connect};

pub(crate) use client_hello::ClientHello;
use relay::relay;
use trace::{Trace, raw};

/// Why there is nothing to relay.
enum Stop {
    /// We will not.
    Refused(Refusal),
    /// We could not.
    Failed(Failure),
}

/// Serves a connection of which the hello has been read, to its end.
pub(crate) async fn serve(
    connection: &Connection,
    mut caller: TcpStream,
    hello: ClientHello,
    begun: Moment,
) {
    let mut trace = Trace::new(connection, begun);
    let opened = open(&mut trace, &hello.wire).await;
    // A tunnel may stay long; what it began with is not kept.
    drop(hello);
    match opened {
        Ok(mut upstream) => {
            let idle = connection.limits.idle_timeout;
            let end = relay(&mut caller, &mut upstream, &trace.traffic, idle).await;
            trace.ended(end);
        }
        Err(Stop::Refused(refusal)) => trace.refused(refusal),
        Err(Stop::Failed(failure)) => trace.failed(failure),
    }
    // First the end, then the record of it.
    drop(caller);
    trace.close();
}

/// Decides, dials, and hands over the hello.
async fn open(trace: &mut Trace<'_>, hello: &[u8]) -> Result<TcpStream, Stop> {
    trace.reserve().map_err(Stop::Refused)?;
    let seen = Arc::clone(&trace.seen);
    let raw = raw(trace.connection, &seen, trace.begun);
    let admission = seen.live.snapshot().admission();
    let AdmittedTunnel { tunnel, plan } = admission
        .admit_tunnel(raw, fastrand::u32(..))
        .map_err(|refused| refuse(trace, &refused))?;
    trace.admitted(&tunnel, plan);
    let target = seen.live.target(plan.upstream());
    let target = target.ok_or(Stop::Failed(Failure::Internal))?;
    let mut upstream = dial(trace, target, tunnel.host()).await?;
    trace.traffic.add_up(hello.len());
    let sent = upstream.write_all(hello).await;
    sent.map_err(|_| Stop::Failed(Failure::Closed))?;
    Ok(upstream)
}

fn refuse(trace: &mut Trace<'_>, refused: &RefusedTunnel<'_>) -> Stop {
    if let Some(tunnel) = &refused.tunnel {
        trace.asked(tunnel);
    }
    trace.marked(refused.rule, refused.marks);
    Stop::Refused(refused.refusal)
}

async fn dial(trace: &mut Trace<'_>, target: &Target, requested: &str) -> Result<TcpStream, Stop> {
    let gateway = &trace.connection.gateway;
    let host = target.host(requested);
    trace.cluster = Some(target.cluster(host));
    let addresses = target.addresses(&gateway.resolver, host).await;
    let addresses = addresses.map_err(|none| match none {
        NoAddress::Refused(refusal) => Stop::Refused(refusal),
        NoAddress::Failed(failure) => Stop::Failed(failure),
    })?;
    match connect(target, &addresses).await {
        Ok((upstream, address)) => {
            gateway.metrics.upstream_connected();
            trace.upstream = Some(address);
            trace.upstream_local = upstream.local_addr().ok();
            // A client that waits for few bytes is not made to wait for more.
            let _ = upstream.set_nodelay(true);
            Ok(upstream)
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
