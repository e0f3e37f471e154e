//! `passthrough`: where TLS may pass through to, untouched, by its server name.

use std::collections::HashMap;
use std::sync::Arc;

use policy::destination::{Passage, Upstream, UpstreamTls, Weighted};
use policy::door::Door;

use super::action::{MAX_WEIGHT, add};
use super::addresses::reach;
use super::context::Context;
use super::destination::{Defaults, own_name};
use super::pattern;
use super::pool::{outlier, pool_of_tunnels};
use super::upstream::{HTTPS, Inherited, addresses, host};
use super::via::{refuse_addresses, via};
use crate::fields::{Fields, parsed};
use crate::node::Node;

/// Reads all passages and adds their upstreams to those there are.
pub(super) fn passages(
    nodes: &[&Node],
    defaults: &Defaults,
    upstreams: &mut Vec<Upstream>,
    context: &Context<'_>,
) -> Vec<Passage> {
    let mut passages: Vec<Passage> = Vec::new();
    let mut known = HashMap::new();
    for node in nodes {
        let read = |fields: &Fields<'_>| passage(fields, defaults, upstreams);
        let read = Fields::read(node, context.report, read);
        for passage in read.into_iter().flatten() {
            let (host, door) = (passage.host.clone(), passage.door);
            match known.insert((host, door), Arc::clone(&passage.origin)) {
                None => passages.push(passage),
                Some(first) => {
                    let message = format!(
                        "this host has two passages at `{door}`: delete one, the other is at {first}"
                    );
                    context.report.error(&passage.origin, message);
                }
            }
        }
    }
    passages
}

/// One for each door.
fn passage(
    fields: &Fields<'_>,
    defaults: &Defaults,
    upstreams: &mut Vec<Upstream>,
) -> Vec<Passage> {
    fields.need("host", "*.example.com");
    fields.need("at", "mesh:443");
    let name = fields.text("host");
    let host = fields
        .take("host")
        .and_then(|node| pattern::host(node, fields.report));
    let doors = doors(fields);
    let inherited = Inherited {
        host: own_name(host.as_ref()),
        reach: reach(fields, &defaults.reach),
        connect_timeout: defaults.connect_timeout,
    };
    let leads = leads(fields, &inherited, upstreams);
    let (Some(name), Some(host)) = (name, host) else {
        return Vec::new();
    };
    let origin = Arc::new(fields.origin().clone());
    let one = |door: Door| Passage {
        host: host.clone(),
        name: name.into(),
        door,
        upstreams: leads.clone(),
        origin: Arc::clone(&origin),
    };
    doors.into_iter().map(one).collect()
}

/// `at`: one door, or several.
pub(super) fn doors(fields: &Fields<'_>) -> Vec<Door> {
    let nodes = fields.many("at").iter();
    nodes
        .filter_map(|node| parsed(node, fields.report, door))
        .collect()
}

/// Tells where weights leave nothing.
pub(super) fn all_unweighted(fields: &Fields<'_>, mut weights: impl Iterator<Item = u32>) {
    if weights.all(|weight| weight == 0) {
        let place = fields
            .take("to")
            .map_or(fields.origin(), |node| &node.origin);
        let message = "all weights are 0, so nothing is served: write a weight above 0";
        fields.report.error(place, message);
    }
}

/// `mesh:443`, `gateway:443`.
fn door(text: &str) -> Result<Door, String> {
    let wrong = || format!("`{text}` is no door: write such as `mesh:443` or `gateway:443`");
    let (view, port) = text.split_once(':').ok_or_else(wrong)?;
    let port = port
        .parse()
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(wrong)?;
    match view {
        "mesh" => Ok(Door::mesh(port)),
        "gateway" => Ok(Door::gateway(port)),
        _ => Err(wrong()),
    }
}

/// `to: [{ weight, upstream }]`, or `upstream`; without either the host itself.
fn leads(
    fields: &Fields<'_>,
    inherited: &Inherited,
    upstreams: &mut Vec<Upstream>,
) -> Vec<Weighted> {
    let report = fields.report;
    let (to, own) = (fields.many("to"), fields.take("upstream"));
    if let (Some(node), false) = (own, to.is_empty()) {
        let message = "`to` and `upstream` exclude each other: delete one of them";
        report.error(&node.origin, message);
    }
    let mut lead = |node: Option<&Node>, weight| {
        let read = |fields: &Fields<'_>| upstream(fields, inherited);
        let read = node.and_then(|node| Fields::read(node, report, read));
        let upstream =
            read.unwrap_or_else(|| inherited.server(HTTPS, UpstreamTls::Off, fields.origin()));
        Weighted {
            upstream: add(upstreams, upstream),
            weight,
        }
    };
    if to.is_empty() {
        return vec![lead(own, 1)];
    }
    let mut share = |fields: &Fields<'_>| {
        let weight = fields.number("weight", 0..=MAX_WEIGHT).unwrap_or(1);
        lead(fields.need("upstream", "{ host: a.example.com }"), weight)
    };
    let shares = to
        .iter()
        .filter_map(|node| Fields::read(node, report, &mut share));
    let shares: Vec<Weighted> = shares.collect();
    all_unweighted(fields, shares.iter().map(|share| share.weight));
    shares
}

/// `{ host, port, addresses, connectTimeout, resolve, pool, outlier, via }`: there is no `tls`, for the
/// application brings its own.
fn upstream(fields: &Fields<'_>, inherited: &Inherited) -> Upstream {
    let host = host(fields, inherited);
    let port = fields.number("port", 1..=u16::MAX).unwrap_or(HTTPS);
    let connect_timeout = fields.duration("connectTimeout");
    let upstream = Upstream {
        host,
        port,
        addresses: addresses(fields, port, &inherited.reach),
        connect_timeout: connect_timeout.unwrap_or(inherited.connect_timeout),
        bounds: pool_of_tunnels(fields),
        outlier: outlier(fields),
        via: via(fields),
        ..inherited.server(HTTPS, UpstreamTls::Off, fields.origin())
    };
    refuse_addresses(&upstream, fields);
    upstream
}
