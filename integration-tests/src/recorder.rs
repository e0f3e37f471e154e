//! An external host that remembers every byte it was sent, and misbehaves when
//! asked to. The path says how: see [`crate::reply`].
//!
//! Plain threads and BoringSSL; HTTP/1.1 only, within TLS or without. With
//! client roots it also stands in for the gateway, to see what a sidecar really
//! sends.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use boring::ex_data::Index;
use boring::ssl::{
    AlpnError, NameType, Ssl, SslAcceptor, SslFiletype, SslMethod, SslRef, SslStream, SslVerifyMode,
};

use crate::message::{Message, read_body, read_head};
use crate::pki::Credential;
use crate::reply::{Conduct, Stop};
use crate::wait::until;

/// The running origin; stops when dropped.
#[derive(Debug)]
pub struct Recorder {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// One request, with what is known of its connection; without TLS, nothing of it.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Number of the connection it came on, from 1.
    pub connection: usize,
    /// Server name of the TLS handshake.
    pub server_name: Option<String>,
    /// Protocols offered, in order.
    pub alpn: Vec<String>,
    /// TLS version, as BoringSSL names it; empty without TLS.
    pub tls_version: String,
    /// Key exchange group agreed on.
    pub group: String,
    /// URI names of the client's certificate.
    pub client_uris: Vec<String>,
    /// The request.
    pub message: Message,
}

/// Whether clients must show a certificate.
#[derive(Clone, Copy, Debug)]
pub enum Clients<'a> {
    /// They need none.
    Anyone,
    /// They need one by these roots.
    VouchedBy(&'a Path),
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    accepted: AtomicUsize,
    ended: AtomicUsize,
    stop: Stop,
}

impl Recorder {
    /// Starts on a free port of loopback.
    ///
    /// # Panics
    /// When the credential cannot be used or no port is free.
    #[must_use]
    pub fn start(credential: &Credential, clients: Clients<'_>) -> Self {
        let offered = Ssl::new_ex_index().expect("a slot for the protocols offered");
        let acceptor = acceptor(credential, clients, offered);
        Self::serving(move |stream, connection, shared| {
            let tls = acceptor.accept(stream);
            let stream = tls.map_err(|_| io::ErrorKind::ConnectionAborted)?;
            let seen = |stream: &SslStream<TcpStream>| describe(stream, offered, connection);
            serve(stream, seen, SslStream::get_ref, shared)
        })
    }

    /// Starts one that speaks HTTP without TLS.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn plain() -> Self {
        Self::serving(|stream, connection, shared| {
            let seen = |_: &TcpStream| Seen {
                connection,
                ..Seen::default()
            };
            serve(stream, seen, |stream| stream, shared)
        })
    }

    fn serving(
        connection: impl Fn(TcpStream, usize, &Shared) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &Arc::new(connection), &serving));
        Self { address, shared }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many TCP connections were made, whatever became of them.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many of them are over, whoever ended them.
    #[must_use]
    pub fn ended_connections(&self) -> usize {
        self.shared.ended.load(Ordering::SeqCst)
    }

    /// Every request so far, in order of arrival.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.requests().clone()
    }

    /// Requests for `target`.
    #[must_use]
    pub fn seen_for(&self, target: &str) -> Vec<Seen> {
        let mut seen = self.seen();
        seen.retain(|request| request.message.target() == target);
        seen
    }

    /// The first request for `target`, once it has come.
    ///
    /// # Panics
    /// When it does not come in time.
    #[track_caller]
    #[must_use]
    pub fn wait_for(&self, target: &str) -> Seen {
        let what = format!("the origin was asked for {target}");
        until(&what, || self.seen_for(target).into_iter().next())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.shared.stop.now();
        // The accepting thread sees the flag when a connection wakes it.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn requests(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a request as soon as its head is there; returns its place.
    fn keep(&self, seen: Seen) -> usize {
        let mut requests = self.requests();
        requests.push(seen);
        requests.len() - 1
    }
}

type Offered = Index<Ssl, Vec<String>>;

fn acceptor(credential: &Credential, clients: Clients<'_>, offered: Offered) -> SslAcceptor {
    let mut tls = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).expect("TLS");
    tls.set_certificate_chain_file(&credential.chain)
        .expect("the chain");
    tls.set_private_key_file(&credential.key, SslFiletype::PEM)
        .expect("the key");
    tls.set_curves_list("X25519MLKEM768:X25519:P-256")
        .expect("the groups");
    if let Clients::VouchedBy(roots) = clients {
        tls.set_ca_file(roots).expect("the clients' roots");
        tls.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    }
    tls.set_alpn_select_callback(move |ssl, list| select(ssl, list, offered));
    tls.build()
}

