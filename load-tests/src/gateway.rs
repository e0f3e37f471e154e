//! The gateways compared: started alike, with one worker each, for the same
//! work. What differs between them ends here.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use integration_tests::pki::Pki;
use integration_tests::process::Process;
use integration_tests::sidecar::ask;

use crate::part::{configure, free_address, start};
use crate::tools::Tools;
use crate::trouble::Trouble;

const ENVOY: &str = include_str!("../configurations/envoy.yaml");
const EGRET: &str = include_str!("../configurations/egret.yaml");

/// Which gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As istio-egressgateway; what others are compared with.
    Envoy,
    /// Ours.
    Egret,
}

/// A running gateway; killed when dropped.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) kind: Kind,
    /// Where it takes mutual TLS.
    pub(crate) address: SocketAddr,
    /// Its access log, a line a request.
    pub(crate) log: PathBuf,
    /// From its start until it said it was ready, to about 10 ms.
    pub(crate) start_up: Duration,
    process: Process,
}

impl Kind {
    /// All, in the order of rounds and tables.
    pub(crate) const ALL: [Self; 2] = [Self::Envoy, Self::Egret];

    /// As it is written in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Envoy => "Envoy",
            Self::Egret => "Egret",
        }
    }

    /// What its admin port answers with 200 when it is ready.
    fn readiness(self) -> &'static str {
        match self {
            Self::Envoy => "/ready",
            Self::Egret => "/healthz/ready",
        }
    }

    fn template(self) -> &'static str {
        match self {
            Self::Envoy => ENVOY,
            Self::Egret => EGRET,
        }
    }

    fn command(self, tools: &Tools, file: &Path) -> Command {
        let (program, options): (_, &[&str]) = match self {
            Self::Envoy => (
                &tools.envoy,
                &[
                    "--concurrency",
                    "1",
                    "--disable-hot-restart",
                    "--log-level",
                    "error",
                    "-c",
                ],
            ),
            Self::Egret => (&tools.egret, &["run", "--threads", "1", "--config"]),
        };
        let mut command = Command::new(program);
        command.args(options).arg(file);
        command
    }
}

impl Gateway {
    /// Starts it in front of `origin` and waits until it is ready.
    pub(crate) fn start(
        kind: Kind,
        tools: &Tools,
        pki: &Pki,
        origin: SocketAddr,
        dir: &Path,
    ) -> Result<Self, Trouble> {
        let (address, admin) = (free_address()?, free_address()?);
        let file = dir.join(format!("{}.yaml", kind.name()));
        let log = dir.join(format!("{}-access.log", kind.name()));
        let mut words = certificates(pki);
        words.extend(places(address, admin, origin));
        words.push(("LOG", log.display().to_string()));
        configure(&file, kind.template(), &words)?;
        let began = Instant::now();
        let process = start(kind.name(), kind.command(tools, &file), dir, || {
            ask(admin, kind.readiness()).is_some_and(|answer| answer.status() == 200)
        })?;
        Ok(Self {
            kind,
            address,
            log,
            start_up: began.elapsed(),
            process,
        })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

fn certificates(pki: &Pki) -> Vec<(&'static str, String)> {
    let own = pki.gateway();
    vec![
        ("GATEWAY_CHAIN", own.chain.display().to_string()),
        ("GATEWAY_KEY", own.key.display().to_string()),
        ("MESH_ROOTS", pki.mesh_roots().display().to_string()),
        ("ORIGIN_ROOTS", pki.origin_roots().display().to_string()),
    ]
}

fn places(
    listener: SocketAddr,
    admin: SocketAddr,
    origin: SocketAddr,
) -> [(&'static str, String); 6] {
    [
        ("LISTENER", listener.to_string()),
        ("LISTENER_PORT", listener.port().to_string()),
        ("ADMIN", admin.to_string()),
        ("ADMIN_PORT", admin.port().to_string()),
        ("ORIGIN", origin.to_string()),
        ("ORIGIN_PORT", origin.port().to_string()),
    ]
}
