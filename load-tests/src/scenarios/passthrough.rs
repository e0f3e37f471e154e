//! TLS of the application's own, of which the gateway sees only the server name.

use integration_tests::sidecar::Protocol::Http1;

use super::Scenario;
use super::loaded::Loaded;
use crate::load::{Request, Shape};
use crate::measure::Unit;
use crate::setup::{Setup, Work};

const SETUP: Setup = Setup {
    work: Work::Passthrough,
    ..Setup::PLAIN
};

pub(super) const ALL: &[&dyn Scenario] = &[
    &Loaded {
        setup: SETUP,
        request: Request::get("/sport/1048576"),
        shape: Shape {
            connections: 4,
            streams: 1,
            fresh: false,
        },
        unit: Unit::Gib,
        ..Loaded::plain("passthrough", "1 MiB down, TLS passed through", Http1)
    },
    &Loaded {
        setup: SETUP,
        main: false,
        ..Loaded::plain("passthrough-1k", "GET of 1 KiB, TLS passed through", Http1)
    },
];
