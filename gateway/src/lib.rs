//! The process: sockets, TLS, DNS, logs, metrics, commands.
//!
//! A module uses only those below it in this list: command · fuzzing · run · handover · reload ·
//! lists · load · admin · listen · workers · connection · hbone, http1, http2, tunnel ·
//! exchange · relay, authorise · gateway · live · upstream · resolve · identity · intake · headers, reply · record,
//! metrics · limits, wildcards · socket, watched, sandbox, sealed, defect, foreign. `ARCHITECTURE.md` tells the life of a request.

pub mod admin;
mod authorise;
mod clock;
pub mod command;
mod connection;
#[cfg(debug_assertions)]
mod defect;
mod drain;
mod exchange;
mod foreign;
#[doc(hidden)]
pub mod fuzzing;
mod gateway;
mod handover;
mod hbone;
mod headers;
mod http1;
mod http2;
pub mod identity;
mod intake;
mod limits;
mod listen;
mod lists;
pub mod live;
pub mod load;
mod memory;
pub mod metrics;
pub mod record;
mod relay;
pub mod reload;
mod reply;
pub mod resolve;
pub mod run;
pub mod sandbox;
mod sealed;
mod server_name;
mod socket;
mod tunnel;
pub mod upstream;
pub mod watched;
mod wildcards;
mod workers;

pub use gateway::Gateway;
