//! The sidecars' view, for listeners that take their part: a declared host is
//! open at its ports, and VirtualServices of the mesh say more.

use std::collections::BTreeSet;
use std::sync::Arc;

use policy::destination::{Action, Retries, Route, Upgrades};
use policy::door::Door;
use policy::pattern::HostPattern;

use super::super::scope::Scope;
use super::drafts::Drafts;
use super::exported::Exported;
use super::gateway_view;
use super::routes::{Viewpoint, routes};
use super::service::{Protocol, Service, covers};
use super::tcp_view;
use super::upstreams::{Carried, Upstreams};
use super::virtual_service::VirtualService;
use crate::native::UNNAMED;

/// What a VirtualService serves of a host that no object declares.
const HTTP: u16 = 80;

/// What sidecars serve.
pub(super) fn drafts(
    services: &[Service<'_>],
    virtual_services: &[VirtualService<'_>],
    gateway: &Drafts,
    upstreams: &mut Upstreams<'_, '_>,
    scope: &Scope<'_>,
) -> Drafts {
    let of_mesh: Vec<&VirtualService<'_>> = virtual_services
        .iter()
        .filter(|service| service.is_for_mesh())
        .collect();
    let mut drafts = Drafts::default();
    for service in &of_mesh {
        for (host, _) in &service.hosts {
            for port in ports(service, host, upstreams) {
                route(
                    service,
                    host,
                    Door::mesh(port),
                    gateway,
                    &mut drafts,
                    upstreams,
                    scope,
                );
            }
        }
    }
    for service in services {
        // The most specific VirtualService over a declared host speaks for it.
        let over = of_mesh
            .iter()
            .flat_map(|owner| owner.hosts.iter().map(move |(host, _)| (owner, host)));
        let over = over.filter(|(_, host)| covers(host, &service.host));
        // One that routes nothing but TLS says nothing of HTTP: that stays as it was.
        let is_spoken_for = over.clone().any(|(owner, _)| !owner.http.is_empty());
        let is_led = over.clone().any(|(owner, _)| !owner.tcp.is_empty());
        let nearest = over.reduce(|best, next| if covers(best.1, next.1) { next } else { best });
        for port in &service.ports {
            let door = Door::mesh(port.number);
            if let Some((owner, host)) = nearest
                // Under its own name it has been read above.
                && *host != service.host
            {
                route(
                    owner,
                    &service.host,
                    door,
                    gateway,
                    &mut drafts,
                    upstreams,
                    scope,
                );
            }
            if !is_spoken_for {
                open(service, door, &mut drafts, upstreams, scope);
            }
            if port.protocol == Protocol::Tcp && !is_led {
                tcp_view::open(service, door, &mut drafts, upstreams, scope);
            }
            if port.protocol.is_tls() && !drafts.is_settled(door, &service.host) {
                pass(service, door, &mut drafts, upstreams, scope);
            }
        }
    }
    drafts
}

/// The ports at which a VirtualService routes a host: those that are declared,
/// or those it names itself.
fn ports(
    service: &VirtualService<'_>,
    host: &HostPattern,
    upstreams: &Upstreams<'_, '_>,
) -> BTreeSet<u16> {
    if let Some(declared) = upstreams.service(host) {
        return declared.ports.iter().map(|port| port.number).collect();
    }
    let blocks = service.http.iter().flat_map(|route| &route.blocks);
    let named: BTreeSet<u16> = blocks.filter_map(|block| block.port).collect();
    match named.is_empty() {
        true => [HTTP].into(),
        false => named,
    }
}

fn route(
    service: &VirtualService<'_>,
    host: &HostPattern,
    door: Door,
    gateway: &Drafts,
    drafts: &mut Drafts,
    upstreams: &mut Upstreams<'_, '_>,
    scope: &Scope<'_>,
) {
    let from = Viewpoint {
        door,
        gateway: None,
    };
    let routes = routes(service, host, from, upstreams, scope);
    drafts.add(door, host, service.origin, routes);
    tcp_view::in_mesh(service, from, drafts, upstreams, scope);
    gateway_view::pass(service, host, from, Some(gateway), drafts, upstreams, scope);
}

/// A declared host of which no VirtualService speaks: requests go where they
/// were going.
fn open(
    service: &Service<'_>,
    door: Door,
    drafts: &mut Drafts,
    upstreams: &mut Upstreams<'_, '_>,
    scope: &Scope<'_>,
) {
    let lead = upstreams.lead(&service.host, Some(door.port), door.port, "", Carried::Http);
    let Ok(weighted) = lead else { return };
    let route = Route {
        name: UNNAMED.into(),
        matchers: Vec::new(),
        action: Action::Forward(weighted),
        timeout: None,
        retries: Retries::default(),
        changes: None,
        upgrades: Upgrades::WebSocket,
        max_body: None,
        origin: Arc::new(service.origin.clone()),
    };
    let route = upstreams.known(service).route(route, scope);
    drafts.add(
        door,
        &service.host,
        service.origin,
        route.into_iter().collect(),
    );
}

/// TLS of the application's own to a declared host.
fn pass(
    service: &Service<'_>,
    door: Door,
    drafts: &mut Drafts,
    upstreams: &mut Upstreams<'_, '_>,
    scope: &Scope<'_>,
) {
    if upstreams.known(service) != Exported::ToAll {
        gateway_view::warn_unasked(service.origin, scope);
        return;
    }
    let lead = upstreams.lead(&service.host, Some(door.port), door.port, "", Carried::Tls);
    if let Ok(weighted) = lead {
        drafts.pass(door, &service.host, weighted, service.origin);
    }
}
