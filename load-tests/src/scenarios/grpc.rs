//! Unary gRPC, HTTP/2 on both sides, with trailers.

use integration_tests::sidecar::Protocol::Http2;

use super::Scenario;
use super::loaded::Loaded;
use crate::load::Request;
use crate::setup::{Setup, Work};

pub(super) const ALL: &[&dyn Scenario] = &[&Loaded {
    setup: Setup {
        work: Work::Grpc,
        ..Setup::PLAIN
    },
    request: Request::grpc("/sport/100", 100),
    ..Loaded::plain("grpc", "a unary gRPC call of 100 bytes each way", Http2)
}];
