//! The native format: documents that begin `version: 1`, made into the input of
//! the policy compiler and the settings of the process.
//!
//! One file a section. Every value that becomes a rule, route, destination or
//! upstream carries its origin. Order of sections and files changes nothing but
//! the order of rules and routes.

mod action;
mod addresses;
pub(crate) mod authoriser;
mod canonical_path;
mod condition;
mod context;
mod destination;
mod expression;
mod headers;
mod identity;
mod limits;
mod list;
mod listener;
mod log;
mod pattern;
mod policy_rule;
mod route;
mod sections;
mod tls;
mod upstream;

use std::cell::RefCell;

use policy::AdmissionSpec;

use crate::Environment;
use crate::node::Node;
use crate::report::Report;
use crate::snapshot::{ListenerMode, Settings, local_domains};
use context::Context;
pub(crate) use destination::Defaults;
use sections::Sections;

/// What native documents say.
#[derive(Debug)]
pub(crate) struct Lowered {
    pub(crate) settings: Settings,
    pub(crate) admission: AdmissionSpec,
    pub(crate) defaults: Defaults,
    /// Whether there is any native document.
    pub(crate) is_written: bool,
    /// Whether they say which listeners there are.
    pub(crate) listeners_written: bool,
    /// Whether they say which logs there are.
    pub(crate) logs_written: bool,
}

/// Reads the native documents of a configuration, in load order. What it gives
/// is of use only when nothing was reported as an error.
pub(crate) fn lower(documents: &[Node], environment: &Environment, report: &Report) -> Lowered {
    let sections = Sections::of(documents, report);
    let trust = identity::trust(&sections.trust, report);
    let context = Context {
        report,
        lists: list::lists(&sections.lists, report),
        local: local_domains(&trust),
        named_hosts: RefCell::default(),
    };
    let defaults = destination::defaults(sections.defaults, report);
    let listeners = listener::listeners(&sections.listeners, &context);
    let (destinations, mut upstreams) =
        destination::destinations(&sections.destinations, &defaults, &context);
    let authorisers =
        authoriser::authorisers(&sections.authorisers, &defaults, &mut upstreams, report);
    let rules = policy_rule::policies(&sections.policies, &authorisers, &context);
    let formats = log::formats(&sections.formats, report);
    let logs = log::logs(&sections.logs, &formats, &context);
    pattern::warn_unserved(&context, &destinations);
    let identity = identity::identity(sections.identity, report);
    let speaks_tls = listeners.iter().any(|l| l.mode == ListenerMode::MutualTls);
    Lowered {
        settings: Settings {
            gateway: identity::gateway(sections.gateway, environment, report),
            identity: (speaks_tls || sections.identity.is_some()).then_some(identity),
            trust,
            listeners,
            admin: limits::admin(sections.admin, report),
            limits: limits::limits(sections.limits, report),
            dns: limits::dns(sections.dns, report),
            drain: limits::drain(sections.drain, report),
            logs,
        },
        admission: AdmissionSpec {
            default_policy: defaults.policy,
            rules,
            destinations,
            passages: Vec::new(),
            upstreams,
            authorisers,
        },
        is_written: !documents.is_empty(),
        listeners_written: !sections.listeners.is_empty(),
        logs_written: !sections.logs.is_empty(),
        defaults,
    }
}

#[cfg(test)]
mod tests;
