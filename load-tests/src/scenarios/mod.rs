//! What is measured, a file for each kind. A new kind is a file and a line in [`ALL`].

mod bodies;
mod fixed_rate;
mod grpc;
mod handshakes;
mod idle;
mod loaded;
mod logs;
mod overload;
mod passthrough;
mod refused;
mod reload;
mod requests;
mod scale;
mod start_up;

use std::fmt::Debug;

use crate::bench::Bench;
use crate::figure::Findings;
use crate::gateways::{Gateway, Running};
use crate::setup::Setup;
use crate::trouble::Trouble;

/// All, in the order of tables.
pub(crate) const ALL: [&[&dyn Scenario]; 13] = [
    requests::ALL,
    refused::ALL,
    handshakes::ALL,
    bodies::ALL,
    passthrough::ALL,
    grpc::ALL,
    fixed_rate::ALL,
    overload::ALL,
    idle::ALL,
    start_up::ALL,
    reload::ALL,
    scale::ALL,
    logs::ALL,
];

/// One thing that is measured of every gateway.
pub(crate) trait Scenario: Sync + Debug {
    /// On the command line.
    fn name(&self) -> &'static str;

    /// In a few words, for tables.
    fn about(&self) -> &'static str;

    /// How gateways are set up for it.
    fn setup(&self) -> Setup;

    /// Whether it belongs to a run for which none is named.
    fn is_main(&self) -> bool {
        true
    }

    /// Whether every round has a new process.
    fn anew(&self) -> bool {
        false
    }

    /// Whether it can be asked of this kind at all.
    fn suits(&self, kind: &dyn Gateway) -> bool {
        let _ = kind;
        true
    }

    /// One round.
    fn measure(&self, bench: &Bench, gateway: &mut Running) -> Result<Findings, Trouble>;
}
