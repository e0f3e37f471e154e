//! Hostile callers, each with a certificate that is good, beside a caller who
//! behaves: whatever they do, all of his requests succeed, what they cost is
//! bounded, and what they did is on record.
//!
//! Times are configured short, so that each attack takes seconds; the bounds on
//! memory are those of a debug build.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod besieged;
mod ceiling;
mod crowds;
mod floods;
mod handshakes;
mod heads;
mod readers;
mod resets;
mod slow;
