//! Decides: may this request leave, and where to.
//!
//! Pure: no I/O, no async, no clock, no logging. The spine is
//! [`Admission::admit`] = canonicalise → decide → route; read it first.
//! What can fail fails when a configuration is compiled; evaluation cannot.

pub mod address;
mod admission;
mod attributes;
pub mod authoriser;
pub mod canonical;
pub mod destination;
pub mod door;
mod explain;
pub mod expr;
mod log_filter;
mod matching;
pub mod origin;
pub mod pattern;
pub mod principal;
mod readings;
pub mod refusal;
pub mod request;
mod routing;
pub mod rule;
mod ruleset;
pub mod source;
mod tunnel;

pub use admission::{Admission, AdmissionSpec, Admitted, Next, Refused};
pub use explain::{Explanation, Held, RouteStep, RuleStep, Stage, TunnelExplanation};
pub use log_filter::{DecisionError, DecisionWord, LogFilter, Outcome, StatusError, StatusPattern};
pub use matching::{Key, Toward};
pub use request::{Headers, NoHeaders, RawRequest, Request};
pub use routing::{ChosenLabels, CompileError, DestinationId, Plan};
pub use ruleset::{Grant, Marks, RuleId};
pub use tunnel::{AdmittedTunnel, PassageId, RawTunnel, RefusedTunnel, To, Tunnel, TunnelPlan};
