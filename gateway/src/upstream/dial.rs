//! Connections: an idle one if there is a good one, a new one else.
//!
//! New ones race a little (RFC 8305): the next address is tried when the last
//! has failed or has kept silent for a quarter of a second.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use boring::ssl::SslRef;
use boring::x509::X509VerifyError;
use pingora_core::connectors::http::v2::ConnectionRef;
use pingora_core::protocols::http::v2::client::Http2Session;
use pingora_core::protocols::tls::SslStream;
use pingora_core::protocols::{SocketDigest, Stream};
use policy::refusal::Failure;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::http2::http2;
use super::{Pool, PoolKey, Reusable, Target, UpstreamSession, UpstreamTls};
use crate::resolve::VettedAddress;
use crate::socket::{Gathered, Socket};

/// RFC 8305, section 5: the Connection Attempt Delay.
const NEXT_ATTEMPT: Duration = Duration::from_millis(250);

/// An exchange ready to begin.
pub(crate) struct Dialled {
    pub(crate) session: UpstreamSession,
    pub(crate) address: SocketAddr,
    pub(crate) local: Option<SocketAddr>,
    /// The connection served before: it may have been closed meanwhile.
    pub(crate) reused: bool,
    pub(crate) key: PoolKey,
}

/// A connection of its own.
pub(crate) struct Connected {
    pub(crate) stream: Stream,
    pub(crate) address: SocketAddr,
    pub(crate) local: Option<SocketAddr>,
}

/// Why there is no connection.
#[derive(Clone, Debug)]
pub struct DialError {
    /// What kind of failure it is.
    pub failure: Failure,
    /// What an operator needs to know to act.
    pub reason: String,
    /// The address tried last.
    pub address: Option<SocketAddr>,
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for DialError {}

/// Whether an idle connection will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    Any,
    New,
}

/// Makes and keeps connections.
#[derive(Debug)]
pub(crate) struct Dialler {
    pool: Pool<Reusable>,
}

impl Dialler {
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            pool: Pool::new(threads),
        }
    }

    /// Closes connections idle for too long.
    pub(crate) fn sweep(&self) {
        self.pool.sweep(Instant::now());
    }

    /// Connects to one of `addresses`, which serve `host`.
    pub(crate) async fn open(
        &self,
        target: &Target,
        host: &str,
        addresses: &[VettedAddress],
        freshness: Freshness,
    ) -> Result<Dialled, DialError> {
        if freshness == Freshness::Any {
            for address in addresses {
                if let Some(dialled) = self.idle(target, host, address.get()).await {
                    return Ok(dialled);
                }
            }
        }
        in_time(target, addresses, self.connect(target, host, addresses)).await
    }

    async fn idle(&self, target: &Target, host: &str, address: SocketAddr) -> Option<Dialled> {
        let key = target.pool_key(host, address);
        loop {
            let session = match self.pool.take(key)? {
                Reusable::Http1(mut stream) => {
                    if !is_quiet(&mut stream) {
                        continue;
                    }
                    UpstreamSession::http1(stream)
                }
                Reusable::Http2(connection) => match self.stream(target, key, &connection).await {
                    Some(stream) => UpstreamSession::http2(stream),
                    None => continue,
                },
            };
            return Some(Dialled::new(session, address, true, key));
        }
    }

    /// A stream of a shared connection, which stays available to others.
    async fn stream(
        &self,
        target: &Target,
        key: PoolKey,
        connection: &ConnectionRef,
    ) -> Option<Http2Session> {
        if connection.is_closed() || connection.is_shutting_down() {
            return None;
        }
        let stream = connection.spawn_stream().await.ok().flatten();
        let shared = Reusable::Http2(connection.clone());
        self.pool.put(key, shared, target.upstream.idle_timeout);
        stream
    }

    async fn connect(
        &self,
        target: &Target,
        host: &str,
        addresses: &[VettedAddress],
    ) -> Result<Dialled, DialError> {
        let (stream, address) = stream(target, host, addresses).await?;
        let failed = |failure, reason| DialError {
            failure,
            reason,
            address: Some(address),
        };
        let key = target.pool_key(host, address);
        if !target.speaks_http2() {
            let session = UpstreamSession::http1(stream);
            return Ok(Dialled::new(session, address, false, key));
        }
        let connection = http2(stream)
            .await
            .map_err(|e| failed(Failure::Protocol, format!("HTTP/2 set-up failed: {e}")))?;
        let stream = self.stream(target, key, &connection).await;
        let stream = stream.ok_or_else(|| {
            failed(
                Failure::Reset,
                "the upstream admits no HTTP/2 stream".to_owned(),
            )
        })?;
        let session = UpstreamSession::http2(stream);
        Ok(Dialled::new(session, address, false, key))
    }

    /// Ends an exchange that went as it should.
    pub(crate) async fn release(&self, session: UpstreamSession, key: PoolKey, idle: Duration) {
        match session.release().await {
            // HTTP/2 connections were never taken away.
            Some(Reusable::Http2(_)) | None => {}
            Some(stream) => self.pool.put(key, stream, idle),
        }
    }
}

impl Dialled {
    fn new(session: UpstreamSession, address: SocketAddr, reused: bool, key: PoolKey) -> Self {
        let socket = session.digest().and_then(|d| d.socket_digest.as_ref());
        let local = socket.and_then(|socket| local(socket));
        Self {
            session,
            address,
            local,
            reused,
            key,
        }
    }
}

