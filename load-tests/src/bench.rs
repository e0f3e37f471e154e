//! Scenarios one after another; in each, every gateway in turn, again and again,
//! so that what disturbs the machine disturbs all alike.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use integration_tests::pki::Pki;
use tempfile::TempDir;

use crate::arguments::Asked;
use crate::check;
use crate::figure::Findings;
use crate::gateways::{Gateway, Running};
use crate::part::{Output, Part, await_ready, free_address, spawn};
use crate::processor::Processor;
use crate::progress::Progress;
use crate::scenarios::Scenario;
use crate::setup::{HOST, Setup};
use crate::site::{Origin, Site};
use crate::tools::Tools;
use crate::trouble::{Trouble, trying};

const PATIENCE: Duration = Duration::from_secs(10);

/// What all scenarios share; everything ends with it.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) tools: Tools,
    pub(crate) pki: Pki,
    pub(crate) origin: Part,
    /// How long each load lasts.
    pub(crate) duration: Duration,
    /// Requests a second where the rate is fixed.
    pub(crate) rate: f64,
    addresses: Origin,
    dir: TempDir,
}

/// What one round of one gateway gave.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) scenario: &'static str,
    pub(crate) gateway: &'static str,
    pub(crate) findings: Findings,
}

impl Bench {
    /// Makes the certificates and starts the origin.
    pub(crate) fn start(tools: Tools, asked: &Asked) -> Result<Self, Trouble> {
        let dir = trying("a temporary directory", TempDir::with_prefix("egret-load-"))?;
        let pki = Pki::create();
        let addresses = Origin {
            http1: free_address()?,
            http2: free_address()?,
        };
        let origin = start_origin(&tools, &pki, addresses, dir.path())?;
        Ok(Self {
            tools,
            pki,
            origin,
            duration: Duration::from_secs(asked.seconds),
            rate: asked.rate,
            addresses,
            dir,
        })
    }

    /// Starts a gateway, and checks what it answers.
    pub(crate) fn gateway(
        &self,
        kind: &'static dyn Gateway,
        setup: Setup,
    ) -> Result<Running, Trouble> {
        let dir = self.dir.path().join(kind.name());
        let site = Site::new(&dir, setup, &self.pki, self.addresses)?;
        let running = Running::start(kind, &self.tools, &self.pki, self.addresses, site)?;
        check::answers(&self.pki, &running)?;
        Ok(running)
    }

    /// Does one scenario; every gateway that can do it takes part.
    pub(crate) fn run(
        &self,
        scenario: &'static dyn Scenario,
        gateways: &[&'static dyn Gateway],
        rounds: u32,
        progress: &mut Progress,
    ) -> Result<Vec<Sample>, Trouble> {
        let setup = scenario.setup();
        let able = gateways.iter().copied();
        let able = able.filter(|kind| kind.suits(&setup) && scenario.suits(*kind));
        let able: Vec<_> = able.collect();
        let mut kept = Vec::new();
        if !scenario.anew() {
            for kind in &able {
                progress.say(scenario.name(), &format!("starting {}", kind.name()));
                kept.push(self.gateway(*kind, setup)?);
            }
        }
        let mut samples = Vec::new();
        for round in 1..=rounds {
            for (at, kind) in able.iter().enumerate() {
                let what = format!("round {round} of {rounds}, {}", kind.name());
                progress.say(scenario.name(), &what);
                let findings = match kept.get_mut(at) {
                    Some(gateway) => scenario.measure(self, gateway)?,
                    None => {
                        let mut gateway = self.gateway(*kind, setup)?;
                        let findings = scenario.measure(self, &mut gateway)?;
                        check::logged(gateway)?;
                        findings
                    }
                };
                samples.push(Sample {
                    scenario: scenario.name(),
                    gateway: kind.name(),
                    findings,
                });
            }
        }
        progress.say(scenario.name(), "checking the logs");
        for gateway in kept {
            check::logged(gateway)?;
        }
        Ok(samples)
    }
}

fn start_origin(tools: &Tools, pki: &Pki, at: Origin, dir: &Path) -> Result<Part, Trouble> {
    let dir = dir.join("origin");
    trying("the origin's folder", std::fs::create_dir(&dir))?;
    let credential = pki.origin(&[HOST]);
    let mut command = Command::new(&tools.own);
    command
        .arg("origin")
        .args(["--http1", &at.http1.to_string()])
        .args(["--http2", &at.http2.to_string()])
        .arg("--chain")
        .arg(&credential.chain)
        .arg("--key")
        .arg(&credential.key);
    let mut part = spawn(command, Processor::ORIGIN, &dir, Output::File)?;
    await_ready("the origin", &mut part, &dir, PATIENCE, || {
        [at.http1, at.http2]
            .iter()
            .all(|at| std::net::TcpStream::connect(at).is_ok())
    })?;
    Ok(part)
}
