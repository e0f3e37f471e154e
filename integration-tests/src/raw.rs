//! A mesh peer that sends the bytes it is told to: for requests no decent
//! client would send, and handshakes none would try.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use boring::ssl::{
    HandshakeError, SslConnector, SslConnectorBuilder, SslFiletype, SslMethod, SslSessionCacheMode,
    SslStream, SslVerifyMode, SslVersion,
};

use crate::message::{Message, read_body, read_head};
use crate::pki::{Credential, Pki};

/// How to shake hands.
#[derive(Clone, Debug)]
pub struct Hello {
    /// Our certificate; `None`: we have none.
    pub credential: Option<Credential>,
    /// Roots the gateway must be vouched for by.
    pub roots: PathBuf,
    /// Server name; `None`: the extension is absent.
    pub server_name: Option<String>,
    /// Protocols, in order; empty: the extension is absent.
    pub alpn: Vec<&'static str>,
    /// Newest version offered.
    pub newest: SslVersion,
    /// Key exchange groups offered.
    pub groups: &'static str,
}

/// A TLS connection to the gateway.
#[derive(Debug)]
pub struct Raw {
    stream: SslStream<TcpStream>,
    sessions: Arc<AtomicUsize>,
}

impl Hello {
    /// As the sidecar of `account` begins, for HTTP/1.1 to `host`.
    #[must_use]
    pub fn of(pki: &Pki, account: &str, host: &str) -> Self {
        Self {
            credential: Some(pki.workload(account)),
            roots: pki.mesh_roots(),
            server_name: Some(host.to_owned()),
            alpn: vec!["istio-http/1.1", "istio", "http/1.1"],
            newest: SslVersion::TLS1_3,
            groups: "X25519MLKEM768:X25519:P-256",
        }
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// With the handshake's own words. In TLS 1.3 a refused client certificate
    /// shows only when the first answer is read.
    ///
    /// # Panics
    /// When the credential cannot be used, or nothing listens.
    pub fn connect(&self, gateway: SocketAddr) -> Result<Raw, String> {
        self.over(TcpStream::connect(gateway).expect("the gateway listens"))
    }

    /// Shakes hands on a connection that is there.
    ///
    /// # Errors
    /// As [`Hello::connect`].
    ///
    /// # Panics
    /// When the credential cannot be used.
    pub fn over(&self, tcp: TcpStream) -> Result<Raw, String> {
        tcp.set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a read timeout");
        tcp.set_nodelay(true).expect("no delay");
        let sessions = Arc::new(AtomicUsize::new(0));
        let connector = self.connector(Arc::clone(&sessions));
        let mut connection = connector.configure().expect("TLS");
        connection.set_use_server_name_indication(self.server_name.is_some());
        connection.set_verify_hostname(false);
        let name = self.server_name.as_deref().unwrap_or("unnamed");
        let stream = connection.connect(name, tcp).map_err(describe)?;
        Ok(Raw { stream, sessions })
    }

    fn connector(&self, sessions: Arc<AtomicUsize>) -> SslConnector {
        let mut tls = SslConnector::builder(SslMethod::tls()).expect("TLS");
        tls.set_ca_file(&self.roots).expect("the roots");
        tls.set_verify(SslVerifyMode::PEER);
        // Offered down to TLS 1.0, so that it is the gateway that draws the line.
        tls.set_min_proto_version(Some(SslVersion::TLS1))
            .expect("a version");
        tls.set_max_proto_version(Some(self.newest))
            .expect("a version");
        tls.set_curves_list(self.groups).expect("the groups");
        tls.set_session_cache_mode(SslSessionCacheMode::CLIENT);
        tls.set_new_session_callback(move |_, _| {
            sessions.fetch_add(1, Ordering::SeqCst);
        });
        if !self.alpn.is_empty() {
            tls.set_alpn_protos(&wire(&self.alpn))
                .expect("the protocols");
        }
        if let Some(credential) = &self.credential {
            present(&mut tls, credential);
        }
        tls.build()
    }
}

fn present(tls: &mut SslConnectorBuilder, credential: &Credential) {
    tls.set_certificate_chain_file(&credential.chain)
        .expect("the chain");
    tls.set_private_key_file(&credential.key, SslFiletype::PEM)
        .expect("the key");
}

/// Each name after its length (RFC 7301, 3.1).
fn wire(protocols: &[&str]) -> Vec<u8> {
    let one = |name: &&str| [&[name.len() as u8], name.as_bytes()].concat();
    protocols.iter().flat_map(one).collect()
}

fn describe(error: HandshakeError<TcpStream>) -> String {
    error.to_string()
}

impl Raw {
    /// The protocol agreed on, if any.
    #[must_use]
    pub fn alpn(&self) -> Option<String> {
        let chosen = self.stream.ssl().selected_alpn_protocol();
        chosen.map(|name| String::from_utf8_lossy(name).into_owned())
    }

