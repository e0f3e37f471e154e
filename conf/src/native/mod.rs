//! The native format: documents that begin `version: 1`, made into the input of
//! the policy compiler and the settings of the process.
//!
//! One file a section. Every value that becomes a rule, route, destination or
//! upstream carries its origin. Order of sections and files changes nothing but
//! the order of rules and routes.

mod action;
mod addresses;
mod asking;
mod authoriser;
pub(crate) mod canonical_path;
mod condition;
mod context;
mod destination;
mod door;
mod expression;
mod fault;
mod headers;
mod identity;
mod limits;
mod list;
mod listener;
mod log;
mod passthrough;
mod pattern;
mod pins;
mod policy_rule;
mod pool;
mod route;
mod sections;
mod source;
mod tcp;
mod tls;
mod upstream;
mod via;
mod vips;
mod write;

use std::cell::RefCell;
use std::sync::Arc;

use policy::{AdmissionSpec, ChosenLabels};

use crate::Environment;
use crate::node::Node;
use crate::remote::RemoteList;
use crate::report::Report;
use crate::snapshot::{Listener, Settings, local_domains};
// What Istio's kinds write in the same way.
pub(crate) use action::path_alone;
pub(crate) use authoriser::named as named_authoriser;
pub(crate) use canonical_path::{check_path, verbatim};
pub(crate) use expression::{MAX_BODY, log_condition};
pub(crate) use headers::{changeable, header_name, header_value, merged};
pub(crate) use identity::mounted_identity;
pub(crate) use log::{labels, text_format};
pub(crate) use route::{UNNAMED, takes_everything};
pub(crate) use tls::host_name;

use context::Context;
pub(crate) use destination::Defaults;
use sections::Sections;
pub(crate) use write::{Remarks, write};

/// What native documents say.
#[derive(Debug)]
pub(crate) struct Lowered {
    pub(crate) settings: Settings,
    pub(crate) admission: AdmissionSpec,
    pub(crate) defaults: Defaults,
    /// Lists to be fetched.
    pub(crate) lists: Vec<RemoteList>,
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
    let defaults = destination::defaults(sections.defaults, report);
    let gateway = identity::gateway(sections.gateway, environment, report);
    let context = Context {
        report,
        lists: list::lists(&sections.lists, &defaults, &environment.lists, report),
        local: local_domains(&trust),
        reporter_uid: gateway.reporter_uid(),
        named_hosts: RefCell::default(),
        listed_sources: RefCell::default(),
    };
    let listeners = listener::listeners(&sections.listeners, &context);
    let (destinations, mut upstreams) =
        destination::destinations(&sections.destinations, &defaults, &context);
    let passages =
        passthrough::passages(&sections.passthrough, &defaults, &mut upstreams, &context);
    let tcp = tcp::routes(&sections.tcp, &defaults, &mut upstreams, &context);
    let authorisers =
        authoriser::authorisers(&sections.authorisers, &defaults, &mut upstreams, report);
    let rules = policy_rule::policies(&sections.policies, &authorisers, &context);
    let formats = log::formats(&sections.formats, report);
    let logs = log::logs(&sections.logs, &formats, &context);
    pattern::warn_unserved(&context, &destinations, &passages, &tcp);
    let (dns, pins, vips) = limits::dns(sections.dns, report);
    let identity = identity::identity(sections.identity, report);
    let bounds = limits::limits(sections.limits, report);
    let chosen_labels = ChosenLabels(bounds.wildcard_labels);
    let speaks_tls = listeners.iter().any(Listener::verifies_callers);
    Lowered {
        settings: Settings {
            gateway,
            identity: (speaks_tls || sections.identity.is_some()).then_some(identity),
            trust,
            listeners,
            admin: limits::admin(sections.admin, report),
            limits: bounds,
            dns,
            pins: Arc::new(pins),
            vips,
            drain: limits::drain(sections.drain, report),
            logs,
        },
        admission: AdmissionSpec {
            default_policy: defaults.policy,
            rules,
            destinations,
            passages,
            tcp,
            upstreams,
            authorisers,
            chosen_labels,
        },
        is_written: !documents.is_empty(),
        listeners_written: !sections.listeners.is_empty(),
        logs_written: !sections.logs.is_empty(),
        lists: context.lists.into_iter().filter_map(|l| l.remote).collect(),
        defaults,
    }
}

#[cfg(test)]
mod tests;
