//! A thousand connections that were used once and are kept: what they hold, and
//! what they cost those that are busy.

use integration_tests::sidecar::Protocol::{self, Http1, Http2};

use super::Scenario;
use crate::bench::Bench;
use crate::figure::{Figure, Findings, Measure};
use crate::gateways::{Gateway, Running};
use crate::load::{Pace, Request, Runner, Shape};
use crate::measure::{self, Load, Unit};
use crate::setup::Setup;
use crate::trouble::Trouble;

/// Connections before the first look: what is made once is made by them.
const WARM: usize = 50;
/// Connections whose cost is counted.
const COUNTED: usize = 1000;

pub(super) const ALL: &[&dyn Scenario] = &[
    &Idle {
        name: "idle-h1",
        about: "1 000 idle connections and 8 busy ones, HTTP/1.1",
        protocol: Http1,
    },
    &Idle {
        name: "idle-h2",
        about: "1 000 idle connections and 8 busy ones, HTTP/2",
        protocol: Http2,
    },
];

#[derive(Debug)]
struct Idle {
    name: &'static str,
    about: &'static str,
    protocol: Protocol,
}

impl Scenario for Idle {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn setup(&self) -> Setup {
        Setup::PLAIN
    }

    fn is_main(&self) -> bool {
        self.protocol == Http1
    }

    /// Memory is counted while a process holds nothing that it could use again.
    fn anew(&self) -> bool {
        true
    }

    fn suits(&self, kind: &dyn Gateway) -> bool {
        kind.name() != "none"
    }

    fn measure(&self, bench: &Bench, gateway: &mut Running) -> Result<Findings, Trouble> {
        let request = Request::get("/sport/1024");
        let open = |connections| {
            let shape = Shape {
                connections,
                streams: 1,
                fresh: false,
            };
            Runner::open(gateway.dialer(self.protocol)?, request, shape)
        };
        let rest = f64::from(gateway.memory()?.unwrap_or_default());
        let _warm = open(WARM)?;
        let before = f64::from(gateway.memory()?.unwrap_or_default());
        let _counted = open(COUNTED)?;
        let after = f64::from(gateway.memory()?.unwrap_or_default());
        let load = Load {
            protocol: self.protocol,
            request,
            shape: Shape {
                connections: 8,
                streams: 1,
                fresh: false,
            },
            pace: Pace::Closed,
        };
        let mut findings = measure::run(bench, gateway, &load, Unit::Request)?;
        findings.figures.extend([
            Figure::new(Measure::MemoryAtRest, rest / 1024.0),
            Figure::new(
                Measure::MemoryPerConnection,
                (after - before) / COUNTED as f64,
            ),
        ]);
        Ok(findings)
    }
}
