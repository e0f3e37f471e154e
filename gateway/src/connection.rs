//! One connection from the mesh: permit → TLS → identity → HTTP/1.1 or HTTP/2;
//! or, where applications come themselves, plain HTTP or a tunnel for their TLS.
//!
//! What ends before there is a request is recorded here; from then on
//! `exchange` records.

mod introduced;
mod naming;
mod spoken;
mod standing;
mod within;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arc_swap::ArcSwap;
use conf::snapshot::{Limits, Listener, ListenerMode};
use pingora_core::protocols::tls::SslStream;
use pingora_core::protocols::tls::server::prepare_tls_stream;
use pingora_core::protocols::{ALPN, Ssl, Stream};
use policy::door::View;
use policy::principal::Principal;
use policy::refusal::Refusal;
use tokio::net::TcpStream;
use tokio::time::{Instant as Deadline, timeout, timeout_at};

use crate::clock::Moment;
use crate::drain::{Drain, Phase};
use crate::gateway::Gateway;
use crate::identity::{Shown, handshake_refusal};
use crate::limits::Permit;
use crate::live::{Live, Seen};
use crate::metrics::Open;
use crate::record::Record;
use crate::server_name::ServerName;
use crate::socket::{Gathered, Presence, Socket};
use crate::tunnel::ClientHello;
use crate::wildcards::Names;
use spoken::Spoken;

/// The first byte of a TLS connection (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// Everything requests of one connection share.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) listener: Arc<Listener>,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) principal: Option<Principal>,
    /// As sent.
    pub(crate) requested_server_name: Option<Box<str>>,
    /// As understood.
    pub(crate) server_name: ServerName,
    pub(crate) limits: Limits,
    pub(crate) drain: Drain,
    /// Whether the caller is still there.
    pub(crate) presence: Presence,
    /// What the principal was verified by.
    shown: Option<Arc<Shown>>,
    /// Who has said whose connection it is, where nothing proves it.
    introducer: Option<IpAddr>,
    seen: ArcSwap<Seen>,
    /// What the caller asked for by wildcards, once he does.
    names: OnceLock<Arc<Names>>,
    _permit: Option<Permit>,
    _counted: Open,
}

/// A socket just accepted.
pub(crate) struct Accepted {
    pub(crate) gateway: Arc<Gateway>,
    /// What the gateway ran on when it came; `listener` is of that.
    pub(crate) live: Arc<Live>,
    pub(crate) listener: Arc<Listener>,
    pub(crate) tcp: TcpStream,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) drain: Drain,
}

impl Accepted {
    /// Serves the connection to its end.
    pub(crate) fn serve(self, permit: Permit) -> impl Future<Output = ()> + Send {
        // Boxed, so that what a handshake needs is given back after it.
        let beginning = Box::pin(self.begin(permit));
        async move {
            if let Some(spoken) = beginning.await {
                spoken.serve().await;
            }
        }
    }

    /// `None`: the connection ended before it came to speak, and that is told.
    async fn begin(self, mut permit: Permit) -> Option<Spoken> {
        let begun = Moment::now();
        let (mut draft, live, tcp) = self.draft();
        let socket = Socket::new(tcp).ok()?;
        let spoken = match draft.listener.mode {
            ListenerMode::Plaintext | ListenerMode::PlainProxy => {
                return draft.speak_plainly(live, permit, socket).await;
            }
            ListenerMode::Passthrough => {
                let first = timeout(draft.limits.handshake_timeout, socket.first_byte()).await;
                match first {
                    Ok(Ok(Some(TLS_HANDSHAKE))) => {
                        return draft.pass_through(live, permit, socket).await;
                    }
                    Ok(Ok(Some(_))) => Err(Refusal::Plaintext),
                    Ok(_) => Err(Refusal::HandshakeFailed),
                    Err(_) => Err(Refusal::HandshakeTimeout),
                }
            }
            ListenerMode::ProxyProtocol => return draft.introduced(live, permit, socket).await,
            ListenerMode::PlainTcp => return draft.carry(live, permit, Box::new(socket)),
            ListenerMode::MutualTls
            | ListenerMode::InnerTls
            | ListenerMode::Tcp
            | ListenerMode::Proxy
            | ListenerMode::Hbone => draft.secure(&live, socket).await,
        };
        permit.shaken();
        match spoken {
            // Whatever was agreed on, sidecars send nothing but the bytes.
            Ok((stream, _)) if draft.listener.mode.passes_on() => draft.carry(live, permit, stream),
            Ok((stream, alpn)) => draft.speak(live, permit, stream, alpn),
            Err(refusal) => {
                drop(permit);
                draft.finish(live, None).record_refused(refusal, begun);
                None
            }
        }
    }
}

