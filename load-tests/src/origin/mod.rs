//! The external host: answers as many bytes as the last part of the path says,
//! over TLS, on one thread, and writes no log, so that it costs little.

mod http1;
mod http2;

use std::net::SocketAddr;
use std::path::PathBuf;

use boring::ssl::{AlpnError, SslAcceptor, SslFiletype, SslMethod, select_next_proto};
use clap::Args;
use integration_tests::sidecar::Protocol;
use tokio::net::{TcpListener, TcpStream};

use crate::trouble::{Trouble, trying};

/// Where it listens, and its certificate.
#[derive(Args, Debug)]
pub(crate) struct Place {
    #[arg(long)]
    http1: SocketAddr,
    #[arg(long)]
    http2: SocketAddr,
    #[arg(long)]
    chain: PathBuf,
    #[arg(long)]
    key: PathBuf,
}

/// Serves until it is killed.
pub(crate) fn serve(place: &Place) -> Result<(), Trouble> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    trying("the origin", runtime)?.block_on(async {
        tokio::try_join!(
            listen(place, place.http1, Protocol::Http1),
            listen(place, place.http2, Protocol::Http2)
        )
        .map(|_| ())
    })
}

async fn listen(place: &Place, at: SocketAddr, protocol: Protocol) -> Result<(), Trouble> {
    let acceptor = acceptor(place, protocol)
        .map_err(|e| Trouble::WrongAnswer(format!("the origin's TLS: {e}")))?;
    let socket = trying(at.to_string(), TcpListener::bind(at).await)?;
    loop {
        let (tcp, _) = trying("the origin's socket", socket.accept().await)?;
        tokio::spawn(connection(acceptor.clone(), tcp, protocol));
    }
}

fn acceptor(place: &Place, protocol: Protocol) -> Result<SslAcceptor, boring::error::ErrorStack> {
    let mut tls = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls())?;
    tls.set_certificate_chain_file(&place.chain)?;
    tls.set_private_key_file(&place.key, SslFiletype::PEM)?;
    let speaks: &[u8] = match protocol {
        Protocol::Http1 => b"\x08http/1.1",
        Protocol::Http2 => b"\x02h2",
    };
    tls.set_alpn_select_callback(move |_, offered| {
        select_next_proto(speaks, offered).ok_or(AlpnError::NOACK)
    });
    Ok(tls.build())
}

/// One connection; whatever ends it is seen by whoever made it.
async fn connection(acceptor: SslAcceptor, tcp: TcpStream, protocol: Protocol) {
    let _ = tcp.set_nodelay(true);
    let Ok(stream) = tokio_boring::accept(&acceptor, tcp).await else {
        return;
    };
    let _ = match protocol {
        Protocol::Http1 => http1::serve(stream).await,
        Protocol::Http2 => http2::serve(stream).await,
    };
}

/// The size a path asks for.
fn size(path: &str) -> usize {
    let last = path.rsplit('/').next().unwrap_or_default();
    last.parse().unwrap_or(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_how_much_it_wants() {
        assert_eq!(size("/sport/1024"), 1024);
        assert_eq!(size("/sport/0"), 0);
        assert_eq!(size("/sport"), 2);
    }
}