    /// `TLSv1.3` or another.
    #[must_use]
    pub fn version(&self) -> String {
        self.stream.ssl().version_str().to_owned()
    }

    /// The key exchange group agreed on.
    #[must_use]
    pub fn group(&self) -> String {
        self.stream
            .ssl()
            .curve_name()
            .unwrap_or_default()
            .to_owned()
    }

    /// How many sessions the gateway has offered to resume later.
    #[must_use]
    pub fn resumable_sessions(&self) -> usize {
        self.sessions.load(Ordering::SeqCst)
    }

    /// Our end of the connection, as records name it.
    ///
    /// # Panics
    /// When the connection is gone.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        let tcp = self.stream.get_ref();
        tcp.local_addr().expect("a connected socket")
    }

    /// Serial number of the gateway's certificate, in hexadecimal.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn server_serial(&self) -> String {
        let leaf = self.stream.ssl().peer_certificate().expect("a leaf");
        let number = leaf.serial_number().to_bn().expect("a number");
        number.to_hex_str().expect("its digits").to_lowercase()
    }

    /// URI names of the gateway's certificate.
    #[must_use]
    pub fn server_uris(&self) -> Vec<String> {
        let names = self
            .stream
            .ssl()
            .peer_certificate()
            .and_then(|leaf| leaf.subject_alt_names());
        names
            .iter()
            .flatten()
            .filter_map(|name| name.uri())
            .map(str::to_owned)
            .collect()
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Says that nothing more will be sent.
    ///
    /// # Panics
    /// When the connection is gone.
    pub fn finish(&mut self) {
        self.stream.shutdown().expect("an open connection");
    }

    /// Reads the head of one response, and no further.
    ///
    /// # Errors
    /// As [`Raw::response`].
    pub fn head(&mut self) -> io::Result<Message> {
        let head = read_head(&mut self.stream)?;
        Ok(head.ok_or(io::ErrorKind::UnexpectedEof)?)
    }

    /// Reads one response with its body.
    ///
    /// # Errors
    /// When the connection ends or stalls before it is complete; also when the
    /// gateway refuses our certificate in TLS 1.3.
    pub fn response(&mut self) -> io::Result<Message> {
        let head = self.head()?;
        self.body(head)
    }

    /// Reads the body that `head` announces.
    ///
    /// # Errors
    /// When the connection ends or stalls before it is complete.
    pub fn body(&mut self, mut head: Message) -> io::Result<Message> {
        read_body(&mut self.stream, &mut head)?;
        Ok(head)
    }

    /// Sends a request and reads its response.
    ///
    /// # Errors
    /// As [`Raw::send`] and [`Raw::response`].
    pub fn exchange(&mut self, request: &str) -> io::Result<Message> {
        // A refusal may come, and the connection go, before all is sent.
        let sent = self.send(request.as_bytes());
        self.response().or_else(|e| sent.and(Err(e)))
    }

    /// Reads what there is, waiting for the first byte; nothing: it has closed.
    ///
    /// # Errors
    /// When the connection stalls.
    pub fn some(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; 16 * 1024];
        let read = match self.stream.read(&mut bytes) {
            Err(e) if is_timeout(&e) => return Err(e),
            read => read.unwrap_or(0),
        };
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Reads until the gateway closes; what came, and whether it closed within `limit`.
    pub fn rest(&mut self, limit: Duration) -> (Vec<u8>, Ending) {
        let _ = self.stream.get_ref().set_read_timeout(Some(limit));
        let mut bytes = Vec::new();
        let ending = match self.stream.read_to_end(&mut bytes) {
            Err(e) if is_timeout(&e) => Ending::StillOpen,
            _ => Ending::Closed,
        };
        (bytes, ending)
    }
}

/// How a connection stood after some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The gateway closed or reset it.
    Closed,
    /// It is open, and silent.
    StillOpen,
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}
