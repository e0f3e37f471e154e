//! Hostile callers, each with a certificate that is good, beside a caller who
//! behaves: whatever they do, all of his requests succeed, what they cost is
//! bounded, and what they did is on record.
//!
//! Times are configured short, so that each attack takes seconds; the bounds on
//! memory are those of a debug build.

mod besieged;
mod campaign;
mod ceiling;
mod crowds;
mod floods;
mod handshakes;
mod heads;
mod readers;
mod resets;
mod slow;
