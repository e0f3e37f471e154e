//! `tcp` routes as a view sees them: which apply there, and where they lead.

use std::sync::Arc;

use policy::destination::{TcpLead, TcpRoute};
use policy::door::Door;
use policy::origin::Origin;
use policy::pattern::HostPattern;
use policy::source::SourcePattern;

use super::super::scope::{Scope, full_host};
use super::drafts::Drafts;
use super::exported::Exported;
use super::gateway::{Server, ServerMode};
use super::http_route::Share;
use super::routes::{Leads, Viewpoint, weighed};
use super::service::Service;
use super::tcp_route::{self, TcpBlock};
use super::upstreams::{Carried, Upstreams};
use super::virtual_service::VirtualService;

/// The routes of a VirtualService at a server that passes bytes on. Where mutual
/// TLS is around them, its server name must be one of the hosts; at a server of
/// `*`, connections for any other name go where Istio leads them.
pub(super) fn at_server(
    server: &Server<'_>,
    service: &VirtualService<'_>,
    from: Viewpoint<'_>,
    drafts: &mut Drafts,
    upstreams: &mut Upstreams<'_, '_>,
    scope: &Scope<'_>,
) {
    let hosts = server.shared_hosts(service);
    if hosts.is_empty() || !matches!(server.mode, ServerMode::Tcp | ServerMode::PlainTcp) {
        return;
    }
    let any = server
        .hosts
        .iter()
        .any(|ours| ours.host == HostPattern::Any);
    let names = match (server.mode, hosts.contains(&&HostPattern::Any)) {
        (ServerMode::Tcp, false) => hosts.into_iter().cloned().collect(),
        _ => Vec::new(),
    };
    for mut route in routes(service, from, upstreams, scope) {
        route.server_names.clone_from(&names);
        if any && !names.is_empty() {
            drafts.lead_last(TcpRoute {
                server_names: Vec::new(),
                ..route.clone()
            });
        }
        drafts.lead(route, scope);
    }
}

/// The routes of a VirtualService of the mesh at one port.
pub(super) fn in_mesh(
    service: &VirtualService<'_>,
    from: Viewpoint<'_>,
    drafts: &mut Drafts,
    upstreams: &mut Upstreams<'_, '_>,
    scope: &Scope<'_>,
) {
    for route in routes(service, from, upstreams, scope) {
        drafts.lead(route, scope);
    }
}

/// A declared port of TCP of which no VirtualService speaks.
pub(super) fn open(
    service: &Service<'_>,
    door: Door,
    drafts: &mut Drafts,
    upstreams: &mut Upstreams<'_, '_>,
    scope: &Scope<'_>,
) {
    // Of a pattern nobody could say which host is meant.
    let HostPattern::Exact(host) = &service.host else {
        return;
    };
    let share = Share {
        host: (&**host).into(),
        subset: "",
        port: Some(door.port),
        weight: 1,
        headers: Default::default(),
        origin: service.origin,
    };
    let port = door.port;
    let lead = upstreams.lead(&service.host, Some(port), port, "", Carried::Tcp);
    let Ok(lead) = lead else { return };
    let leads = made(&service.host, host, &share, &lead, port, upstreams);
    let known = upstreams.known(service);
    if let Some(from) = known.callers(&[], scope) {
        drafts.lead(route(door, from, leads, service.origin), scope);
    }
}

/// Those that apply, in order. Behind one that leads nowhere nothing is asked:
/// its connections are not another's.
fn routes(
    service: &VirtualService<'_>,
    from: Viewpoint<'_>,
    upstreams: &mut Upstreams<'_, '_>,
    scope: &Scope<'_>,
) -> Vec<TcpRoute> {
    let any = HostPattern::Any;
    let mut routes = Vec::new();
    for written in &service.tcp {
        let sources = sources(written, service, from, scope);
        if sources.is_empty() {
            continue;
        }
        let of_mesh = Leads {
            service,
            host: &any,
            door: from.door,
            scope,
        };
        let known = of_mesh.known(&written.shares, upstreams);
        let is_of_subnet = |sources: &Vec<SourcePattern>| {
            let mut all = sources.iter();
            all.any(|source| matches!(source, SourcePattern::Address(_)))
        };
        if known != Exported::ToAll && sources.iter().any(is_of_subnet) {
            let message = "`sourceSubnet` and `exportTo` cannot be asked together: write a policy on principals";
            scope.report.error(written.origin, message);
        }
        let sources: Vec<_> = sources
            .iter()
            .filter_map(|from_these| known.callers(from_these, scope))
            .collect();
        let leads = leads(written, service, from.door, upstreams, scope);
        if leads.is_empty() {
            break;
        }
        let all = sources.into_iter();
        routes.extend(
            all.map(|from_these| route(from.door, from_these, leads.clone(), written.origin)),
        );
    }
    routes
}

