//! New connections: TCP to the first address that answers, and TLS over it.
//!
//! Addresses race a little (RFC 8305): the next is tried when the last has failed
//! or has kept silent for a quarter of a second.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use boring::ssl::SslRef;
use boring::x509::X509VerifyError;
use pingora_core::protocols::tls::SslStream;
use pingora_core::protocols::{IO, SocketDigest, Stream};
use policy::refusal::Failure;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::breaker::{Overflow, Place};
use super::offer::Spoken;
use super::outliers::Outcome;
use super::{Offer, Target, UpstreamTls};
use crate::resolve::VettedAddress;
use crate::socket::{Gathered, Socket};

/// RFC 8305, section 5: the Connection Attempt Delay.
const NEXT_ATTEMPT: Duration = Duration::from_millis(250);

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

impl From<Overflow> for DialError {
    fn from(Overflow(bound): Overflow) -> Self {
        Self {
            failure: Failure::Overflow,
            reason: format!("`{bound}` of the upstream is reached"),
            address: None,
        }
    }
}

impl DialError {
    pub(super) fn at(address: SocketAddr, failure: Failure, reason: String) -> Self {
        Self {
            failure,
            reason,
            address: Some(address),
        }
    }

    pub(super) fn too_late(address: Option<SocketAddr>, limit: Duration) -> Self {
        Self {
            failure: Failure::ConnectTimeout,
            reason: format!("no connection within {limit:?}"),
            address,
        }
    }
}

/// A connection to be made.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) target: &'a Target,
    /// The upstream's name.
    pub(super) host: &'a str,
    pub(super) addresses: &'a [VettedAddress],
    pub(super) offer: Offer,
    /// When it must stand, HTTP/2's own set-up included.
    pub(super) deadline: Instant,
}

/// A connection that no pool keeps: of TCP alone, for those who bring their own
/// TLS, unless the upstream's policy asks for TLS of ours.
pub(crate) async fn connect(
    target: &Target,
    host: &str,
    addresses: &[VettedAddress],
) -> Result<Connected, DialError> {
    let breaker = target.breaker.as_ref();
    let place = breaker.map(|breaker| breaker.connection_at_once());
    let call = Call::new(target, host, addresses, Offer::Nothing);
    let (stream, address, _) = call.stream(place.transpose()?).await?;
    target.observe(host, address, Outcome::Open, addresses.len());
    let local = stream.get_socket_digest().and_then(|socket| local(&socket));
    Ok(Connected {
        stream,
        address,
        local,
    })
}

/// Our end of a connection.
pub(super) fn local(socket: &SocketDigest) -> Option<SocketAddr> {
    socket.local_addr()?.as_inet().copied()
}

impl<'a> Call<'a> {
    pub(super) fn new(
        target: &'a Target,
        host: &'a str,
        addresses: &'a [VettedAddress],
        offer: Offer,
    ) -> Self {
        Self {
            target,
            host,
            addresses,
            offer,
            deadline: Instant::now() + target.upstream.connect_timeout,
        }
    }

    /// Connects, in `place` where connections are counted.
    pub(super) async fn stream(
        &self,
        place: Option<Place>,
    ) -> Result<(Stream, SocketAddr, Spoken), DialError> {
        let limit = self.target.upstream.connect_timeout;
        let raced = timeout_at(self.deadline, self.race(place)).await;
        let (tcp, place, address) = raced.unwrap_or_else(|_| {
            let all = self.addresses.iter();
            all.for_each(|address| self.failed(address.get(), Outcome::TooLate));
            let first = self.addresses.first().map(|address| address.get());
            Err(DialError::too_late(first, limit))
        })?;
        let secured = timeout_at(self.deadline, self.secure(tcp, place, address)).await;
        let secured = secured.unwrap_or_else(|_| {
            self.failed(address, Outcome::TooLate);
            Err(DialError::too_late(Some(address), limit))
        });
        let (stream, spoken) = secured?;
        self.target
            .observe(self.host, address, Outcome::Connected, self.addresses.len());
        Ok((stream, address, spoken))
    }

    pub(super) fn failed(&self, address: SocketAddr, outcome: Outcome) {
        self.target
            .observe(self.host, address, outcome, self.addresses.len());
    }

