//! Scenarios that are a load and nothing else.

use integration_tests::sidecar::Protocol;

use super::Scenario;
use crate::bench::Bench;
use crate::figure::Findings;
use crate::gateways::{Gateway, Running};
use crate::load::{Pace, Request, Shape};
use crate::measure::{self, Load, Unit};
use crate::setup::{Setup, Work};
use crate::trouble::Trouble;

/// A load, closed, on gateways set up in some way.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) main: bool,
    pub(super) setup: Setup,
    pub(super) protocol: Protocol,
    pub(super) request: Request,
    pub(super) shape: Shape,
    pub(super) unit: Unit,
}

impl Loaded {
    /// GETs of 1 KiB on connections that are kept.
    pub(super) const fn plain(name: &'static str, about: &'static str, protocol: Protocol) -> Self {
        Self {
            name,
            about,
            main: true,
            setup: Setup::PLAIN,
            protocol,
            request: Request::get("/sport/1024"),
            shape: Shape::kept(protocol),
            unit: Unit::Request,
        }
    }
}

impl Scenario for Loaded {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn setup(&self) -> Setup {
        self.setup
    }

    fn is_main(&self) -> bool {
        self.main
    }

    /// Only what decides refuses; without a gateway, HTTP/2 is what the origin
    /// speaks to gRPC alone.
    fn suits(&self, kind: &dyn Gateway) -> bool {
        let origin_can = self.protocol == Protocol::Http1 || self.setup.work == Work::Grpc;
        let can_refuse = kind.decides() || self.request.status == 200;
        can_refuse && (kind.name() != "none" || origin_can)
    }

    fn measure(&self, bench: &Bench, gateway: &mut Running) -> Result<Findings, Trouble> {
        let load = Load {
            protocol: self.protocol,
            request: self.request,
            shape: self.shape,
            pace: Pace::Closed,
        };
        measure::run(bench, gateway, &load, self.unit)
    }
}
