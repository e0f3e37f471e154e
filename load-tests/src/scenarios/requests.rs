//! Small requests on connections that are kept: what most of a gateway's life is.

use integration_tests::sidecar::Protocol::{Http1, Http2};

use super::Scenario;
use super::loaded::Loaded;
use crate::load::Request;

pub(super) const ALL: &[&dyn Scenario] = &[
    &Loaded::plain("h1-1k", "GET of 1 KiB, HTTP/1.1", Http1),
    &Loaded::plain("h2-1k", "GET of 1 KiB, HTTP/2", Http2),
    &Loaded {
        request: Request::get("/sport/2"),
        main: false,
        ..Loaded::plain("h1-small", "GET of 2 bytes, HTTP/1.1", Http1)
    },
    &Loaded {
        request: Request::get("/sport/2"),
        main: false,
        ..Loaded::plain("h2-small", "GET of 2 bytes, HTTP/2", Http2)
    },
    &Loaded {
        request: Request::post("/sport/2", 1024),
        main: false,
        ..Loaded::plain("h1-post", "POST of 1 KiB, HTTP/1.1", Http1)
    },
    &Loaded {
        request: Request::post("/sport/2", 1024),
        main: false,
        ..Loaded::plain("h2-post", "POST of 1 KiB, HTTP/2", Http2)
    },
];