    async fn secure(
        &self,
        tcp: TcpStream,
        place: Option<Place>,
        address: SocketAddr,
    ) -> Result<(Stream, Spoken), DialError> {
        let failed = |failure, reason| {
            self.failed(address, Outcome::NoConnection);
            DialError::at(address, failure, reason)
        };
        let socket = Socket::new(tcp).map_err(|e| failed(Failure::Connect, describe(&e)))?;
        let socket = match place {
            Some(place) => socket.keeping(place),
            None => socket,
        };
        let Some(proxy) = &self.target.proxy else {
            return self.over(socket, address).await;
        };
        let refused = |(failure, reason)| failed(failure, reason);
        let (host, port) = (self.host, self.target.upstream.port);
        match &proxy.tls {
            None => {
                let mut stream = socket;
                proxy.open(&mut stream, host, port).await.map_err(refused)?;
                self.over(stream, address).await
            }
            Some(tls) => {
                let name = &proxy.via().host;
                let secured = handshake(tls, name, Offer::Nothing, socket).await;
                let mut stream = secured.map_err(refused)?;
                proxy.open(&mut stream, host, port).await.map_err(refused)?;
                self.over(stream, address).await
            }
        }
    }

    /// TLS with the upstream, where there is to be any.
    async fn over<S: IO + 'static>(
        &self,
        stream: S,
        address: SocketAddr,
    ) -> Result<(Stream, Spoken), DialError> {
        let failed = |failure, reason| {
            self.failed(address, Outcome::NoConnection);
            DialError::at(address, failure, reason)
        };
        let Some(tls) = &self.target.tls else {
            let stream = Box::new(Gathered::new(stream));
            return Ok((stream, self.offer.in_plain_text()));
        };
        let done = handshake(tls, self.host, self.offer, stream).await;
        let stream = done.map_err(|(failure, reason)| failed(failure, reason))?;
        let spoken = self.offer.agreed(stream.ssl().selected_alpn_protocol());
        let spoken = spoken.ok_or_else(|| {
            let name = tls.server_name(self.host);
            let reason = format!("`{name}` does not agree to HTTP/2: write `protocol: auto`");
            failed(Failure::Protocol, reason)
        })?;
        Ok((Box::new(Gathered::new(stream)), spoken))
    }

    /// The first address to answer, each tried in its turn, and each in a place of
    /// its own.
    async fn race(
        &self,
        place: Option<Place>,
    ) -> Result<(TcpStream, Option<Place>, SocketAddr), DialError> {
        let failed = |error: &io::Error, address| {
            self.failed(address, Outcome::NoConnection);
            DialError::at(address, Failure::Connect, describe(error))
        };
        if let [only] = self.addresses {
            let address = only.get();
            let connected = TcpStream::connect(address).await;
            return connected
                .map(|tcp| (tcp, place, address))
                .map_err(|e| failed(&e, address));
        }
        let mut waiting = self.addresses.iter().peekable();
        let mut attempts = JoinSet::new();
        let mut last = None;
        let mut free = place;
        loop {
            let breaker = self.target.breaker.as_ref();
            if free.is_none() {
                free = breaker.and_then(|breaker| breaker.connection());
            }
            // Where connections are counted and none is left, one waits for those
            // under way.
            let may_try = breaker.is_none() || free.is_some();
            if let Some(address) = waiting.next_if(|_| may_try) {
                let address = address.get();
                let place = free.take();
                attempts.spawn(async move {
                    let connected = TcpStream::connect(address).await;
                    (connected, place, address)
                });
            }
            tokio::select! {
                ended = attempts.join_next() => match ended {
                    Some(Ok((Ok(tcp), place, address))) => return Ok((tcp, place, address)),
                    Some(Ok((Err(error), place, address))) => {
                        free = place.or(free);
                        last = Some(failed(&error, address));
                    }
                    Some(Err(_)) => {}
                    None => break,
                },
                () = sleep(NEXT_ATTEMPT), if waiting.peek().is_some() => {}
            }
        }
        Err(last.unwrap_or_else(|| DialError {
            failure: Failure::NoAddress,
            reason: "the upstream has no address".to_owned(),
            address: None,
        }))
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

async fn handshake<S: IO>(
    tls: &UpstreamTls,
    host: &str,
    offer: Offer,
    stream: S,
) -> Result<SslStream<S>, (Failure, String)> {
    let ssl = tls
        .session(host, offer)
        .map_err(|e| (Failure::Internal, format!("TLS set-up failed: {e}")))?;
    let mut stream = SslStream::new(ssl, stream)
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
