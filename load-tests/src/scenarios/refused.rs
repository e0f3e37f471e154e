//! What is refused: by policy, and for want of a route.

use integration_tests::sidecar::Protocol::{Http1, Http2};

use super::Scenario;
use super::loaded::Loaded;
use crate::load::Request;
use crate::setup::{LOST, PRIVATE};

pub(super) const ALL: &[&dyn Scenario] = &[
    &Loaded {
        request: Request::get(PRIVATE).expecting(403),
        ..Loaded::plain("refused-403", "refused by policy, HTTP/1.1", Http1)
    },
    &Loaded {
        request: Request::get(PRIVATE).expecting(403),
        main: false,
        ..Loaded::plain("refused-h2-403", "refused by policy, HTTP/2", Http2)
    },
    &Loaded {
        request: Request::get(LOST).expecting(404),
        main: false,
        ..Loaded::plain("refused-404", "allowed, without a route, HTTP/1.1", Http1)
    },
];
