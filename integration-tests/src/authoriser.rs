//! A gRPC authoriser, as Envoy's ext_authz calls one: HTTP/2 in plain text,
//! `envoy.service.auth.v3.Authorization/Check`.
//!
//! The path asked about decides the word, so that a test needs no second
//! channel: `/yes…` · `/no…` (401, with a body) · `/plain-no…` (a status alone)
//! · `/silence…` never · `/empty…` a message without a verdict · `/garbage…`
//! no message · `/error…` grpc-status 13 · `/query…` a yes to another query ·
//! `/large…` more than anybody should read.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bytes::{BufMut, Bytes, BytesMut};
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Response};
use prost::Message;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const METHOD: &str = "/envoy.service.auth.v3.Authorization/Check";

/// The running server; stops when dropped.
#[derive(Debug)]
pub struct Authoriser {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    _stop: watch::Sender<()>,
}

/// One question, as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// `:path` of the call.
    pub call: String,
    /// `source.principal`.
    pub principal: String,
    /// `source.address`.
    pub source: String,
    /// `destination.address`.
    pub destination: String,
    /// `request.http.method`.
    pub method: String,
    /// `request.http.path`.
    pub path: String,
    /// `request.http.host`.
    pub host: String,
    /// `request.http.protocol`.
    pub protocol: String,
    /// `request.http.headers`.
    pub headers: HashMap<String, String>,
    /// `request.time`, in seconds.
    pub seconds: i64,
}

impl Authoriser {
    /// Starts on a free port of loopback.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a free port");
        let address = listener.local_addr().expect("its address");
        let asked = Arc::default();
        let (stop, mut stopped) = watch::channel(());
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, log) => {}
                    _ = stopped.changed() => {}
                }
            });
        });
        Self {
            address,
            asked,
            _stop: stop,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every question so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }
}

async fn accept(listener: TcpListener, asked: Arc<Mutex<Vec<Asked>>>) {
    while let Ok((tcp, _)) = listener.accept().await {
        tokio::spawn(serve(tcp, Arc::clone(&asked)));
    }
}

async fn serve(tcp: TcpStream, asked: Arc<Mutex<Vec<Asked>>>) {
    let Ok(mut connection) = h2::server::handshake(tcp).await else {
        return;
    };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(answer(request, respond, Arc::clone(&asked)));
    }
}

async fn answer(
    request: http::Request<h2::RecvStream>,
    respond: SendResponse<Bytes>,
    asked: Arc<Mutex<Vec<Asked>>>,
) -> Option<()> {
    let call = request.uri().path().to_owned();
    let mut body = request.into_body();
    let mut message = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data.ok()?;
        body.flow_control().release_capacity(data.len()).ok()?;
        message.extend_from_slice(&data);
    }
    let question = understood(&call, message.get(5..)?)?;
    let path = question.path.clone();
    asked
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(question);
    if call != METHOD {
        return send(respond, None, "12");
    }
    let begins = |word: &str| path.starts_with(word);
    match () {
        () if begins("/silence") => std::future::pending().await,
        () if begins("/error") => send(respond, None, "13"),
        () if begins("/garbage") => send(respond, Some(Bytes::from_static(b"\xff\xff\xff")), "0"),
        () if begins("/large") => send(respond, Some(vec![0; 100_000].into()), "0"),
        () => send(respond, Some(verdict(&path).encode_to_vec().into()), "0"),
    }
}

/// A message, unless there is none, and the trailers.
fn send(mut respond: SendResponse<Bytes>, message: Option<Bytes>, status: &str) -> Option<()> {
    let head = Response::builder()
        .header("content-type", "application/grpc")
        .body(())
        .ok()?;
    let mut stream = respond.send_response(head, false).ok()?;
    if let Some(message) = message {
        let mut framed = BytesMut::new();
        framed.put_u8(0);
        framed.put_u32(u32::try_from(message.len()).ok()?);
        framed.extend_from_slice(&message);
        stream.send_data(framed.freeze(), false).ok()?;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_str(status).ok()?);
    stream.send_trailers(trailers).ok()
}