/// HTTP/1.1 if offered, else no protocol; never a failed handshake.
fn select<'a>(ssl: &mut SslRef, list: &'a [u8], offered: Offered) -> Result<&'a [u8], AlpnError> {
    let protocols = protocols(list);
    let names = protocols
        .iter()
        .map(|p| String::from_utf8_lossy(p).into_owned());
    ssl.set_ex_data(offered, names.collect());
    protocols
        .into_iter()
        .find(|p| *p == b"http/1.1")
        .ok_or(AlpnError::NOACK)
}

/// Splits the wire form: each name after its length (RFC 7301, 3.1).
fn protocols(mut list: &[u8]) -> Vec<&[u8]> {
    let mut names = Vec::new();
    while let Some((length, rest)) = list.split_first() {
        let (name, after) = rest.split_at(usize::from(*length));
        names.push(name);
        list = after;
    }
    names
}

fn accept<F>(listener: &TcpListener, connection: &Arc<F>, shared: &Arc<Shared>)
where
    F: Fn(TcpStream, usize, &Shared) -> io::Result<()> + Send + Sync + 'static,
{
    for stream in listener.incoming().flatten() {
        if shared.stop.is_set() {
            return;
        }
        let number = shared.accepted.fetch_add(1, Ordering::SeqCst) + 1;
        let (connection, shared) = (Arc::clone(connection), Arc::clone(shared));
        thread::spawn(move || {
            let ready = stream
                .set_read_timeout(Some(Duration::from_secs(60)))
                .and_then(|()| stream.set_nodelay(true));
            let _ = ready.and_then(|()| connection(stream, number, &shared));
            shared.ended.fetch_add(1, Ordering::SeqCst);
        });
    }
}

/// Serves one connection: `seen` tells what is known of it, `tcp` what it runs on.
fn serve<S: Read + Write>(
    mut stream: S,
    seen: impl Fn(&S) -> Seen,
    tcp: impl Fn(&S) -> &TcpStream,
    shared: &Shared,
) -> io::Result<()> {
    while let Some(message) = read_head(&mut stream)? {
        let place = shared.keep(Seen {
            message,
            ..seen(&stream)
        });
        let request = finish(&mut stream, shared, place)?;
        match Conduct::asked_by(&request).perform(&mut stream, &request, &shared.stop)? {
            After::KeepAlive => stream.flush()?,
            After::Close => return Ok(()),
            After::Reset => return reset(tcp(&stream)),
        }
    }
    Ok(())
}

/// What becomes of a connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The next request may come.
    KeepAlive,
    /// Closed without a word of TLS.
    Close,
    /// Reset.
    Reset,
}

/// Reads the body; what came of it is kept even if the rest never does.
fn finish(stream: &mut impl Read, shared: &Shared, place: usize) -> io::Result<Message> {
    let mut message = shared.requests()[place].message.clone();
    let outcome = read_body(stream, &mut message);
    shared.requests()[place].message.clone_from(&message);
    outcome.map(|()| message)
}

fn describe(stream: &SslStream<TcpStream>, offered: Offered, connection: usize) -> Seen {
    let ssl = stream.ssl();
    Seen {
        connection,
        server_name: ssl.servername(NameType::HOST_NAME).map(str::to_owned),
        alpn: ssl.ex_data(offered).cloned().unwrap_or_default(),
        tls_version: ssl.version_str().to_owned(),
        group: ssl.curve_name().unwrap_or_default().to_owned(),
        client_uris: client_uris(ssl),
        message: Message::default(),
    }
}

fn client_uris(ssl: &SslRef) -> Vec<String> {
    let names = ssl
        .peer_certificate()
        .and_then(|leaf| leaf.subject_alt_names());
    let uris = names.iter().flatten().filter_map(|name| name.uri());
    uris.map(str::to_owned).collect()
}

/// Closes with a TCP reset: no lingering.
fn reset(stream: &TcpStream) -> io::Result<()> {
    let socket = tokio::net::TcpSocket::from_std_stream(stream.try_clone()?);
    socket.set_zero_linger()
}
