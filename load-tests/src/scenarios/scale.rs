//! Large configurations: what a request costs that finds its rule among many,
//! what they hold in memory, and how long they take to load.

use integration_tests::sidecar::Protocol::Http1;

use super::Scenario;
use crate::bench::Bench;
use crate::figure::{Figure, Findings, Measure};
use crate::gateways::Running;
use crate::load::{Pace, Request, Shape};
use crate::measure::{self, Load, Unit};
use crate::setup::Setup;
use crate::trouble::Trouble;

pub(super) const ALL: &[&dyn Scenario] = &[
    &Scale {
        name: "scale-10",
        about: "10 hosts × 20 routes × 1 000 callers",
        hosts: 10,
    },
    &Scale {
        name: "scale-1000",
        about: "1 000 hosts × 20 routes × 1 000 callers",
        hosts: 1000,
    },
    &Scale {
        name: "scale-10000",
        about: "10 000 hosts × 20 routes × 1 000 callers",
        hosts: 10_000,
    },
];

#[derive(Debug)]
struct Scale {
    name: &'static str,
    about: &'static str,
    hosts: usize,
}

impl Scenario for Scale {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn setup(&self) -> Setup {
        Setup {
            hosts: self.hosts,
            routes: 20,
            callers: 1000,
            ..Setup::PLAIN
        }
    }

    fn is_main(&self) -> bool {
        self.hosts <= 1000
    }

    fn measure(&self, bench: &Bench, gateway: &mut Running) -> Result<Findings, Trouble> {
        let load = Load {
            protocol: Http1,
            request: Request::get("/sport/1024"),
            shape: Shape::kept(Http1),
            pace: Pace::Closed,
        };
        let mut findings = measure::run(bench, gateway, &load, Unit::Request)?;
        if let Some(memory) = gateway.memory()? {
            let started = gateway.start_up.as_secs_f64() * 1e3;
            findings.figures.extend([
                Figure::new(Measure::MemoryAtRest, f64::from(memory) / 1024.0),
                Figure::new(Measure::StartUp, started),
            ]);
        }
        Ok(findings)
    }
}