/// A connection that no pool keeps: of TCP alone, for those who bring their own
/// TLS, unless the upstream's policy asks for TLS of ours.
pub(crate) async fn connect(
    target: &Target,
    host: &str,
    addresses: &[VettedAddress],
) -> Result<Connected, DialError> {
    let (stream, address) = in_time(target, addresses, stream(target, host, addresses)).await?;
    let local = stream.get_socket_digest().and_then(|socket| local(&socket));
    Ok(Connected {
        stream,
        address,
        local,
    })
}

async fn stream(
    target: &Target,
    host: &str,
    addresses: &[VettedAddress],
) -> Result<(Stream, SocketAddr), DialError> {
    let (tcp, address) = race(addresses).await?;
    let failed = |failure, reason| DialError {
        failure,
        reason,
        address: Some(address),
    };
    let socket = Socket::new(tcp).map_err(|e| failed(Failure::Connect, describe(&e)))?;
    let Some(tls) = &target.tls else {
        return Ok((Box::new(Gathered::new(socket)), address));
    };
    let done = handshake(tls, host, socket).await;
    let stream = done.map_err(|(failure, reason)| failed(failure, reason))?;
    Ok((Box::new(Gathered::new(stream)), address))
}

/// Our end of a connection.
fn local(socket: &SocketDigest) -> Option<SocketAddr> {
    socket.local_addr()?.as_inet().copied()
}

async fn in_time<T>(
    target: &Target,
    addresses: &[VettedAddress],
    connecting: impl Future<Output = Result<T, DialError>>,
) -> Result<T, DialError> {
    let limit = target.upstream.connect_timeout;
    timeout(limit, connecting).await.unwrap_or_else(|_| {
        Err(DialError {
            failure: Failure::ConnectTimeout,
            reason: format!("no connection within {limit:?}"),
            address: addresses.first().map(|a| a.get()),
        })
    })
}

/// The first address to answer, each tried in its turn.
async fn race(addresses: &[VettedAddress]) -> Result<(TcpStream, SocketAddr), DialError> {
    if let [only] = addresses {
        let address = only.get();
        let connected = TcpStream::connect(address).await;
        return connected
            .map(|tcp| (tcp, address))
            .map_err(|e| refused(&e, address));
    }
    let mut waiting = addresses.iter();
    let mut attempts = JoinSet::new();
    let mut last = None;
    loop {
        let next = waiting.next().map(|a| a.get());
        if let Some(address) = next {
            attempts.spawn(async move { (TcpStream::connect(address).await, address) });
        }
        tokio::select! {
            ended = attempts.join_next() => match ended {
                Some(Ok((Ok(tcp), address))) => return Ok((tcp, address)),
                Some(Ok((Err(error), address))) => last = Some(refused(&error, address)),
                Some(Err(_)) => {}
                None => break,
            },
            () = sleep(NEXT_ATTEMPT), if next.is_some() => {}
        }
    }
    Err(last.unwrap_or_else(|| DialError {
        failure: Failure::NoAddress,
        reason: "the upstream has no address".to_owned(),
        address: None,
    }))
}

fn refused(error: &io::Error, address: SocketAddr) -> DialError {
    DialError {
        failure: Failure::Connect,
        reason: describe(error),
        address: Some(address),
    }
}

/// Without the number the operating system adds.
fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

async fn handshake(
    tls: &Arc<UpstreamTls>,
    host: &str,
    socket: Socket,
) -> Result<SslStream<Socket>, (Failure, String)> {
    let ssl = tls
        .session(host)
        .map_err(|e| (Failure::Internal, format!("TLS set-up failed: {e}")))?;
    let mut stream = SslStream::new(ssl, socket)
        .map_err(|e| (Failure::Internal, format!("TLS set-up failed: {e}")))?;
    match stream.connect().await {
        Ok(()) => Ok(stream),
        Err(error) => Err(diagnose(stream.ssl(), &error, tls.server_name(host))),
    }
}

/// Says what an operator can act on: which check failed, for which name.
fn diagnose(ssl: &SslRef, error: &boring::ssl::Error, name: &str) -> (Failure, String) {
    // Before there is a certificate to verify, BoringSSL says "invalid call".
    if let Err(why) = ssl.verify_result()
        && why != X509VerifyError::INVALID_CALL
    {
        let why = why.error_string();
        return (
            Failure::TlsVerification,
            format!("certificate of `{name}` not accepted: {why}"),
        );
    }
    let text = error.to_string();
    if text.contains("UNSUPPORTED_PROTOCOL") || text.contains("PROTOCOL_VERSION") {
        return (
            Failure::TlsVersion,
            format!("`{name}` speaks no TLS version we accept"),
        );
    }
    (
        Failure::TlsHandshake,
        format!("TLS handshake with `{name}` failed: {text}"),
    )
}

/// An idle connection on which something arrives is closed, or was promised
/// bytes nobody asked for (a response to be mistaken for the next one's).
fn is_quiet(stream: &mut Stream) -> bool {
    let mut byte = [0];
    let mut buffer = ReadBuf::new(&mut byte);
    let mut cx = Context::from_waker(Waker::noop());
    Pin::new(stream)
        .poll_read(&mut cx, &mut buffer)
        .is_pending()
}
