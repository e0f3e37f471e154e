//! A WebSocket server that sends back what it is sent, and clients of it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use boring::ssl::{SslAcceptor, SslFiletype, SslMethod};
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::StatusCode;
use tungstenite::{WebSocket, client};

use crate::pki::Credential;
use crate::wait::PATIENCE;

/// The running server; `/refused` it answers with 403. It lives as long as the
/// process of the test.
#[derive(Debug)]
pub struct EchoServer {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// What it was asked: target, and fields in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Path and query.
    pub target: String,
    /// Names and values.
    pub fields: Vec<(String, String)>,
}

impl Seen {
    /// The value of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl EchoServer {
    /// Starts on a free port of loopback, within TLS.
    ///
    /// # Panics
    /// When the credential cannot be used or no port is free.
    #[must_use]
    pub fn start(credential: &Credential) -> Self {
        let mut tls = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).expect("TLS");
        tls.set_certificate_chain_file(&credential.chain)
            .expect("the chain");
        tls.set_private_key_file(&credential.key, SslFiletype::PEM)
            .expect("the key");
        let acceptor = Arc::new(tls.build());
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&seen);
        thread::spawn(move || {
            for tcp in listener.incoming().flatten() {
                let (acceptor, told) = (Arc::clone(&acceptor), Arc::clone(&told));
                thread::spawn(move || {
                    if let Ok(tls) = acceptor.accept(tcp) {
                        echo(tls, &told);
                    }
                });
            }
        });
        Self { address, seen }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything it was asked so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[expect(clippy::result_large_err, reason = "the library's own")]
fn echo(stream: impl Read + Write, told: &Mutex<Vec<Seen>>) {
    let judge = |request: &Request, answer: Response| -> Result<Response, ErrorResponse> {
        let field = |(name, value): (
            &tungstenite::http::HeaderName,
            &tungstenite::http::HeaderValue,
        )| {
            let value = String::from_utf8_lossy(value.as_bytes());
            (name.as_str().to_owned(), value.into_owned())
        };
        let seen = Seen {
            target: request.uri().to_string(),
            fields: request.headers().iter().map(field).collect(),
        };
        told.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(seen);
        if request.uri().path() == "/refused" {
            let mut refusal = ErrorResponse::new(Some("not you".to_owned()));
            *refusal.status_mut() = StatusCode::FORBIDDEN;
            return Err(refusal);
        }
        Ok(answer)
    };
    let Ok(mut socket) = tungstenite::accept_hdr(stream, judge) else {
        return;
    };
    // Pings are answered, and a close is, by the library.
    while let Ok(message) = socket.read() {
        if (message.is_text() || message.is_binary()) && socket.send(message).is_err() {
            return;
        }
    }
}

/// Opens a WebSocket to `host`, where `door` leads. The error tells the status
/// of an answer that is no WebSocket.
///
/// # Errors
/// The answer's status and body, or what broke.
///
/// # Panics
/// When `door` is closed.
pub fn open(door: SocketAddr, host: &str, target: &str) -> Result<WebSocket<TcpStream>, String> {
    let tcp = TcpStream::connect(door).expect("a connection");
    tcp.set_read_timeout(Some(PATIENCE)).expect("a bound");
    client(format!("ws://{host}{target}"), tcp)
        .map(|(socket, _)| socket)
        .map_err(|error| match error {
            tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer)) => {
                answer.status().as_u16().to_string()
            }
            other => other.to_string(),
        })
}
