//! Where a connection leads, and whether it may: by the server name of its own
//! TLS, or by the port it comes to.

use std::sync::Arc;

use conf::snapshot::ListenerMode;
use policy::destination::Carries;
use policy::refusal::Refusal;
use policy::{AdmittedTunnel, RefusedTunnel, To, Tunnel, TunnelPlan};
use tokio::io::AsyncRead;
use tokio::time::timeout;

use super::ClientHello;
use super::trace::Trace;

/// A way that is open.
pub(super) struct Way {
    pub(super) host: Box<str>,
    pub(super) plan: TunnelPlan,
    /// What has been read of the caller, for the upstream.
    pub(super) read: Vec<u8>,
}

/// Finds the way. Bytes that lead by themselves are not waited for: in some
/// protocols the server speaks first.
pub(super) async fn find(
    trace: &mut Trace<'_>,
    caller: &mut (impl AsyncRead + Unpin),
    hello: Option<ClientHello>,
) -> Result<Way, Refusal> {
    if hello.is_none() && leads_by_port(trace) {
        return by_port(trace, caller).await;
    }
    let hello = match hello {
        Some(hello) => hello,
        None => inner_hello(trace, caller).await?,
    };
    let (host, plan) = admit(trace, To::ServerName(&hello.server_name))?;
    let read = hello.wire;
    Ok(Way { host, plan, read })
}

/// Finds the way that CONNECT names.
pub(super) fn by_authority(trace: &mut Trace<'_>) -> Result<(Box<str>, TunnelPlan), Refusal> {
    let authority = trace.authority();
    admit(trace, To::Authority(&authority))
}

/// Whether the port says where to.
fn leads_by_port(trace: &Trace<'_>) -> bool {
    let listener = &trace.connection.listener;
    if !matches!(listener.mode, ListenerMode::Tcp | ListenerMode::PlainTcp) {
        return false;
    }
    let seen = Arc::clone(&trace.seen);
    let raw = trace.raw(&seen, trace.to_port());
    seen.live.snapshot().admission().goes_by_port(raw)
}

/// Decides, and reads no further than the way asks for.
async fn by_port(
    trace: &mut Trace<'_>,
    caller: &mut (impl AsyncRead + Unpin),
) -> Result<Way, Refusal> {
    let (host, plan) = admit(trace, trace.to_port())?;
    let read = match plan.carries() {
        Carries::Bytes => Vec::new(),
        Carries::Tls => meant_for(&host, trace, caller).await?,
    };
    Ok(Way { host, plan, read })
}

/// The first bytes of TLS that an application opened within what we ended, once
/// they name the host that policy was asked about.
pub(super) async fn meant_for(
    host: &str,
    trace: &mut Trace<'_>,
    caller: &mut (impl AsyncRead + Unpin),
) -> Result<Vec<u8>, Refusal> {
    let hello = inner_hello(trace, caller).await?;
    Tunnel::check_inner(host, &hello.server_name)?;
    Ok(hello.wire)
}

async fn inner_hello(
    trace: &mut Trace<'_>,
    caller: &mut (impl AsyncRead + Unpin),
) -> Result<ClientHello, Refusal> {
    let limit = trace.connection.limits.head_timeout;
    let hello = timeout(limit, ClientHello::read(caller)).await;
    let hello = hello.unwrap_or(Err(Refusal::HandshakeTimeout))?;
    trace.inner = Some(hello.server_name.clone());
    Ok(hello)
}

fn admit(trace: &mut Trace<'_>, to: To<'_>) -> Result<(Box<str>, TunnelPlan), Refusal> {
    let seen = Arc::clone(&trace.seen);
    let raw = trace.raw(&seen, to);
    let admission = seen.live.snapshot().admission();
    match admission.admit_tunnel(raw, fastrand::u32(..)) {
        Ok(AdmittedTunnel { tunnel, plan }) => {
            trace.admitted(&tunnel, plan);
            Ok((tunnel.host().into(), plan))
        }
        Err(refused) => Err(refuse(trace, &refused)),
    }
}

fn refuse(trace: &mut Trace<'_>, refused: &RefusedTunnel<'_>) -> Refusal {
    if let Some(tunnel) = &refused.tunnel {
        trace.asked(tunnel);
    }
    trace.marked(refused.rule, refused.marks);
    refused.refusal
}
