//! Bodies, by the GiB.

use integration_tests::sidecar::Protocol::{self, Http1, Http2};

use super::Scenario;
use super::loaded::Loaded;
use crate::load::{Request, Shape};
use crate::measure::Unit;

const LARGE: usize = 10 * 1024 * 1024;

pub(super) const ALL: &[&dyn Scenario] = &[
    &body(
        "down-100k",
        "100 KiB down, HTTP/1.1",
        Http1,
        Request::get("/sport/102400"),
    ),
    &Loaded {
        main: false,
        ..body(
            "down-h2-100k",
            "100 KiB down, HTTP/2",
            Http2,
            Request::get("/sport/102400"),
        )
    },
    &few(
        "down-10m",
        "10 MiB down, HTTP/1.1",
        Http1,
        Request::get("/sport/10485760"),
    ),
    &few(
        "down-h2-10m",
        "10 MiB down, HTTP/2",
        Http2,
        Request::get("/sport/10485760"),
    ),
    &body(
        "up-100k",
        "100 KiB up, HTTP/1.1",
        Http1,
        Request::post("/sport/2", 102_400),
    ),
    &Loaded {
        main: false,
        ..body(
            "up-h2-100k",
            "100 KiB up, HTTP/2",
            Http2,
            Request::post("/sport/2", 102_400),
        )
    },
    &few(
        "up-10m",
        "10 MiB up, HTTP/1.1",
        Http1,
        Request::post("/sport/2", LARGE),
    ),
    &few(
        "up-h2-10m",
        "10 MiB up, HTTP/2",
        Http2,
        Request::post("/sport/2", LARGE),
    ),
];

const fn body(
    name: &'static str,
    about: &'static str,
    protocol: Protocol,
    request: Request,
) -> Loaded {
    Loaded {
        request,
        unit: Unit::Gib,
        ..Loaded::plain(name, about, protocol)
    }
}

const fn few(
    name: &'static str,
    about: &'static str,
    protocol: Protocol,
    request: Request,
) -> Loaded {
    Loaded {
        main: false,
        shape: Shape {
            connections: 4,
            streams: 1,
            fresh: false,
        },
        ..body(name, about, protocol, request)
    }
}
