//! A proxy as Pingora's own examples make it: mutual TLS in, verified TLS out, no
//! policy and no log. What ours costs beyond it is our own doing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use async_trait::async_trait;
use boring::ssl::SslVerifyMode;
use boring::x509::X509;
use clap::Args;
use pingora_core::listeners::tls::TlsSettings;
use pingora_core::prelude::{HttpPeer, Server};
use pingora_core::protocols::ALPN;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

use super::{Gateway, Version};
use crate::setup::{HOST, Log, Setup, Work};
use crate::site::Site;
use crate::tools::Tools;
use crate::trouble::{Trouble, trying};

#[derive(Debug)]
pub(crate) struct Bare;

impl Gateway for Bare {
    fn name(&self) -> &'static str {
        "pingora"
    }

    /// It has no configuration that could grow, no log, and no policy.
    fn suits(&self, setup: &Setup) -> bool {
        let plain = setup.hosts == 1 && setup.log == Log::File && !setup.reloads;
        plain && setup.work != Work::Passthrough
    }

    fn decides(&self) -> bool {
        false
    }

    fn configure(&self, _: &Tools, _: &Site) -> Result<(), Trouble> {
        Ok(())
    }

    fn command(&self, tools: &Tools, site: &Site) -> Option<Command> {
        let mut command = Command::new(&tools.own);
        command
            .arg("bare-pingora")
            .args(["--listener", &site.listener.to_string()])
            .args(["--origin", &site.origin.to_string()])
            .arg("--chain")
            .arg(&site.chain)
            .arg("--key")
            .arg(&site.key)
            .arg("--mesh-roots")
            .arg(&site.mesh_roots)
            .arg("--origin-roots")
            .arg(&site.origin_roots);
        if site.setup.work == Work::Grpc {
            command.arg("--http2");
        }
        Some(command)
    }

    fn version(&self, _: &Tools) -> Version {
        Version::Said("pingora-proxy 0.9.1, the system's allocator".to_owned())
    }
}

/// Where it stands, and its certificates.
#[derive(Args, Clone, Debug)]
pub(crate) struct Place {
    #[arg(long)]
    listener: SocketAddr,
    #[arg(long)]
    origin: SocketAddr,
    #[arg(long)]
    chain: PathBuf,
    #[arg(long)]
    key: PathBuf,
    #[arg(long)]
    mesh_roots: PathBuf,
    #[arg(long)]
    origin_roots: PathBuf,
    /// Whether the origin speaks HTTP/2.
    #[arg(long)]
    http2: bool,
}

/// Serves until it is killed.
pub(crate) fn serve(place: Place) -> Result<(), Trouble> {
    let pem = std::fs::read(&place.origin_roots);
    let pem = trying(place.origin_roots.display().to_string(), pem)?;
    let roots = X509::stack_from_pem(&pem).map_err(|e| wrong(&e))?;
    let tls = tls(&place).map_err(|e| wrong(&e))?;
    let listener = place.listener.to_string();
    let configuration = ServerConf {
        threads: 1,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, configuration);
    server.bootstrap();
    let proxy = Proxy {
        origin: place.origin,
        roots: Arc::from(roots.into_boxed_slice()),
        alpn: if place.http2 { ALPN::H2 } else { ALPN::H1 },
    };
    let mut service = http_proxy_service(&server.configuration, proxy);
    service.add_tls_with_settings(&listener, None, tls);
    server.add_service(service);
    server.run_forever()
}

fn tls(place: &Place) -> Result<TlsSettings, Box<dyn std::error::Error>> {
    let path = |path: &PathBuf| path.display().to_string();
    let mut tls = TlsSettings::intermediate(&path(&place.chain), &path(&place.key))?;
    tls.enable_h2();
    tls.set_ca_file(&place.mesh_roots)?;
    tls.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    Ok(tls)
}

fn wrong(error: &dyn std::fmt::Display) -> Trouble {
    Trouble::WrongAnswer(format!("the bare proxy: {error}"))
}

struct Proxy {
    origin: SocketAddr,
    roots: Arc<Box<[X509]>>,
    alpn: ALPN,
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(
        &self,
        _: &mut Session,
        (): &mut (),
    ) -> pingora_core::Result<Box<HttpPeer>> {
        let mut peer = HttpPeer::new(self.origin, true, HOST.to_owned());
        peer.options.ca = Some(Arc::clone(&self.roots));
        peer.options.alpn = self.alpn.clone();
        Ok(Box::new(peer))
    }
}
