//! A connection for each request: a full handshake with certificates on both sides.

use integration_tests::sidecar::Protocol::{Http1, Http2};

use super::Scenario;
use super::loaded::Loaded;
use crate::load::{Request, Shape};

pub(super) const ALL: &[&dyn Scenario] = &[
    &Loaded {
        request: Request::get("/sport/2"),
        shape: Shape::fresh(8),
        ..Loaded::plain(
            "handshake",
            "a new mTLS connection a request, HTTP/1.1",
            Http1,
        )
    },
    &Loaded {
        request: Request::get("/sport/2"),
        shape: Shape::fresh(8),
        main: false,
        ..Loaded::plain(
            "handshake-h2",
            "a new mTLS connection a request, HTTP/2",
            Http2,
        )
    },
];
