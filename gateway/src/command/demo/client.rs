//! A workload's sidecar, in small: one request by HTTP/1.1 over mutual TLS.
//!
//! It sends bytes as they are told: a client that mends what it sends could
//! not show an attack.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use boring::ssl::{Ssl, SslContext, SslFiletype, SslMethod, SslRef, SslVerifyMode};
use pingora_core::protocols::tls::SslStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::error::DemoError;
use super::folder::Folder;
use super::mesh;
use crate::socket::Socket;

/// Nothing in the demo takes nearly as long.
const LIMIT: Duration = Duration::from_secs(10);

/// One caller.
pub(super) struct Client(SslContext);

/// What came of a request, as its caller sees it.
#[derive(Debug)]
pub(super) struct Seen {
    /// The caller's end of the connection, by which its record is found.
    pub(super) from: SocketAddr,
    /// The status; none if the connection was closed without an answer.
    pub(super) status: Option<u16>,
}

impl Client {
    /// A caller that presents the certificate of that name, or none.
    pub(super) fn new(folder: &Folder, certificate: Option<&str>) -> Result<Self, DemoError> {
        let mut builder = SslContext::builder(SslMethod::tls())?;
        builder.set_verify(SslVerifyMode::PEER);
        builder.set_ca_file(folder.file(mesh::MESH_CA))?;
        if let Some(name) = certificate {
            let (chain, key) = mesh::files(folder, name);
            builder.set_certificate_chain_file(chain)?;
            builder.set_private_key_file(key, SslFiletype::PEM)?;
        }
        Ok(Self(builder.build()))
    }

    /// Sends a GET on a connection of its own.
    ///
    /// An error is one of the demo itself; a gateway that hangs up is an
    /// outcome.
    pub(super) async fn get(
        &self,
        gateway: SocketAddr,
        host: &str,
        target: &str,
        id: &str,
    ) -> Result<Seen, DemoError> {
        let tcp = TcpStream::connect(gateway).await?;
        let from = tcp.local_addr()?;
        let request = format!(
            "GET {target} HTTP/1.1\r\nhost: {host}\r\nuser-agent: egret-demo\r\naccept: */*\r\n\
             x-request-id: {id}\r\nconnection: close\r\n\r\n"
        );
        let mut answer = Vec::new();
        let exchange = self.exchange(tcp, host, request.as_bytes(), &mut answer);
        // However it ended: what has arrived counts.
        let _ = timeout(LIMIT, exchange).await;
        Ok(Seen {
            from,
            status: status(&answer),
        })
    }

    async fn exchange(
        &self,
        tcp: TcpStream,
        host: &str,
        request: &[u8],
        answer: &mut Vec<u8>,
    ) -> io::Result<()> {
        let mut ssl = Ssl::new(&self.0)?;
        ssl.set_hostname(host)?;
        let mut tls = SslStream::new(ssl, Socket::new(tcp)?).map_err(io::Error::other)?;
        tls.connect().await.map_err(io::Error::other)?;
        if !is_the_gateway(tls.ssl()) {
            return Err(io::Error::other("the certificate is not the gateway's"));
        }
        tls.write_all(request).await?;
        tls.flush().await?;
        tls.read_to_end(answer).await.map(|_| ())
    }
}

/// Sidecars verify who the gateway is, not what it is called.
fn is_the_gateway(ssl: &SslRef) -> bool {
    let names = ssl
        .peer_certificate()
        .and_then(|leaf| leaf.subject_alt_names());
    names.is_some_and(|names| {
        names
            .iter()
            .any(|name| name.uri() == Some(mesh::GATEWAY_ID))
    })
}

/// The status of an answer.
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\r').next()?;
    let mut words = str::from_utf8(line).ok()?.split(' ');
    words.next().filter(|version| *version == "HTTP/1.1")?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::status;

    #[test]
    fn the_status_is_the_second_word_of_the_first_line() {
        assert_eq!(status(b"HTTP/1.1 403 Forbidden\r\n\r\nno"), Some(403));
        assert_eq!(status(b"HTTP/1.1 403"), Some(403));
        for answer in [&b""[..], b"HTTP/1.1", b"403", b"\xff 403 x\r\n"] {
            assert_eq!(status(answer), None);
        }
    }
}