fn verdict(path: &str) -> CheckResponse {
    let begins = |word: &str| path.starts_with(word);
    let status = |code| Some(Status { code });
    match () {
        () if begins("/no") => CheckResponse {
            status: status(16),
            denied: Some(Denied {
                status: Some(HttpStatus { code: 401 }),
                headers: vec![
                    field("www-authenticate", "Bearer"),
                    field("content-type", "application/json"),
                    field("x-internal", "1"),
                ],
                body: "{\"who\":\"nobody\"}".to_owned(),
            }),
            ok: None,
        },
        () if begins("/plain-no") => CheckResponse {
            status: status(7),
            ..CheckResponse::default()
        },
        () if begins("/empty") => CheckResponse::default(),
        () if begins("/query") => CheckResponse {
            status: status(0),
            denied: None,
            ok: Some(Allowed {
                query: vec![field("admin", "1").header.unwrap_or_default()],
                ..Allowed::default()
            }),
        },
        () => CheckResponse {
            status: status(0),
            denied: None,
            ok: Some(Allowed {
                headers: vec![
                    field("x-user", "kate"),
                    field("x-unlisted", "1"),
                    field("host", "evil.test"),
                    field("content-length", "7"),
                    field("transfer-encoding", "chunked"),
                    field("connection", "close"),
                    field("x-forwarded-for", "10.9.9.9"),
                    field("x-envoy-peer-metadata", "abc"),
                ],
                headers_to_remove: vec!["x-token".to_owned(), "host".to_owned()],
                query: Vec::new(),
            }),
        },
    }
}

fn field(key: &str, value: &str) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderPair {
            key: key.to_owned(),
            value: value.to_owned(),
        }),
    }
}

fn understood(call: &str, message: &[u8]) -> Option<Asked> {
    let context = CheckRequest::decode(message).ok()?.attributes?;
    let request = context.request?;
    let http = request.http?;
    let address = |peer: &Peer| {
        let socket = peer.address.clone()?.socket?;
        Some(format!("{}:{}", socket.address, socket.port))
    };
    let (source, destination) = (context.source?, context.destination?);
    Some(Asked {
        call: call.to_owned(),
        source: address(&source)?,
        destination: address(&destination)?,
        principal: source.principal,
        method: http.method,
        path: http.path,
        host: http.host,
        protocol: http.protocol,
        headers: http.headers,
        seconds: request.time?.seconds,
    })
}

// Envoy's messages as its documents number them, apart from the gateway's own.

#[derive(Clone, PartialEq, Message)]
struct CheckRequest {
    #[prost(message, optional, tag = "1")]
    attributes: Option<Context>,
}

#[derive(Clone, PartialEq, Message)]
struct Context {
    #[prost(message, optional, tag = "1")]
    source: Option<Peer>,
    #[prost(message, optional, tag = "2")]
    destination: Option<Peer>,
    #[prost(message, optional, tag = "4")]
    request: Option<RequestAttributes>,
}

#[derive(Clone, PartialEq, Message)]
struct Peer {
    #[prost(message, optional, tag = "1")]
    address: Option<Address>,
    #[prost(string, tag = "4")]
    principal: String,
}

#[derive(Clone, PartialEq, Message)]
struct Address {
    #[prost(message, optional, tag = "1")]
    socket: Option<Socket>,
}

#[derive(Clone, PartialEq, Message)]
struct Socket {
    #[prost(string, tag = "2")]
    address: String,
    #[prost(uint32, tag = "3")]
    port: u32,
}

#[derive(Clone, PartialEq, Message)]
struct RequestAttributes {
    #[prost(message, optional, tag = "1")]
    time: Option<Timestamp>,
    #[prost(message, optional, tag = "2")]
    http: Option<HttpAttributes>,
}

#[derive(Clone, PartialEq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
}

#[derive(Clone, PartialEq, Message)]
struct HttpAttributes {
    #[prost(string, tag = "2")]
    method: String,
    #[prost(map = "string, string", tag = "3")]
    headers: HashMap<String, String>,
    #[prost(string, tag = "4")]
    path: String,
    #[prost(string, tag = "5")]
    host: String,
    #[prost(string, tag = "10")]
    protocol: String,
}

#[derive(Clone, PartialEq, Message)]
struct CheckResponse {
    #[prost(message, optional, tag = "1")]
    status: Option<Status>,
    #[prost(message, optional, tag = "2")]
    denied: Option<Denied>,
    #[prost(message, optional, tag = "3")]
    ok: Option<Allowed>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Denied {
    #[prost(message, optional, tag = "1")]
    status: Option<HttpStatus>,
    #[prost(message, repeated, tag = "2")]
    headers: Vec<HeaderValueOption>,
    #[prost(string, tag = "3")]
    body: String,
}

#[derive(Clone, PartialEq, Message)]
struct HttpStatus {
    #[prost(int32, tag = "1")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Allowed {
    #[prost(message, repeated, tag = "2")]
    headers: Vec<HeaderValueOption>,
    #[prost(string, repeated, tag = "5")]
    headers_to_remove: Vec<String>,
    #[prost(message, repeated, tag = "7")]
    query: Vec<HeaderPair>,
}

#[derive(Clone, PartialEq, Message)]
struct HeaderValueOption {
    #[prost(message, optional, tag = "1")]
    header: Option<HeaderPair>,
}

#[derive(Clone, PartialEq, Message)]
struct HeaderPair {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}
