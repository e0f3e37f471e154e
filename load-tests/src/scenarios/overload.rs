//! Twice as many requests as can be served: how many still are, and how soon
//! callers feel nothing of it any more.

use integration_tests::sidecar::Protocol::{self, Http1, Http2};

use super::Scenario;
use crate::bench::Bench;
use crate::figure::{Figure, Findings, Measure};
use crate::gateways::{Gateway, Running};
use crate::load::{Pace, Request, Shape};
use crate::measure::{self, Load, Unit};
use crate::setup::Setup;
use crate::trouble::Trouble;

pub(super) const ALL: &[&dyn Scenario] = &[
    &Overload {
        name: "overload-h1",
        about: "GET of 1 KiB, twice as many as can be served, HTTP/1.1",
        protocol: Http1,
    },
    &Overload {
        name: "overload-h2",
        about: "GET of 1 KiB, twice as many as can be served, HTTP/2",
        protocol: Http2,
    },
];

#[derive(Debug)]
struct Overload {
    name: &'static str,
    about: &'static str,
    protocol: Protocol,
}

impl Overload {
    /// More callers at once than elsewhere, of whom most wait.
    fn shape(&self) -> Shape {
        let kept = Shape::kept(self.protocol);
        Shape {
            connections: kept.connections * 8,
            ..kept
        }
    }
}

impl Scenario for Overload {
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
        false
    }

    fn suits(&self, kind: &dyn Gateway) -> bool {
        kind.decides()
    }

    fn measure(&self, bench: &Bench, gateway: &mut Running) -> Result<Findings, Trouble> {
        let at = |pace, shape| Load {
            protocol: self.protocol,
            request: Request::get("/sport/1024"),
            shape,
            pace,
        };
        let closed = at(Pace::Closed, self.shape());
        let (_, peak) = measure::rated(bench, gateway, &closed, Unit::Request)?;
        // What callers feel where there is room.
        let calm = at(Pace::Fixed(peak / 2.0), Shape::kept(self.protocol));
        let before = measure::run(bench, gateway, &calm, Unit::Request)?;
        let twice = at(Pace::Fixed(peak * 2.0), self.shape());
        let (over, served) = measure::rated(bench, gateway, &twice, Unit::Request)?;
        // As soon as the last that waited is served.
        let after = measure::run(bench, gateway, &calm, Unit::Request)?;
        Ok(Findings {
            figures: vec![
                Figure::new(Measure::CpuPerRequest, over.value(Measure::CpuPerRequest)?),
                Figure::new(Measure::Rate, peak),
                Figure::new(Measure::Served, served / peak * 100.0),
                Figure::new(Measure::P99Before, before.value(Measure::P99)?),
                Figure::new(Measure::P99, after.value(Measure::P99)?),
            ],
            limited: None,
        })
    }
}