impl Accepted {
    /// Closes the connection at once, on record.
    pub(crate) fn refuse(self, refusal: Refusal, begun: Moment) {
        let (draft, live, tcp) = self.draft();
        drop(tcp);
        draft.finish(live, None).record_refused(refusal, begun);
    }

    fn draft(self) -> (Draft, Arc<Live>, TcpStream) {
        let Self { live, tcp, .. } = self;
        let draft = Draft {
            presence: (&tcp).into(),
            gateway: self.gateway,
            listener: self.listener,
            local: self.local,
            remote: self.remote,
            drain: self.drain,
            limits: live.snapshot().settings().limits.clone(),
            principal: None,
            shown: None,
            introducer: None,
            requested_server_name: None,
            server_name: ServerName::Ourselves,
        };
        (draft, live, tcp)
    }
}

/// A connection before it is known who calls.
struct Draft {
    gateway: Arc<Gateway>,
    listener: Arc<Listener>,
    local: SocketAddr,
    remote: SocketAddr,
    drain: Drain,
    presence: Presence,
    limits: Limits,
    principal: Option<Principal>,
    shown: Option<Shown>,
    introducer: Option<IpAddr>,
    requested_server_name: Option<Box<str>>,
    server_name: ServerName,
}

impl Draft {
    /// Handshake, then identity, then server name.
    async fn secure(
        &mut self,
        live: &Live,
        socket: Socket,
    ) -> Result<(Stream, Option<ALPN>), Refusal> {
        let acceptor = live.acceptor().ok_or(Refusal::HandshakeFailed)?;
        let deadline = Deadline::now() + self.limits.handshake_timeout;
        match timeout_at(deadline, socket.first_byte()).await {
            Ok(Ok(Some(TLS_HANDSHAKE))) => {}
            Ok(Ok(Some(_))) => return Err(Refusal::Plaintext),
            Ok(_) => return Err(Refusal::HandshakeFailed),
            Err(_) => return Err(Refusal::HandshakeTimeout),
        }
        let mut stream = prepare_tls_stream(acceptor.tls(self.listener.mode), socket)
            .map_err(|_| Refusal::HandshakeFailed)?;
        let shaken = timeout_at(deadline, stream.accept()).await;
        self.read_server_name(&stream, live);
        match shaken {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(handshake_refusal(stream.ssl(), &error)),
            Err(_) => return Err(Refusal::HandshakeTimeout),
        }
        let (principal, shown) = acceptor.identify(stream.ssl())?;
        self.principal = Some(principal);
        self.shown = Some(shown);
        self.check_server_name()?;
        if self.listener.mode.names_ports() {
            // It is the listener's own.
            self.server_name = ServerName::Ourselves;
        }
        let alpn = stream.selected_alpn_proto();
        if self.listener.mode == ListenerMode::Hbone && alpn != Some(ALPN::H2) {
            return Err(Refusal::HandshakeFailed);
        }
        Ok((Box::new(Gathered::new(stream)), alpn))
    }

    fn read_server_name(&mut self, stream: &SslStream<Socket>, live: &Live) {
        let sent = stream.ssl().servername(boring::ssl::NameType::HOST_NAME);
        self.server_name = ServerName::parse(sent, &live.snapshot().settings().gateway);
        self.requested_server_name = sent.map(Into::into);
    }

    /// A listener without hosts takes every name; one with hosts, only those.
    fn check_server_name(&self) -> Result<(), Refusal> {
        let hosts = &self.listener.hosts;
        match &self.server_name {
            ServerName::Malformed => Err(Refusal::UnknownServerName),
            _ if hosts.is_empty() => Ok(()),
            ServerName::Host(name) if hosts.iter().any(|h| h.matches(name)) => Ok(()),
            ServerName::Host(_) | ServerName::Ourselves => Err(Refusal::UnknownServerName),
        }
    }

    fn speak(
        self,
        live: Arc<Live>,
        permit: Permit,
        stream: Stream,
        alpn: Option<ALPN>,
    ) -> Option<Spoken> {
        let connection = Arc::new(self.admit(live, permit, Moment::now())?);
        Some(match alpn {
            Some(ALPN::H2) => Spoken::Http2(connection, stream),
            _ => Spoken::Http1(connection, stream),
        })
    }

    /// Passes on what is not ours to end, whatever is in it.
    fn carry(self, live: Arc<Live>, permit: Permit, stream: Stream) -> Option<Spoken> {
        let begun = Moment::now();
        let connection = self.admit(live, permit, begun)?;
        Some(Spoken::Carried(Box::new(connection), stream, begun))
    }

    /// The connection, if its principal has not too many.
    fn admit(self, live: Arc<Live>, permit: Permit, begun: Moment) -> Option<Connection> {
        match permit.of_principal(self.principal.as_ref(), &self.limits) {
            Ok(permit) => Some(self.finish(live, Some(permit))),
            Err(refusal) => {
                self.finish(live, None).record_refused(refusal, begun);
                None
            }
        }
    }

