//! `destinations` and `defaults`: where requests may go.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use policy::canonical::{DuplicateSlashes, Encoded, PathProfile};
use policy::destination::{
    Action, Changes, Destination, Reach, Route, Upgrades, Upstream, UpstreamHost, UpstreamProtocol,
    UpstreamRef, Weighted,
};
use policy::pattern::HostPattern;
use policy::rule::DefaultPolicy;

use super::action::{Leads, add};
use super::addresses::{default_reach, reach};
use super::context::Context;
use super::door::{at, ports};
use super::pattern;
use super::route::{Settings, UNNAMED, routes};
use super::upstream::{Inherited, refuse_nameless, upstream};
use crate::fields::Fields;
use crate::node::{Entry, Node};
use crate::report::Report;

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

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
        let key = (destination.host.clone(), destination.door);
        match known.get(&key) {
            None => {
                known.insert(key, destination.origin.clone());
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
    let written_upstream = fields.take("upstream");
    let own = upstream(written_upstream, &inherited, fields.origin(), fields.report);
    let own_as_read = own.clone();
    let own = add(upstreams, own);
    let door = at(fields);
    let mut leads = Leads {
        upstreams,
        inherited: &inherited,
        own,
        door,
    };
    let written = fields.many("routes");
    let routes = match written {
        [] => {
            let action = Action::Forward(vec![Weighted {
                upstream: own,
                weight: 1,
            }]);
            vec![settings.route(UNNAMED, action, Changes::default(), fields)]
        }
        nodes => routes(nodes, &settings, &mut leads, context),
    };
    warn_of_no_websocket(&routes, upstreams, fields.report);
    // One that nobody wrote and no route leads to needs no name.
    if written_upstream.is_some() || routes.iter().any(|route| leads_to(route, own)) {
        refuse_nameless(&own_as_read, fields.report);
    }
    Some(Destination {
        door,
        ports: ports(fields),
        profile: profile(fields, defaults.profile),
        routes,
        name: name?.into(),
        origin: Arc::new(fields.origin().clone()),
        host: host?,
    })
}

/// WebSockets are opened over HTTP/1.1 (RFC 6455).
fn warn_of_no_websocket(routes: &[Route], upstreams: &[Upstream], report: &Report) {
    let of_http2 = |number: &UpstreamRef| {
        let index = usize::try_from(number.0).ok();
        let upstream = index.and_then(|index| upstreams.get(index));
        upstream.is_some_and(|upstream| upstream.protocol == UpstreamProtocol::Http2)
    };
    for route in routes {
        let Action::Forward(to) = &route.action else {
            continue;
        };
        let upgrades = route.upgrades == Upgrades::WebSocket;
        if upgrades && to.iter().any(|weighted| of_http2(&weighted.upstream)) {
            let message = "no WebSocket is opened to an upstream of HTTP/2: write `websocket: false` here, or `protocol: http1` in the upstream";
            report.warning(&route.origin, message);
        }
    }
}

fn leads_to(route: &Route, upstream: UpstreamRef) -> bool {
    match &route.action {
        Action::Forward(to) => to.iter().any(|weighted| weighted.upstream == upstream),
        Action::Redirect(_) | Action::Respond(_) | Action::Hop(_) => false,
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
