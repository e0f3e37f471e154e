//! Connections of a caller: TCP, then TLS with its certificate.

use std::cell::Cell;
use std::rc::Rc;

use boring::ssl::{SslConnector, SslFiletype, SslMethod, SslSessionCacheMode, SslVerifyMode};
use integration_tests::sidecar::Protocol;
use tokio::net::TcpStream;
use tokio_boring::SslStream;

use super::Target;
use crate::trouble::Trouble;

/// A connection.
pub(crate) type Stream = SslStream<TcpStream>;

/// Makes connections of one caller to one place. Sessions are never resumed:
/// every handshake is a full one.
#[derive(Clone)]
pub(crate) struct Dialer {
    pub(crate) target: Target,
    connector: SslConnector,
    /// Requests that were answered on its connections.
    pub(super) answered: Rc<Cell<u64>>,
}

impl Dialer {
    pub(crate) fn new(target: Target) -> Result<Self, Trouble> {
        let connector = connector(&target).map_err(|e| failed(&target, &e))?;
        Ok(Self {
            target,
            connector,
            answered: Rc::default(),
        })
    }

    /// The same, counting its answers with all others that count there.
    pub(crate) fn counting(self, answered: &Rc<Cell<u64>>) -> Self {
        let answered = Rc::clone(answered);
        Self { answered, ..self }
    }

    /// Requests that were answered on its connections.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.get()
    }

    pub(crate) async fn connect(&self) -> Result<Stream, Trouble> {
        let wrong = |e: &dyn std::fmt::Display| failed(&self.target, e);
        let tcp = TcpStream::connect(self.target.address).await;
        let tcp = tcp.map_err(|e| wrong(&e))?;
        tcp.set_nodelay(true).map_err(|e| wrong(&e))?;
        let mut configuration = self.connector.configure().map_err(|e| wrong(&e))?;
        configuration.set_verify_hostname(false);
        tokio_boring::connect(configuration, self.target.host, tcp)
            .await
            .map_err(|e| wrong(&e))
    }
}

/// The gateway's certificate is not looked at: that costs the generator alone.
fn connector(target: &Target) -> Result<SslConnector, boring::error::ErrorStack> {
    let mut tls = SslConnector::builder(SslMethod::tls())?;
    tls.set_verify(SslVerifyMode::NONE);
    tls.set_session_cache_mode(SslSessionCacheMode::OFF);
    tls.set_curves_list("X25519:P-256")?;
    if let Some(caller) = &target.caller {
        tls.set_certificate_chain_file(&caller.chain)?;
        tls.set_private_key_file(&caller.key, SslFiletype::PEM)?;
    }
    tls.set_alpn_protos(match target.protocol {
        Protocol::Http1 => b"\x08http/1.1",
        Protocol::Http2 => b"\x02h2",
    })?;
    Ok(tls.build())
}

fn failed(target: &Target, error: &dyn std::fmt::Display) -> Trouble {
    Trouble::WrongAnswer(format!("no connection to {}: {error}", target.address))
}
