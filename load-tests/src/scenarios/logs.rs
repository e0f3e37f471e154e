//! The access log: what it costs, by where it goes. In a file it is what all
//! other scenarios do.

use integration_tests::sidecar::Protocol::Http1;

use super::Scenario;
use super::loaded::Loaded;
use crate::setup::{Log, Setup};

pub(super) const ALL: &[&dyn Scenario] = &[
    &to(
        "log-pipe",
        "GET of 1 KiB, log to a pipe, HTTP/1.1",
        Log::Pipe,
    ),
    &to("log-off", "GET of 1 KiB, no log, HTTP/1.1", Log::Off),
];

const fn to(name: &'static str, about: &'static str, log: Log) -> Loaded {
    Loaded {
        main: false,
        setup: Setup {
            log,
            ..Setup::PLAIN
        },
        ..Loaded::plain(name, about, Http1)
    }
}
