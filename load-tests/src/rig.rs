//! All parts of a run: authorities, the origin, the gateways, and the relay
//! between load generators and gateways.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use integration_tests::pki::Pki;
use integration_tests::process::Process;
use integration_tests::sidecar::Protocol;
use tempfile::TempDir;

use crate::gateway::{Gateway, Kind};
use crate::generator::{HOST, TARGET};
use crate::part::{configure, free_address, listens, start};
use crate::tools::Tools;
use crate::trouble::{Trouble, trying};

const NGINX: &str = include_str!("../configurations/nginx.conf");
const HAPROXY: &str = include_str!("../configurations/haproxy.cfg");
/// Size of every answer, in bytes.
const DOCUMENT: usize = 1024;
/// The account whose certificate the relay presents; the only one allowed.
pub(crate) const CALLER: &str = "sleep";

/// The running parts; all are killed when dropped, before their directory goes.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) gateways: Vec<Gateway>,
    pub(crate) pki: Pki,
    relays: Vec<(Kind, Protocol, SocketAddr)>,
    _processes: [Process; 2],
    _dir: TempDir,
}

impl Rig {
    /// Starts everything and waits until it is ready.
    pub(crate) fn start(tools: &Tools) -> Result<Self, Trouble> {
        let dir = trying("a temporary directory", TempDir::with_prefix("egret-load-"))?;
        let pki = Pki::create();
        let (origin, nginx) = start_origin(tools, &pki, dir.path())?;
        let gateways = Kind::ALL.map(|kind| Gateway::start(kind, tools, &pki, origin, dir.path()));
        let gateways = gateways.into_iter().collect::<Result<Vec<_>, _>>()?;
        let relays = relay_places()?;
        let haproxy = start_relay(tools, &pki, &gateways, &relays, dir.path())?;
        Ok(Self {
            gateways,
            pki,
            relays,
            _processes: [nginx, haproxy],
            _dir: dir,
        })
    }

    /// Every way through the rig: a gateway, what it is spoken to in, and the
    /// relay's plain port that leads there.
    pub(crate) fn ways(&self) -> impl Iterator<Item = (&Gateway, Protocol, SocketAddr)> {
        self.relays.iter().filter_map(|(kind, protocol, relay)| {
            let gateway = self.gateways.iter().find(|gateway| gateway.kind == *kind)?;
            Some((gateway, *protocol, *relay))
        })
    }
}

fn start_origin(tools: &Tools, pki: &Pki, dir: &Path) -> Result<(SocketAddr, Process), Trouble> {
    let address = free_address()?;
    let credential = pki.origin(&[HOST]);
    let words = [
        ("ORIGIN", address.to_string()),
        ("ORIGIN_CHAIN", credential.chain.display().to_string()),
        ("ORIGIN_KEY", credential.key.display().to_string()),
    ];
    configure(&dir.join("nginx.conf"), NGINX, &words)?;
    let document = format!("{}/www{TARGET}", dir.display());
    trying("the origin's documents", fs::create_dir(dir.join("www")))?;
    trying(&document, fs::write(&document, [b'.'; DOCUMENT]))?;
    let mut command = Command::new(&tools.nginx);
    command
        .arg("-p")
        .arg(dir)
        .args(["-c", "nginx.conf", "-e", "nginx.log"]);
    let process = start("nginx", command, dir, || listens(address))?;
    Ok((address, process))
}

fn relay_places() -> Result<Vec<(Kind, Protocol, SocketAddr)>, Trouble> {
    let ways = Protocol::ALL
        .into_iter()
        .flat_map(|p| Kind::ALL.map(|kind| (kind, p)));
    ways.map(|(kind, protocol)| Ok((kind, protocol, free_address()?)))
        .collect()
}

fn start_relay(
    tools: &Tools,
    pki: &Pki,
    gateways: &[Gateway],
    relays: &[(Kind, Protocol, SocketAddr)],
    dir: &Path,
) -> Result<Process, Trouble> {
    let mut words = vec![("CALLER", caller(pki, dir)?)];
    words.extend(
        gateways
            .iter()
            .map(|gateway| (word(gateway.kind), gateway.address.to_string())),
    );
    words.extend(
        relays
            .iter()
            .map(|(kind, p, at)| (relay_word(*kind, *p), at.to_string())),
    );
    configure(&dir.join("haproxy.cfg"), HAPROXY, &words)?;
    let mut command = Command::new(&tools.haproxy);
    command.args(["-db", "-f", "haproxy.cfg"]);
    start("haproxy", command, dir, || {
        relays.iter().all(|(_, _, at)| listens(*at))
    })
}

/// HAProxy reads a chain and its key from one file.
fn caller(pki: &Pki, dir: &Path) -> Result<String, Trouble> {
    let credential = pki.workload(CALLER);
    let both = [&credential.chain, &credential.key].map(fs::read_to_string);
    let both: String = trying("the caller's certificate", both.into_iter().collect())?;
    let file = dir.join("caller.pem");
    trying(file.display().to_string(), fs::write(&file, both))?;
    Ok(file.display().to_string())
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Envoy => "ENVOY",
        Kind::Egret => "EGRET",
    }
}

fn relay_word(kind: Kind, protocol: Protocol) -> &'static str {
    match (kind, protocol) {
        (Kind::Envoy, Protocol::Http1) => "ENVOY_HTTP1",
        (Kind::Envoy, Protocol::Http2) => "ENVOY_HTTP2",
        (Kind::Egret, Protocol::Http1) => "EGRET_HTTP1",
        (Kind::Egret, Protocol::Http2) => "EGRET_HTTP2",
    }
}
