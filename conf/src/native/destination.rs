//! `destinations` and `defaults`: where requests may go.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use policy::canonical::{DuplicateSlashes, Encoded, PathProfile};
use policy::destination::{Action, Destination, Reach, Upstream, UpstreamHost, Weighted};
use policy::pattern::HostPattern;
use policy::rule::DefaultPolicy;

use super::action::{Leads, add};
use super::addresses::{default_reach, reach};
use super::context::Context;
use super::pattern;
use super::route::{Settings, UNNAMED, routes};
use super::upstream::{Inherited, upstream};
use crate::fields::{Fields, number};
use crate::node::{Entry, Node};
use crate::report::Report;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// What callers may name beside a host: plain HTTP that the gateway encrypts
/// comes as either (Istio's own examples use both).
const PORTS: [u16; 2] = [80, 443];

/// `defaults`: what destinations have unless they say otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Defaults {
    pub(crate) policy: DefaultPolicy,
    settings: Settings,
    pub(crate) connect_timeout: Duration,
    pub(crate) profile: PathProfile,
    /// Which addresses upstreams may have that are not written here.
    pub(crate) reach: Reach,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            policy: DefaultPolicy::Deny,
            settings: Settings::default(),
            connect_timeout: CONNECT_TIMEOUT,
            profile: PathProfile::default(),
            reach: Reach::default(),
        }
    }
}

/// Reads `defaults`.
pub(super) fn defaults(entry: Option<&Entry>, report: &Report) -> Defaults {
    let read = |fields: &Fields<'_>| {
        let policies = [
            ("deny", DefaultPolicy::Deny),
            ("allow", DefaultPolicy::Allow),
        ];
        let addresses = fields.take("addresses");
        Defaults {
            policy: fields.choice("policy", &policies).unwrap_or_default(),
            settings: Settings::read(fields, &Settings::default()),
            connect_timeout: fields.duration("connectTimeout").unwrap_or(CONNECT_TIMEOUT),
            profile: profile(fields, PathProfile::default()),
            reach: addresses
                .and_then(|node| Fields::read(node, report, default_reach))
                .unwrap_or_default(),
        }
    };
    entry
        .and_then(|entry| Fields::read(&entry.node, report, read))
        .unwrap_or_default()
}

/// `paths: { encodedSlashes, doubleEncoding, duplicateSlashes }`.
fn profile(fields: &Fields<'_>, above: PathProfile) -> PathProfile {
    let encoded = [("reject", Encoded::Reject), ("keep", Encoded::Keep)];
    let slashes = [
        ("merge", DuplicateSlashes::Merge),
        ("keep", DuplicateSlashes::Keep),
    ];
    let Some(node) = fields.take("paths") else {
        return above;
    };
    Fields::read(node, fields.report, |fields| PathProfile {
        encoded_slashes: fields
            .choice("encodedSlashes", &encoded)
            .unwrap_or(above.encoded_slashes),
        double_encoding: fields
            .choice("doubleEncoding", &encoded)
            .unwrap_or(above.double_encoding),
        duplicate_slashes: fields
            .choice("duplicateSlashes", &slashes)
            .unwrap_or(above.duplicate_slashes),
    })
    .unwrap_or(above)
}

/// Reads all destinations and their upstreams.
pub(super) fn destinations(
    nodes: &[&Node],
    defaults: &Defaults,
    context: &Context<'_>,
) -> (Vec<Destination>, Vec<Upstream>) {
    let mut upstreams = Vec::new();
    let mut destinations: Vec<Destination> = Vec::with_capacity(nodes.len());
    let mut known = HashMap::new();
    for node in nodes {
        let destination = Fields::read(node, context.report, |fields| {
            destination(fields, defaults, &mut upstreams, context)
        });
        let Some(destination) = destination.flatten() else {
            continue;
        };
        match known.get(&destination.host) {
            None => {
                known.insert(destination.host.clone(), destination.origin.clone());
                destinations.push(destination);
            }
            Some(first) => {
                let host = node.entry("host").map_or(&node.origin, |host| &host.origin);
                let message = format!(
                    "this host has two destinations: write its routes into the one at {first}"
                );
                context.report.error(host, message);
            }
        }
    }
    (destinations, upstreams)
}

fn destination(
    fields: &Fields<'_>,
    defaults: &Defaults,
    upstreams: &mut Vec<Upstream>,
    context: &Context<'_>,
) -> Option<Destination> {
    fields.need("host", "api.example.com");
    let name = fields.text("host");
    let host = fields
        .take("host")
        .and_then(|node| pattern::host(node, fields.report));
    let settings = Settings::read(fields, &defaults.settings);
    let inherited = Inherited {
        host: own_name(host.as_ref()),
        reach: reach(fields, &defaults.reach),
        connect_timeout: fields
            .duration("connectTimeout")
            .unwrap_or(defaults.connect_timeout),
    };
    let own = upstream(
        fields.take("upstream"),
        &inherited,
        fields.origin(),
        fields.report,
    );
    let own = add(upstreams, own);
    let mut leads = Leads {
        upstreams,
        inherited: &inherited,
        own,
    };
    let written = fields.many("routes");
    let routes = match written {
        [] => {
            let action = Action::Forward(vec![Weighted {
                upstream: own,
                weight: 1,
            }]);
            vec![settings.route(UNNAMED, action, fields)]
        }
        nodes => routes(nodes, &settings, &mut leads, context),
    };
    Some(Destination {
        door: None,
        ports: ports(fields),
        profile: profile(fields, defaults.profile),
        routes,
        upstream: own,
        timeout: settings.timeout,
        retries: settings.retries,
        name: name?.into(),
        origin: Arc::new(fields.origin().clone()),
        host: host?,
    })
}

fn ports(fields: &Fields<'_>) -> Vec<u16> {
    match fields.many("ports") {
        [] => PORTS.to_vec(),
        nodes => nodes
            .iter()
            .filter_map(|node| number(node, fields.report, 1..=u16::MAX))
            .collect(),
    }
}

/// Where a destination leads by itself: to its own name, or to whichever name
/// of its pattern was requested.
pub(super) fn own_name(host: Option<&HostPattern>) -> UpstreamHost {
    match host {
        Some(HostPattern::Exact(name)) => UpstreamHost::Named(name.as_ref().into()),
        _ => UpstreamHost::Requested,
    }
}
