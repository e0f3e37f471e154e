//! Connections for exchanges: an idle one if there is a good one, a new one else,
//! and where connections are bounded, a wait for either.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use pingora_core::connectors::http::v2::ConnectionRef;
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::v2::client::Http2Session;
use policy::refusal::Failure;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::timeout_at;

use super::breaker::{Breaker, Load, Place};
use super::connect::{Call, DialError, local};
use super::http2::{MAX_STREAMS, http2};
use super::lease::Lease;
use super::offer::{Spoken, Wanted};
use super::outliers::Outcome;
use super::pool::Search;
use super::tenure::Tenure;
use super::{Offer, Pool, PoolKey, Reusable, Target, UpstreamSession};
use crate::resolve::VettedAddress;

/// An idle connection that is closed has ended by then: more than its farewell takes.
const ENDING: Duration = Duration::from_secs(2);

/// An exchange ready to begin.
pub(crate) struct Dialled {
    pub(crate) session: UpstreamSession,
    pub(crate) address: SocketAddr,
    pub(crate) local: Option<SocketAddr>,
    /// The connection served before: it may have been closed meanwhile.
    pub(crate) reused: bool,
}

/// Whether an idle connection will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    Any,
    New,
}

/// Makes and keeps connections.
#[derive(Debug)]
pub(crate) struct Dialler {
    pool: Pool<Kept>,
}

/// An idle connection, counted as such where its upstream is bounded.
#[derive(Debug)]
struct Kept {
    connection: Reusable,
    _idle: Option<Place>,
}

