//! HBONE, by which ztunnel brings applications' connections: HTTP/2 within mutual
//! TLS 1.3, every stream a CONNECT, and within it whatever the application says to
//! the address it dialled.
//!
//! The connection's certificate is the workload's own. What is within is judged
//! like what an application says where a sidecar would be: requests by their
//! `Host`, TLS by its server name, at the port that CONNECT names. Only what speaks
//! neither is led by host and port, and decided upon before there is an answer.

mod stream;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use conf::snapshot::ListenerMode;
use h2::RecvStream;
use h2::server::SendResponse;
use http::Request;
use pingora_core::protocols::{IO, Stream};
use policy::canonical::{Authority, Malformed};
use policy::refusal::{Failure, Refusal};
use policy::{RawTunnel, To};
use tokio::io::AsyncRead;
use tokio::time::timeout;

use crate::clock::Moment;
use crate::connection::Connection;
use crate::drain::Phase;
use crate::exchange::{record_abandoned, record_unparsed};
use crate::intake::head::Sketch;
use crate::intake::proxy::{self, Connect};
use crate::relay::End;
use crate::reply::Reply;
use crate::socket::{Gathered, Socket};
use crate::tunnel::{self, Asking};
use crate::{http1, http2};

use stream::OverHttp2;

/// The first byte of a TLS connection (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;
/// What HTTP/2 begins with (RFC 9113, section 3.4), as far as no request does.
const PREFACE: &[u8] = b"PRI ";

/// Serves one stream to its end. Boxed, since within it there may be HTTP/2 again.
pub(crate) fn serve(
    connection: Arc<Connection>,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    begun: Moment,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(stream(connection, request, respond, begun))
}

async fn stream(
    connection: Arc<Connection>,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    begun: Moment,
) {
    let (head, body) = request.into_parts();
    let caller = OverHttp2::new(respond, body);
    let asked = match proxy::check_http2(&head, &connection.limits) {
        Ok(asked) => asked,
        Err(refusal) => {
            caller.refuse(Reply::refusal(refusal)).await;
            let sketch = Sketch {
                method: Some(head.method.as_str().as_bytes()),
                target: None,
                host: head.uri.authority().map(|host| host.as_str().as_bytes()),
                is_http2: true,
            };
            record_unparsed(&connection, &sketch, refusal, begun);
            return;
        }
    };
    let (host, port) = match meant(&connection, &asked.authority) {
        Ok(meant) => meant,
        Err(refusal) => return tunnel::decline(&connection, caller, asked, refusal, begun).await,
    };
    let asked = Connect {
        authority: format!("{host}:{port}").into(),
        ..asked
    };
    let inner = match connection.within(port, caller.presence()) {
        Ok(inner) => inner,
        Err(refusal) => return tunnel::decline(&connection, caller, asked, refusal, begun).await,
    };
    if goes_by_authority(&inner, &asked.authority, begun) {
        return tunnel::connect(&inner, caller, asked, &[], begun).await;
    }
    drop(connection);
    let Ok(within) = caller.agree().await else {
        return record_abandoned(&inner, begun);
    };
    let mut within = Gathered::new(within);
    match listen(&inner, &mut within).await {
        Said::Nothing(end) => tunnel::record_silent(&inner, asked, end, begun),
        said => speak(inner, within, said).await,
    }
}

/// The host that an authority means, by name or by the address that the mesh has
/// for it, and the port.
fn meant(connection: &Connection, authority: &str) -> Result<(Box<str>, u16), Refusal> {
    let asked = Authority::parse(authority.as_bytes()).map_err(Refusal::Malformed)?;
    let port = asked.port();
    let port = port.ok_or(Refusal::Malformed(Malformed::HostPort))?;
    let literal = asked.host().trim_matches(['[', ']']);
    let Ok(address) = literal.parse() else {
        return Ok((asked.host().into(), port));
    };
    let live = connection.gateway.live();
    let host = live.snapshot().settings().vips.find(address);
    Ok((host.ok_or(Refusal::UnknownVip)?.into(), port))
}

/// Whether it is known already where it leads.
fn goes_by_authority(connection: &Connection, authority: &str, begun: Moment) -> bool {
    let seen = connection.seen();
    let raw = RawTunnel {
        to: To::Authority(authority),
        caller: &seen.caller,
        view: connection.listener.view,
        port: connection.listener.port,
        time: begun.nanos,
    };
    seen.live.snapshot().admission().goes_by_authority(raw)
}

/// What an application says.
enum Said {
    Tls,
    Http1,
    Http2,
    /// Nothing, before that end.
    Nothing(End),
}

/// Serves a connection that ztunnel has taken out of HBONE, meant for `host`.
pub(crate) async fn introduced(connection: Connection, socket: Socket, host: &str) {
    let begun = Moment::now();
    let authority: Box<str> = format!("{host}:{}", connection.listener.port).into();
    let mut within = Gathered::new(socket);
    if goes_by_authority(&connection, &authority, begun) {
        let asked = Connect::introduced(authority);
        return tunnel::connect(&connection, Introduced(within), asked, &[], begun).await;
    }
    let said = listen(&connection, &mut within).await;
    speak(connection, within, said).await;
}

/// Who waits for no answer.
struct Introduced(Gathered<Socket>);

impl Asking for Introduced {
    type Bytes = Gathered<Socket>;

    async fn agree(self) -> io::Result<Gathered<Socket>> {
        Ok(self.0)
    }

    async fn refuse(self, _: Reply) {}
}

/// Serves what is within, by what it begins with (as Istio sniffs).
async fn speak<S>(inner: Connection, within: Gathered<S>, said: Said)
where
    Gathered<S>: IO,
    S: AsyncRead + Unpin + 'static,
{
    match said {
        Said::Nothing(_) => {}
        Said::Tls => {
            let inner = inner.speaking(ListenerMode::InnerTls);
            let within: Stream = Box::new(within);
            tunnel::serve(&inner, within, None, Moment::now()).await;
        }
        Said::Http1 => {
            let inner = Arc::new(inner.speaking(ListenerMode::MutualTls));
            http1::serve(inner, Box::new(within)).await;
        }
        Said::Http2 => {
            let inner = Arc::new(inner.speaking(ListenerMode::MutualTls));
            http2::serve(inner, Box::new(within)).await;
        }
    }
}

/// Waits for the first bytes, and leaves them where they are. Applications keep
/// connections for later.
async fn listen<S>(connection: &Connection, within: &mut Gathered<S>) -> Said
where
    S: AsyncRead + Unpin,
{
    let idle = connection.limits.idle_timeout;
    tokio::select! {
        first = timeout(idle, within.look()) => match first {
            Ok(Ok(true)) => {}
            Ok(_) => return Said::Nothing(End::Broken(Failure::ClientGone)),
            Err(_) => return Said::Nothing(End::Idle),
        },
        over = connection.idle_until(Phase::Closing) => {
            return Said::Nothing(over.map_or_else(End::Lost, |()| End::Finished));
        }
    }
    let limit = connection.limits.head_timeout;
    let more = async {
        while PREFACE.starts_with(within.seen()) && within.seen().len() < PREFACE.len() {
            if !matches!(within.look().await, Ok(true)) {
                break;
            }
        }
    };
    // Who takes longer is no HTTP/2, and waited for as HTTP/1.1 is.
    let _ = timeout(limit, more).await;
    match within.seen() {
        [TLS_HANDSHAKE, ..] => Said::Tls,
        seen if seen.starts_with(PREFACE) => Said::Http2,
        _ => Said::Http1,
    }
}
