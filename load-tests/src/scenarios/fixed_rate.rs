//! Requests at a fixed rate, whatever is answered: what callers feel.

use integration_tests::sidecar::Protocol::{self, Http1, Http2};

use super::Scenario;
use crate::bench::Bench;
use crate::figure::Findings;
use crate::gateways::{Gateway, Running};
use crate::load::{Pace, Request, Shape};
use crate::measure::{self, Load, Unit};
use crate::setup::Setup;
use crate::trouble::Trouble;

pub(super) const ALL: &[&dyn Scenario] = &[
    &FixedRate {
        name: "rate-h1",
        about: "GET of 1 KiB at a fixed rate, HTTP/1.1",
        protocol: Http1,
    },
    &FixedRate {
        name: "rate-h2",
        about: "GET of 1 KiB at a fixed rate, HTTP/2",
        protocol: Http2,
    },
];

#[derive(Debug)]
struct FixedRate {
    name: &'static str,
    about: &'static str,
    protocol: Protocol,
}

impl Scenario for FixedRate {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn setup(&self) -> Setup {
        Setup::PLAIN
    }

    fn suits(&self, kind: &dyn Gateway) -> bool {
        self.protocol == Http1 || kind.name() != "none"
    }

    fn measure(&self, bench: &Bench, gateway: &mut Running) -> Result<Findings, Trouble> {
        let load = Load {
            protocol: self.protocol,
            request: Request::get("/sport/1024"),
            shape: Shape::kept(self.protocol),
            pace: Pace::Fixed(bench.rate),
        };
        measure::run(bench, gateway, &load, Unit::Request)
    }
}
