//! CONNECT (RFC 9110, section 9.3.6), as the clients of a forward proxy ask for a
//! tunnel.
//!
//! Policy decides by caller, host and port, and the upstream is dialled, before
//! there is an answer: whoever may not, or cannot, is told by a status. After the
//! 200, TLS within must be for that very host; of what is not, the upstream hears
//! nothing.

use std::future::Future;
use std::io;
use std::time::Duration;

use pingora_core::protocols::Stream;
use policy::TunnelPlan;
use policy::destination::Carries;
use policy::refusal::{Failure, Refusal};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::trace::Trace;
use super::{Stop, carry, check_room, dial, way};
use crate::clock::Moment;
use crate::connection::Connection;
use crate::intake::proxy::Connect;
use crate::relay::End;
use crate::reply::Reply;
use crate::socket::Plain;

/// No length, since what follows is no body.
const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection Established\r\n\r\n";
/// Time for the end of TLS to be told; a client that does not read never takes it.
const PARTING: Duration = Duration::from_secs(1);

/// Who says CONNECT, and waits for an answer.
pub(crate) trait Asking {
    /// What passes once there is a tunnel.
    type Bytes: AsyncRead + AsyncWrite + Plain + Unpin;

    /// Says yes.
    fn agree(self) -> impl Future<Output = io::Result<Self::Bytes>> + Send;

    /// Says no, and ends it. He may be gone, or not read.
    fn refuse(self, reply: Reply) -> impl Future<Output = ()> + Send;
}

/// Over HTTP/1, where the tunnel takes the connection's place.
pub(crate) struct OverHttp1(pub(crate) Stream);

impl OverHttp1 {
    async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }
}

impl Asking for OverHttp1 {
    type Bytes = Stream;

    async fn agree(mut self) -> io::Result<Stream> {
        self.say(ESTABLISHED).await?;
        Ok(self.0)
    }

    async fn refuse(mut self, reply: Reply) {
        if self.say(&reply.to_bytes()).await.is_ok() {
            let _ = timeout(PARTING, self.0.shutdown()).await;
        }
    }
}

/// A way that is open as far as its upstream.
struct Open {
    host: Box<str>,
    plan: TunnelPlan,
    upstream: Stream,
}

/// Serves a tunnel to its end. `early` is what came behind the head: eager clients
/// do not wait for the answer.
pub(crate) async fn connect(
    connection: &Connection,
    caller: impl Asking,
    asked: Connect,
    early: &[u8],
    begun: Moment,
) {
    let mut trace = Trace::asked_for(connection, asked, begun);
    let patience = connection.limits.body_idle_timeout;
    match open(&mut trace).await {
        Ok(open) => {
            trace.status = 200;
            match timeout(patience, caller.agree()).await {
                Ok(Ok(mut bytes)) => pass(&mut trace, &mut bytes, open, early).await,
                Ok(Err(_)) | Err(_) => trace.failed(Failure::ClientGone),
            }
        }
        Err(stop) => refuse(&mut trace, caller, &stop).await,
    }
    trace.close();
}

/// Says no to what need not be decided upon.
pub(crate) async fn decline(
    connection: &Connection,
    caller: impl Asking,
    asked: Connect,
    refusal: Refusal,
    begun: Moment,
) {
    let mut trace = Trace::asked_for(connection, asked, begun);
    refuse(&mut trace, caller, &Stop::Refused(refusal)).await;
    trace.close();
}

/// Records one that was agreed to, and within which nothing was said before its end.
pub(crate) fn record_silent(connection: &Connection, asked: Connect, end: End, begun: Moment) {
    let mut trace = Trace::asked_for(connection, asked, begun);
    trace.status = 200;
    trace.ended(end);
    trace.close();
}

async fn refuse(trace: &mut Trace<'_>, caller: impl Asking, stop: &Stop) {
    trace.stopped(stop);
    let reply = trace.reply(stop);
    trace.status = reply.status;
    let patience = trace.connection.limits.body_idle_timeout;
    let _ = timeout(patience, caller.refuse(reply)).await;
}

/// Decides, and dials.
async fn open(trace: &mut Trace<'_>) -> Result<Open, Stop> {
    check_room(trace)?;
    let (host, plan) = way::by_authority(trace).map_err(Stop::Refused)?;
    let upstream = dial(trace, &plan, &host).await?;
    Ok(Open {
        host,
        plan,
        upstream,
    })
}

/// Bytes both ways, once they are what was asked for.
async fn pass(
    trace: &mut Trace<'_>,
    caller: &mut (impl AsyncRead + AsyncWrite + Plain + Unpin),
    open: Open,
    mut early: &[u8],
) {
    let Open {
        host,
        plan,
        upstream,
    } = open;
    let read = match plan.carries() {
        Carries::Bytes => Ok(Vec::new()),
        Carries::Tls => {
            let mut reading = (&mut early).chain(&mut *caller);
            way::meant_for(&host, trace, &mut reading).await
        }
    };
    match read {
        Ok(read) => carry(trace, caller, upstream, [&read, early].concat()).await,
        Err(refusal) => trace.stopped(&Stop::Refused(refusal)),
    }
}
