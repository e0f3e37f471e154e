//! Gateway API in the forms that Istio uses for egress: `HTTPRoute` and
//! `TLSRoute` of a `Gateway` or of a ServiceEntry, and `BackendTLSPolicy`.
//!
//! It becomes servers, VirtualServices and DestinationRules, as Istio itself
//! makes of it. What differs is settled on the way: the most specific match wins
//! by being put first, prefixes take whole segments, and a reference that leads
//! nowhere is answered 500.

mod backend;
mod backend_tls;
mod bundles;
mod filters;
mod gateway;
mod grants;
mod http_route;
mod parents;
mod request_match;
mod tls_route;

use policy::origin::Origin;
use policy::pattern::HostPattern;

use super::super::object::Objects;
use super::super::scope::Scope;
use super::gateway::Server;
use super::service::{Service, covers};
use super::virtual_service::VirtualService;
use crate::node::Node;

use bundles::Bundles;
use gateway::ApiListener;
use grants::Grants;

pub(super) use backend_tls::backend_tls_policies;
pub(in crate::istio) use gateway::{CLASSES, deployed, is_our_gateway};

/// The group of most kinds.
const GROUP: &str = "gateway.networking.k8s.io";
/// The group of Istio's own, which routes may name.
const ISTIO: &str = "networking.istio.io";

/// What references are looked up in.
struct Context<'c, 'a> {
    objects: &'c Objects<'a>,
    services: &'c [Service<'a>],
    scope: &'c Scope<'a>,
    listeners: Vec<ApiListener<'a>>,
    grants: Grants<'a>,
}

/// Servers and routes, to stand beside those of Istio's own kinds.
pub(super) fn lower<'a>(
    objects: &Objects<'a>,
    services: &[Service<'a>],
    scope: &Scope<'a>,
) -> (Vec<Server<'a>>, Vec<VirtualService<'a>>) {
    let context = Context {
        objects,
        services,
        scope,
        listeners: gateway::listeners(objects, scope),
        grants: Grants::read(objects, scope),
    };
    let mut bundles = Bundles::default();
    http_route::read(&context, &mut bundles);
    let mut routes = bundles.finish();
    routes.extend(tls_route::virtual_services(&context));
    let servers = context.listeners.iter().map(ApiListener::server);
    (servers.collect(), routes)
}

impl<'a> Context<'_, 'a> {
    /// The hosts that the ServiceEntry at `origin` declares.
    fn declared_at(&self, origin: &'a Origin) -> impl Iterator<Item = &Service<'a>> {
        let services = self.services.iter();
        services.filter(move |service| std::ptr::eq(service.origin, origin))
    }

    /// Whether some object declares a host, at that port if one is meant.
    fn declares(&self, host: &HostPattern, port: Option<u16>) -> bool {
        let mut over = self.services.iter();
        over.any(|service| {
            covers(&service.host, host) && port.is_none_or(|port| service.port(port).is_some())
        })
    }
}

/// A host pattern as Gateway API writes it.
fn host<'a>(node: &'a Node, scope: &Scope<'a>) -> Option<(HostPattern, &'a Origin)> {
    let host = HostPattern::parse(crate::fields::text(node, scope.report)?);
    let host = host.map_err(|error| scope.report.error(&node.origin, error.message()));
    Some((host.ok()?, &node.origin))
}

#[cfg(test)]
mod tests;
