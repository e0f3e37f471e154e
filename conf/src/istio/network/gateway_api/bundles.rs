//! The routes that all HTTPRoutes give to one host behind one door, brought into
//! the order in which they are asked: specific ones first, whoever wrote them.

use std::borrow::Cow;

use policy::origin::Origin;
use policy::pattern::HostPattern;

use super::super::super::object::Object;
use super::super::exported::Exported;
use super::super::http_route::HttpRoute;
use super::super::service::what;
use super::super::virtual_service::{MESH, VirtualService};
use super::parents::{Attached, Attachment};
use super::request_match::Rank;

/// Every bundle, in the order in which they were begun.
#[derive(Debug, Default)]
pub(super) struct Bundles<'a>(Vec<Bundle<'a>>);

/// The routes of one host behind one door.
#[derive(Debug)]
struct Bundle<'a> {
    host: HostPattern,
    /// The listener's; `None`: the sidecars' view.
    port: Option<u16>,
    gateway: Cow<'a, str>,
    routes: Vec<(Order, HttpRoute<'a>)>,
    namespace: &'a str,
    origin: &'a Origin,
    what: String,
}

/// A route of the consumer's namespace comes before one of the entry's own.
/// Among equals the first that was loaded.
type Order = (bool, Rank);

impl<'a> Bundles<'a> {
    /// Adds the routes of an object where they attach.
    pub(super) fn add(
        &mut self,
        object: &Object<'a>,
        attachment: &Attachment<'a>,
        routes: &[(Rank, HttpRoute<'a>)],
    ) {
        let (port, gateway): (_, Cow<'a, str>) = match &attachment.kind {
            Attached::Listener { port, gateway } => (Some(*port), gateway.clone().into()),
            Attached::Mesh { .. } => (None, MESH.into()),
        };
        let of_place = |bundle: &Bundle<'_>| bundle.port == port && bundle.host == attachment.host;
        let index = self.0.iter().position(of_place).unwrap_or_else(|| {
            self.0.push(Bundle {
                host: attachment.host.clone(),
                port,
                gateway,
                routes: Vec::new(),
                namespace: object.namespace,
                origin: object.origin,
                what: what(object),
            });
            self.0.len().saturating_sub(1)
        });
        if let Some(bundle) = self.0.get_mut(index) {
            let attached = routes
                .iter()
                .map(|(rank, route)| attached(attachment, *rank, route));
            bundle.routes.extend(attached);
        }
    }

    /// As VirtualServices, which are asked in order.
    pub(super) fn finish(self) -> Vec<VirtualService<'a>> {
        let bundles = self.0.into_iter().map(|mut bundle| {
            // Stable: equal ones stay in load order.
            bundle.routes.sort_by_key(|(order, _)| *order);
            VirtualService {
                exported: Exported::ToAll,
                hosts: vec![(bundle.host, bundle.origin)],
                gateways: vec![bundle.gateway],
                http: bundle.routes.into_iter().map(|(_, route)| route).collect(),
                tls: Vec::new(),
                tcp: Vec::new(),
                namespace: bundle.namespace,
                origin: bundle.origin,
                what: bundle.what,
            }
        });
        bundles.collect()
    }
}

fn attached<'a>(
    attachment: &Attachment<'a>,
    rank: Rank,
    route: &HttpRoute<'a>,
) -> (Order, HttpRoute<'a>) {
    let mut route = route.clone();
    let Attached::Mesh { port, consumer } = attachment.kind else {
        return ((false, rank), route);
    };
    for block in &mut route.blocks {
        block.port = port;
        block.source_namespace = consumer;
    }
    ((consumer.is_none(), rank), route)
}