/// Where an exchange looks for a connection.
#[derive(Clone, Copy)]
struct Way<'a> {
    target: &'a Target,
    host: &'a str,
    addresses: &'a [VettedAddress],
    offer: Offer,
    freshness: Freshness,
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
        wanted: Wanted,
    ) -> Result<Dialled, DialError> {
        let way = Way {
            target,
            host,
            addresses,
            offer: target.offer(wanted),
            freshness,
        };
        let Some(breaker) = &target.breaker else {
            return match self.idle(way, Search::Glance).await {
                Some(dialled) => Ok(dialled),
                None => self.connect(way, None).await,
            };
        };
        let request = breaker.request()?;
        let mut dialled = match self.idle(way, Search::Glance).await {
            Some(dialled) => dialled,
            None => self.in_turn(way, breaker).await?,
        };
        dialled.session.lease.place = Some(request);
        Ok(dialled)
    }

    /// Waits for a connection, as long as nobody calls it off.
    async fn in_turn(&self, way: Way<'_>, breaker: &Breaker) -> Result<Dialled, DialError> {
        let _pending = breaker.pending()?;
        let load = breaker.load();
        let mut told = false;
        // Until when an idle connection closed for this one may still be ending.
        let mut ending: Option<Instant> = None;
        loop {
            let mut freed = pin!(load.freed());
            freed.as_mut().enable();
            if let Some(dialled) = self.idle(way, Search::Thorough).await {
                return Ok(dialled);
            }
            if let Some(place) = breaker.connection() {
                return self.connect(way, Some(place)).await;
            }
            // What became free may be of use to another who waits.
            if told {
                load.pass_on();
            }
            // One that waits for another name or address gives way; one at a time, since
            // sockets of HTTP/2 end later.
            let now = Instant::now();
            if ending.is_none_or(|ending| ending <= now) {
                let closed = load.has_idle() && self.make_room(way, load);
                ending = closed.then(|| now + ENDING);
            }
            told = match ending {
                Some(ending) => timeout_at(ending.into(), freed).await.is_ok(),
                None => {
                    freed.await;
                    true
                }
            };
        }
    }

    /// Closes an idle connection of `load`'s that is no use on this way.
    fn make_room(&self, way: Way<'_>, load: &Arc<Load>) -> bool {
        let addresses = way.addresses.iter().map(|address| address.get());
        let key = |address| way.target.pool_key(way.host, address, way.offer);
        let own: Vec<PoolKey> = match way.freshness {
            Freshness::Any => addresses.map(key).collect(),
            Freshness::New => Vec::new(),
        };
        self.pool
            .evict(|key, kept| !own.contains(&key) && kept.is_spare_of(load))
    }

    async fn idle(&self, way: Way<'_>, search: Search) -> Option<Dialled> {
        if way.freshness == Freshness::New {
            return None;
        }
        for address in way.addresses {
            if let Some(dialled) = self.idle_at(way, address.get(), search).await {
                return Some(dialled);
            }
        }
        None
    }

    async fn idle_at(&self, way: Way<'_>, address: SocketAddr, search: Search) -> Option<Dialled> {
        let key = way.target.pool_key(way.host, address, way.offer);
        // Connections all of whose streams are taken: they go back once another is
        // found, or none.
        let mut full = Vec::new();
        let found = loop {
            let Some(kept) = self.pool.take(key, search) else {
                break None;
            };
            let tenure = kept.connection.tenure();
            if tenure.is_some_and(|tenure| tenure.remaining().is_none()) {
                continue;
            }
            match kept.connection {
                Reusable::Http1(mut stream, tenure) => {
                    if is_quiet(&mut stream) {
                        let lease = Lease::new(key, way.target, tenure);
                        lease.used();
                        break Some(UpstreamSession::http1(stream, lease));
                    }
                }
                Reusable::Http2(connection, tenure) => {
                    let lease = Lease::new(key, way.target, tenure.clone());
                    match stream(&connection).await {
                        Ok(Some(stream)) => {
                            lease.used();
                            self.put(Reusable::Http2(connection, tenure), &lease);
                            break Some(UpstreamSession::http2(stream, lease));
                        }
                        Ok(None) => full.push((Reusable::Http2(connection, tenure), lease)),
                        Err(Gone) => {}
                    }
                }
            }
        };
        for (connection, lease) in full {
            self.put(connection, &lease);
        }
        found.map(|session| Dialled::new(session, address, true))
    }

    async fn connect(&self, way: Way<'_>, place: Option<Place>) -> Result<Dialled, DialError> {
        let call = Call::new(way.target, way.host, way.addresses, way.offer);
        let (mut stream, address, spoken) = call.stream(place).await?;
        let breaker = way.target.breaker.as_ref();
        let tenure = breaker.map(|breaker| Arc::new(Tenure::new(breaker)));
        let key = way.target.pool_key(way.host, address, way.offer);
        let lease = Lease::new(key, way.target, tenure.clone());
        let session = match spoken {
            Spoken::Http1 => {
                // Nothing has been asked yet; of TLS the handshake would have told.
                let is_proxied = way.target.proxy.is_some() && way.target.tls.is_none();
                if is_proxied && !is_quiet(&mut stream) {
                    let reason = "bytes behind the proxy's answer".to_owned();
                    return Err(DialError::at(address, Failure::ProxyProtocol, reason));
                }
                UpstreamSession::http1(stream, lease)
            }
            Spoken::Http2 => {
                let connection = self.http2(&call, stream, address).await?;
                let stream = self::stream(&connection).await.ok().flatten();
                let stream = stream.ok_or_else(|| {
                    let reason = "the upstream admits no HTTP/2 stream".to_owned();
                    DialError::at(address, Failure::Reset, reason)
                })?;
                self.put(Reusable::Http2(connection, tenure), &lease);
                UpstreamSession::http2(stream, lease)
            }
        };
        Ok(Dialled::new(session, address, false))
    }

    async fn http2(
        &self,
        call: &Call<'_>,
        stream: Stream,
        address: SocketAddr,
    ) -> Result<ConnectionRef, DialError> {
        let streams = call.target.upstream.bounds.streams;
        let streams = streams.and_then(|most| usize::try_from(most.get()).ok());
        let set_up = http2(stream, streams.unwrap_or(MAX_STREAMS));
        match timeout_at(call.deadline, set_up).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => {
                call.failed(address, Outcome::NoConnection);
                let reason = format!("HTTP/2 set-up failed: {error}");
                Err(DialError::at(address, Failure::Protocol, reason))
            }
            Err(_) => {
                call.failed(address, Outcome::TooLate);
                let limit = call.target.upstream.connect_timeout;
                Err(DialError::too_late(Some(address), limit))
            }
        }
    }

    /// Ends an exchange that went as it should.
    pub(crate) async fn release(&self, session: UpstreamSession) {
        match session.release().await {
            // HTTP/2 connections were never taken away.
            None | Some((Reusable::Http2(..), _)) => {}
            // The lease is given up after that: whoever waits finds the connection.
            Some((connection, lease)) => self.put(connection, &lease),
        }
    }

    /// Keeps a connection that may serve again, and tells one who waits for it.
    ///
    /// While somebody tries a shared one, others find none: whoever puts it back
    /// looks whether a stream has become free meanwhile. Of one that is full nobody
    /// is told, or all who wait would wake each other in turn.
    fn put(&self, connection: Reusable, lease: &Lease) {
        let mut idle = lease.idle;
        let mut counted = None;
        let mut shared = None;
        if let Some(tenure) = connection.tenure() {
            let Some(remaining) = tenure.remaining() else {
                return;
            };
            idle = idle.min(remaining);
            counted = tenure.load().idle();
            shared = connection.shared();
        }
        let kept = Kept {
            connection,
            _idle: counted,
        };
        self.pool.put(lease.key, kept, idle);
        if let Some(tenure) = &lease.tenure
            && shared.is_none_or(|connection| connection.can_accept_streams(1))
        {
            tenure.load().wake();
        }
    }
}

impl Kept {
    /// Whether nobody uses it, and closing it makes room for `load`.
    fn is_spare_of(&self, load: &Arc<Load>) -> bool {
        let tenure = self.connection.tenure();
        let is_its = tenure.is_some_and(|tenure| Arc::ptr_eq(tenure.load(), load));
        is_its
            && match &self.connection {
                Reusable::Http1(..) => true,
                Reusable::Http2(connection, _) => connection.is_idle(),
            }
    }
}

impl Dialled {
    fn new(session: UpstreamSession, address: SocketAddr, reused: bool) -> Self {
        let socket = session.digest().and_then(|d| d.socket_digest.as_ref());
        let local = socket.and_then(|socket| local(socket));
        Self {
            session,
            address,
            local,
            reused,
        }
    }
}

/// The connection is over.
struct Gone;

/// A stream of a shared connection; nothing while all are taken.
async fn stream(connection: &ConnectionRef) -> Result<Option<Http2Session>, Gone> {
    if connection.is_closed() || connection.is_shutting_down() {
        return Err(Gone);
    }
    // What the server admits may be less than our own bound; beyond it the library
    // would queue in silence, behind others for as long as they like.
    if !connection.can_accept_streams(1) {
        return Ok(None);
    }
    match connection.spawn_stream().await {
        // The answer to a server that says farewell is the same as to a full one.
        Ok(None) if connection.is_shutting_down() => Err(Gone),
        Ok(stream) => Ok(stream),
        Err(_) => Err(Gone),
    }
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
