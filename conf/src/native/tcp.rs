//! `tcp`: where ports lead, for connections that are neither HTTP nor known by
//! the server name of their TLS.

use std::sync::Arc;

use policy::destination::{Carries, TcpLead, TcpRoute, Upstream, UpstreamHost, UpstreamTls};
use policy::door::Door;
use policy::pattern::HostPattern;
use policy::source::SourcePattern;

use super::action::{MAX_WEIGHT, add};
use super::addresses::reach;
use super::asking::{Asking, Follows};
use super::context::Context;
use super::destination::Defaults;
use super::passthrough::{all_unweighted, doors};
use super::pattern;
use super::pool::{outlier, pool_of_tunnels};
use super::source::sources;
use super::tls::{host_name, tls};
use super::upstream::{HTTPS, Inherited, addresses, refuse_nameless};
use super::via::{refuse_addresses, via};
use crate::fields::Fields;
use crate::node::Node;

/// Reads all routes and adds their upstreams to those there are.
pub(super) fn routes(
    nodes: &[&Node],
    defaults: &Defaults,
    upstreams: &mut Vec<Upstream>,
    context: &Context<'_>,
) -> Vec<TcpRoute> {
    let mut routes = Vec::new();
    for node in nodes {
        let read = |fields: &Fields<'_>| route(fields, defaults, upstreams, context);
        routes.extend(Fields::read(node, context.report, read).unwrap_or_default());
    }
    routes
}

/// One for each door.
fn route(
    fields: &Fields<'_>,
    defaults: &Defaults,
    upstreams: &mut Vec<Upstream>,
    context: &Context<'_>,
) -> Vec<TcpRoute> {
    fields.need("host", "db.example.com");
    fields.need("at", "gateway:5432");
    let host = fields.parsed("host", host_name);
    let doors = doors(fields);
    let server_names = server_names(fields, context);
    let from = from(fields, context);
    let (Some(host), Some(first)) = (host, doors.first()) else {
        // Whatever else is wrong is told all the same.
        let nowhere = Above::of(fields, "invalid".into(), HTTPS, defaults);
        leads(fields, &nowhere, upstreams);
        return Vec::new();
    };
    let above = Above::of(fields, host, first.port, defaults);
    let leads = leads(fields, &above, upstreams);
    let origin = Arc::new(fields.origin().clone());
    let one = |door: Door| TcpRoute {
        door,
        server_names: server_names.clone(),
        from: from.clone(),
        leads: leads.clone(),
        origin: Arc::clone(&origin),
    };
    doors.into_iter().map(one).collect()
}

fn server_names(fields: &Fields<'_>, context: &Context<'_>) -> Vec<HostPattern> {
    let asking = Asking::new(context, Follows::Way);
    asking.alternatives(fields.many("sni"), |node| {
        pattern::host(node, fields.report)
    })
}

fn from(fields: &Fields<'_>, context: &Context<'_>) -> Vec<SourcePattern> {
    sources(fields, &Asking::new(context, Follows::Way)).to_vec()
}

/// What a lead has from its route unless it says otherwise.
struct Above {
    host: Box<str>,
    /// The port callers come to.
    port: u16,
    carries: Option<Carries>,
    inherited: Inherited,
}

impl Above {
    fn of(fields: &Fields<'_>, host: Box<str>, port: u16, defaults: &Defaults) -> Self {
        Self {
            inherited: Inherited {
                host: UpstreamHost::Named((&*host).into()),
                reach: reach(fields, &defaults.reach),
                connect_timeout: defaults.connect_timeout,
            },
            host,
            port,
            carries: carries(fields),
        }
    }
}

fn carries(fields: &Fields<'_>) -> Option<Carries> {
    fields.choice(
        "carries",
        &[("bytes", Carries::Bytes), ("tls", Carries::Tls)],
    )
}

/// What is let through where nobody says: to a port of TLS, TLS alone.
pub(super) fn carried_to(upstream: &Upstream) -> Carries {
    match upstream.port == HTTPS && upstream.tls == UpstreamTls::Off {
        true => Carries::Tls,
        false => Carries::Bytes,
    }
}

/// `to: [{ host, weight, carries, upstream }]`, or `upstream`; without either the
/// host itself.
fn leads(fields: &Fields<'_>, above: &Above, upstreams: &mut Vec<Upstream>) -> Vec<TcpLead> {
    let report = fields.report;
    let (to, own) = (fields.many("to"), fields.take("upstream"));
    if let (Some(node), false) = (own, to.is_empty()) {
        let message = "`to` and `upstream` exclude each other: delete one of them";
        report.error(&node.origin, message);
    }
    if to.is_empty() {
        return vec![lead(fields, own, &above.host, 1, above, upstreams)];
    }
    let mut share = |fields: &Fields<'_>| {
        let weight = fields.number("weight", 0..=MAX_WEIGHT).unwrap_or(1);
        let host = fields.parsed("host", host_name);
        let host = host.as_deref().unwrap_or(&above.host);
        lead(
            fields,
            fields.take("upstream"),
            host,
            weight,
            above,
            upstreams,
        )
    };
    let shares = to
        .iter()
        .filter_map(|node| Fields::read(node, report, &mut share));
    let shares: Vec<TcpLead> = shares.collect();
    all_unweighted(fields, shares.iter().map(|share| share.weight));
    shares
}

fn lead(
    fields: &Fields<'_>,
    node: Option<&Node>,
    host: &str,
    weight: u32,
    above: &Above,
    upstreams: &mut Vec<Upstream>,
) -> TcpLead {
    let inherited = Inherited {
        host: UpstreamHost::Named(host.into()),
        ..above.inherited.clone()
    };
    let read = |fields: &Fields<'_>| upstream(fields, &inherited, above.port);
    let read = node.and_then(|node| Fields::read(node, fields.report, read));
    let upstream = read.unwrap_or_else(|| {
        let tls = UpstreamTls::Off;
        inherited.server(above.port, tls, fields.origin())
    });
    refuse_nameless(&upstream, fields.report);
    let carries = carries(fields).or(above.carries);
    TcpLead {
        host: host.into(),
        carries: carries.unwrap_or_else(|| carried_to(&upstream)),
        upstream: add(upstreams, upstream),
        weight,
    }
}

/// `{ host, port, addresses, tls, connectTimeout, pool, outlier, via }`. Bytes go as they are, unless
/// `tls` asks for TLS of ours.
fn upstream(fields: &Fields<'_>, inherited: &Inherited, port: u16) -> Upstream {
    let host = fields.parsed("host", host_name);
    let port = fields.number("port", 1..=u16::MAX).unwrap_or(port);
    let tls = tls(fields);
    let connect_timeout = fields.duration("connectTimeout");
    let upstream = Upstream {
        host: host.map_or_else(
            || inherited.host.clone(),
            |host| UpstreamHost::Named(host.into()),
        ),
        port,
        addresses: addresses(fields, port, &inherited.reach),
        tls: match fields.has("tls") {
            true => tls,
            false => UpstreamTls::Off,
        },
        connect_timeout: connect_timeout.unwrap_or(inherited.connect_timeout),
        bounds: pool_of_tunnels(fields),
        outlier: outlier(fields),
        via: via(fields),
        ..inherited.server(port, UpstreamTls::Off, fields.origin())
    };
    refuse_addresses(&upstream, fields);
    upstream
}
