//! The world outside: TLS servers on loopback that play external hosts.
//!
//! Each has a socket and a certificate of its own, so that the gateway
//! resolves, dials and verifies as it would in earnest. What they say is in
//! `answers`.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use boring::ssl::{SslAcceptor, SslFiletype, SslMethod};
use bytes::Bytes;
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::server::Session;
use pingora_core::protocols::tls::server::prepare_tls_stream;
use pingora_error::Result;
use pingora_http::ResponseHeader;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::answers::{self, Answer};
use super::error::DemoError;
use super::folder::Folder;
use super::mesh;
use crate::socket::{Gathered, Socket};

/// How long a connection waits for its next request, in seconds.
const KEEP_ALIVE: u64 = 60;

/// Plays `host` until the runtime ends; gives its address.
pub(super) async fn play(host: &'static str, folder: &Folder) -> Result<SocketAddr, DemoError> {
    let acceptor = acceptor(host, folder)?;
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = socket.local_addr()?;
    tokio::spawn(accept(host, socket, Arc::new(acceptor)));
    Ok(address)
}

fn acceptor(host: &str, folder: &Folder) -> Result<SslAcceptor, DemoError> {
    let (chain, key) = mesh::files(folder, host);
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls())?;
    builder.set_certificate_chain_file(chain)?;
    builder.set_private_key_file(key, SslFiletype::PEM)?;
    Ok(builder.build())
}

async fn accept(host: &'static str, socket: TcpListener, acceptor: Arc<SslAcceptor>) {
    while let Ok((tcp, _)) = socket.accept().await {
        let acceptor = Arc::clone(&acceptor);
        // A gateway that hangs up, or does not like the certificate, is no
        // concern of an origin.
        tokio::spawn(async move { serve(host, tcp, &acceptor).await.is_some() });
    }
}

async fn serve(host: &str, tcp: TcpStream, acceptor: &SslAcceptor) -> Option<()> {
    let socket = Socket::new(tcp).ok()?;
    let mut tls = prepare_tls_stream(acceptor, socket).ok()?;
    tls.accept().await.ok()?;
    let mut stream: Stream = Box::new(Gathered::new(tls));
    while let Some(next) = exchange(host, stream).await.ok()? {
        stream = next;
    }
    Some(())
}

/// One request; gives the stream back when it may carry another.
async fn exchange(host: &str, stream: Stream) -> Result<Option<Stream>> {
    let mut session = Session::new_http1(stream);
    if !session.read_request().await? {
        return Ok(None);
    }
    session.drain_request_body().await?;
    session.set_keepalive(Some(KEEP_ALIVE));
    let answer = answers::answer(host, session.req_header());
    sleep(answer.delay).await;
    write(&mut session, answer).await?;
    let reusable = session.finish().await?;
    Ok(reusable.map(|reusable| reusable.into_parts().0))
}

async fn write(session: &mut Session, answer: Answer) -> Result<()> {
    let mut head = ResponseHeader::build(answer.status, Some(2))?;
    head.insert_header("content-type", answer.content_type)?;
    head.insert_header("content-length", answer.body.len())?;
    session.write_response_header(Box::new(head)).await?;
    session
        .write_response_body(Bytes::from(answer.body), true)
        .await
}