    /// Plain HTTP; in the mesh's view also TLS, which a sidecar passes through:
    /// applications bring both, to the same ports (Istio sniffs likewise).
    async fn speak_plainly(
        self,
        live: Arc<Live>,
        permit: Permit,
        socket: Socket,
    ) -> Option<Spoken> {
        let sniffs = self.listener.view == View::Mesh && !self.listener.mode.is_proxy();
        if sniffs && self.first_byte(&socket).await? == TLS_HANDSHAKE {
            return self.pass_through(live, permit, socket).await;
        }
        let connection = Arc::new(self.finish(live, Some(permit)));
        Some(Spoken::Http1(connection, Box::new(Gathered::new(socket))))
    }

    /// `None`: the client left, was idle for too long, or we are draining.
    async fn first_byte(&self, socket: &Socket) -> Option<u8> {
        let mut drain = self.drain.clone();
        tokio::select! {
            biased;
            first = timeout(self.limits.idle_timeout, socket.first_byte()) => first.ok()?.ok()?,
            () = drain.reached(Phase::Closing) => None,
        }
    }

    /// Reads the server name, and leaves the rest to the tunnel.
    async fn pass_through(
        mut self,
        live: Arc<Live>,
        permit: Permit,
        socket: Socket,
    ) -> Option<Spoken> {
        let begun = Moment::now();
        let mut tcp = socket.into_tcp();
        let hello = timeout(self.limits.head_timeout, ClientHello::read(&mut tcp)).await;
        let hello = hello.unwrap_or(Err(Refusal::HandshakeTimeout));
        match hello.and_then(|hello| self.check_hello(hello, &live)) {
            Ok(hello) => {
                let connection = Box::new(self.finish(live, Some(permit)));
                Some(Spoken::Passed(connection, tcp, hello, begun))
            }
            Err(refusal) => {
                drop((permit, tcp));
                self.finish(live, None).record_refused(refusal, begun);
                None
            }
        }
    }

    /// What is no host name at all is left for policy to refuse.
    fn check_hello(&mut self, hello: ClientHello, live: &Live) -> Result<ClientHello, Refusal> {
        let sent = &hello.server_name;
        self.server_name = ServerName::parse(Some(sent), &live.snapshot().settings().gateway);
        self.requested_server_name = Some(sent.clone());
        if !self.listener.hosts.is_empty() {
            self.check_server_name()?;
        }
        Ok(hello)
    }

    fn finish(self, live: Arc<Live>, permit: Option<Permit>) -> Connection {
        let seen = Seen::new(live, self.principal.clone(), self.remote.ip());
        let counted = self.gateway.metrics.connection_opened();
        Connection {
            gateway: self.gateway,
            listener: self.listener,
            local: self.local,
            remote: self.remote,
            principal: self.principal,
            requested_server_name: self.requested_server_name,
            server_name: self.server_name,
            limits: self.limits,
            drain: self.drain,
            presence: self.presence,
            shown: self.shown.map(Arc::new),
            introducer: self.introducer,
            seen: ArcSwap::from_pointee(seen),
            names: OnceLock::new(),
            _permit: permit,
            _counted: counted,
        }
    }
}

impl Connection {
    /// The current snapshot and the caller in its eyes.
    pub(crate) fn seen(&self) -> Arc<Seen> {
        let seen = self.seen.load_full();
        if self.gateway.runs_on(&seen.live) {
            return seen;
        }
        let seen = Arc::new(self.look(&seen));
        self.seen.store(Arc::clone(&seen));
        seen
    }

    /// An empty record of this connection.
    pub(crate) fn record<'a>(&'a self, live: &'a Live, begun: Moment) -> Record<'a> {
        Record {
            duration: begun.at.elapsed(),
            listener: &self.listener.name,
            requested_server_name: self.requested_server_name.as_deref(),
            source_principal: self.principal.as_ref(),
            reporter_uid: Some(live.reporter_uid()),
            snapshot: live.digest(),
            ..Record::of_connection(begun.nanos, self.local, self.remote)
        }
    }

    /// Records a connection that never came to a request.
    pub(crate) fn record_refused(&self, refusal: Refusal, begun: Moment) {
        let seen = self.seen();
        let mut record = self.record(&seen.live, begun);
        record.refusal = Some(refusal.code());
        record.response_flags = refusal.flags().into();
        record.response_code_details = Some(refusal.details().into());
        record.connection_termination_details = Some(refusal.details().into());
        self.gateway.observe(&record, None, &seen.live, None);
    }

    pub(crate) fn deadline_for_idle(&self) -> Instant {
        Instant::now() + self.limits.idle_timeout
    }
}
