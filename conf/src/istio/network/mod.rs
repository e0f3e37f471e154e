//! Routing kinds: hosts that are declared, gateways that serve them, routes
//! between, and how hosts are spoken to.
//!
//! Objects are read into what they say, whatever their age; then two views are
//! put together from it, the gateway's and the sidecars'.

mod astray;
mod destination_rule;
mod destination_rules;
mod drafts;
mod exported;
mod gateway;
mod gateway_api;
mod gateway_names;
mod gateway_view;
mod headers;
mod http_match;
mod http_route;
mod mesh_view;
mod origination;
mod reach;
mod resilience;
mod route_rule;
mod routes;
mod server_listeners;
mod service;
mod service_entry;
mod sidecar;
mod tcp_route;
mod tcp_view;
mod upstream_plan;
mod upstreams;
mod virtual_service;

use std::net::IpAddr;

use policy::destination::{Destination, Passage, TcpRoute, Upstream};
use policy::door::View;

pub(super) use gateway_api::{CLASSES, deployed, is_our_gateway};

use super::object::Objects;
use super::scope::Scope;
use crate::snapshot::Listener;
use service::Service;

pub(super) use service_entry::labels;

use destination_rules::DestinationRules;
use upstreams::Upstreams;

/// What routing objects say.
#[derive(Debug, Default)]
pub(super) struct Lowered {
    pub(super) destinations: Vec<Destination>,
    pub(super) passages: Vec<Passage>,
    pub(super) tcp: Vec<TcpRoute>,
    pub(super) upstreams: Vec<Upstream>,
    pub(super) listeners: Vec<Listener>,
    /// Addresses by which the mesh means hosts.
    pub(super) vips: Vec<(IpAddr, Box<str>)>,
}

/// The port of a gateway where neither a listener nor a Gateway names one.
const HTTPS: u16 = 443;

/// Lowers every routing object. `written` are the listeners that native
/// documents ask for, `first` the number of the next upstream.
pub(super) fn lower(
    objects: &Objects<'_>,
    scope: &Scope<'_>,
    written: &[Listener],
    first: usize,
) -> Lowered {
    let services = service_entry::services(objects, scope);
    let backend_tls = gateway_api::backend_tls_policies(objects, &services, scope);
    let rules = DestinationRules::read(objects, backend_tls, scope);
    let mut virtual_services = route_rule::route_rules(objects, scope);
    virtual_services.extend(virtual_service::virtual_services(objects, scope));
    let mut servers = gateway::servers(objects, scope, &gateway_ports(written));
    let (api_servers, api_routes) = gateway_api::lower(objects, &services, scope);
    servers.extend(api_servers);
    virtual_services.extend(api_routes);
    server_listeners::remark(&servers, written, scope.report);
    let has_mesh = written.iter().any(|listener| listener.view == View::Mesh);
    sidecar::refuse(objects, has_mesh, scope);
    let mut upstreams = Upstreams::new(&services, &rules, scope, first);
    let mut drafts = gateway_view::drafts(&servers, &virtual_services, &mut upstreams, scope);
    if has_mesh {
        let sidecars =
            mesh_view::drafts(&services, &virtual_services, &drafts, &mut upstreams, scope);
        drafts.extend(sidecars);
    }
    gateway_view::remark(&servers, &virtual_services, has_mesh, objects, scope);
    let (destinations, passages, tcp) = drafts.finish(scope);
    if !has_mesh {
        upstreams.remark_unused(scope);
    }
    Lowered {
        vips: services.iter().flat_map(Service::vips).collect(),
        destinations,
        passages,
        tcp,
        upstreams: upstreams.into_made(),
        listeners: match written {
            [] => server_listeners::listeners(&servers, scope.report),
            _ => Vec::new(),
        },
    }
}

/// The ports at which a gateway without any Gateway object serves.
fn gateway_ports(written: &[Listener]) -> Vec<u16> {
    let gateways = written
        .iter()
        .filter(|listener| listener.view == View::Gateway);
    let mut ports: Vec<u16> = gateways.map(|listener| listener.port).collect();
    ports.sort_unstable();
    ports.dedup();
    match ports.is_empty() {
        true => vec![HTTPS],
        false => ports,
    }
}

#[cfg(test)]
mod tcp_tests;
#[cfg(test)]
mod tests;