fn route(door: Door, from: Vec<SourcePattern>, leads: Vec<TcpLead>, origin: &Origin) -> TcpRoute {
    TcpRoute {
        door,
        server_names: Vec::new(),
        from,
        leads,
        origin: Arc::new(origin.clone()),
    }
}

/// Of each block that applies, the callers it is for; empty ones: everybody.
fn sources(
    route: &tcp_route::TcpRoute<'_>,
    service: &VirtualService<'_>,
    from: Viewpoint<'_>,
    scope: &Scope<'_>,
) -> Vec<Vec<SourcePattern>> {
    if route.blocks.is_empty() {
        return vec![Vec::new()];
    }
    let blocks = route.blocks.iter();
    blocks
        .filter_map(|block| applying(block, service.namespace, from, scope))
        .collect()
}

fn applying(
    block: &TcpBlock<'_>,
    namespace: &str,
    from: Viewpoint<'_>,
    scope: &Scope<'_>,
) -> Option<Vec<SourcePattern>> {
    if block.port.is_some_and(|port| port != from.door.port) {
        return None;
    }
    let sources = match &block.gateways {
        Some(gateways) => from.is_named(gateways, namespace).then(Vec::new)?,
        None => {
            let (labels, namespace) = (&block.source_labels, block.source_namespace);
            from.sources(labels, namespace, block.origin, scope)?
        }
    };
    match block.source_subnet {
        None => Some(sources),
        Some(range) if sources.is_empty() => Some(vec![SourcePattern::Address(range)]),
        Some(_) => {
            let message = "`sourceSubnet` and `sourceNamespace` cannot be asked together: write a policy on principals";
            scope.report.error(block.origin, message);
            None
        }
    }
}

/// Where a route leads; nothing where one of its hosts is astray.
fn leads(
    route: &tcp_route::TcpRoute<'_>,
    service: &VirtualService<'_>,
    door: Door,
    upstreams: &mut Upstreams<'_, '_>,
    scope: &Scope<'_>,
) -> Vec<TcpLead> {
    let mut leads = Vec::new();
    for share in weighed(&route.shares) {
        let host = full_host(&share.host, service.namespace);
        let Ok(pattern @ HostPattern::Exact(_)) = HostPattern::parse(&host) else {
            let message = format!("`{host}` is no single host, and bytes name none: write one");
            scope.report.error(share.origin, message);
            continue;
        };
        let from = Leads {
            service,
            host: &pattern,
            door,
            scope,
        };
        match from.lead(share, Carried::Tcp, upstreams) {
            Ok(lead) => {
                let name = pattern.to_string();
                leads.extend(made(&pattern, &name, share, &lead, door.port, upstreams));
            }
            Err(astray) => {
                let reason = astray.reason(&share.host);
                let message = format!("{reason}: until then connections are refused");
                scope.report.warning(share.origin, message);
                return Vec::new();
            }
        }
    }
    leads
}

fn made(
    pattern: &HostPattern,
    host: &str,
    share: &Share<'_>,
    lead: &[policy::destination::Weighted],
    meant: u16,
    upstreams: &Upstreams<'_, '_>,
) -> Vec<TcpLead> {
    let one = |one: &policy::destination::Weighted| TcpLead {
        host: host.into(),
        carries: upstreams.carries(pattern, share.port, meant, one.upstream),
        upstream: one.upstream,
        weight: one.weight.saturating_mul(share.weight.max(1)),
    };
    lead.iter().map(one).collect()
}
