//! VirtualService: routes for hosts, bound to gateways and to the mesh.

use std::borrow::Cow;

use policy::origin::Origin;
use policy::pattern::HostPattern;

use super::super::kind::Kind;
use super::super::object::{Object, Objects};
use super::super::scope::{Scope, full_host};
use super::exported::{Exported, exported};
use super::http_match::port;
use super::http_route::{HttpRoute, Share, http_route, share};
use super::service::what;
use super::service_entry::labels;
use super::tcp_route::{TcpRoute, tcp_route};
use crate::fields::{Fields, text};
use crate::node::Node;
use crate::report::Report;

/// The reserved name of the sidecars.
pub(super) const MESH: &str = "mesh";

/// One VirtualService.
#[derive(Debug)]
pub(super) struct VirtualService<'a> {
    pub(super) hosts: Vec<(HostPattern, &'a Origin)>,
    /// As written: `NAME`, `NAMESPACE/NAME` or `mesh`.
    pub(super) gateways: Vec<Cow<'a, str>>,
    pub(super) http: Vec<HttpRoute<'a>>,
    pub(super) tls: Vec<TlsRoute<'a>>,
    pub(super) tcp: Vec<TcpRoute<'a>>,
    pub(super) exported: Exported<'a>,
    pub(super) namespace: &'a str,
    pub(super) origin: &'a Origin,
    pub(super) what: String,
}

/// A route by server name.
#[derive(Debug)]
pub(super) struct TlsRoute<'a> {
    pub(super) blocks: Vec<TlsBlock<'a>>,
    pub(super) shares: Vec<Share<'a>>,
    pub(super) origin: &'a Origin,
}

/// What a TLS route asks.
#[derive(Debug)]
pub(super) struct TlsBlock<'a> {
    pub(super) server_names: Vec<(HostPattern, &'a Origin)>,
    pub(super) port: Option<u16>,
    pub(super) gateways: Option<Vec<&'a str>>,
    pub(super) source_labels: Vec<(&'a str, &'a str)>,
    pub(super) source_namespace: Option<&'a str>,
    pub(super) origin: &'a Origin,
}

impl VirtualService<'_> {
    /// Whether a name among its gateways means this one.
    pub(super) fn names(&self, namespace: &str, name: &str) -> bool {
        self.gateways
            .iter()
            .any(|written| is_gateway(written, self.namespace, namespace, name))
    }

    /// Whether it is for sidecars.
    pub(super) fn is_for_mesh(&self) -> bool {
        self.gateways.iter().any(|written| written == MESH)
    }
}

/// Whether `written` in an object of namespace `own` names a gateway.
pub(super) fn is_gateway(written: &str, own: &str, namespace: &str, name: &str) -> bool {
    match written.split_once('/') {
        Some((written_namespace, written_name)) => {
            written_namespace == namespace && written_name == name
        }
        None => written != MESH && own == namespace && written == name,
    }
}

/// Every VirtualService exported to this gateway, in load order.
pub(super) fn virtual_services<'a>(
    objects: &Objects<'a>,
    scope: &Scope<'a>,
) -> Vec<VirtualService<'a>> {
    let all = objects.of_kind(Kind::VirtualService);
    all.filter_map(|object| {
        object
            .spec(scope.report, |fields| read(object, fields, scope))
            .flatten()
    })
    .collect()
}

fn read<'a>(
    object: &Object<'a>,
    fields: &Fields<'a>,
    scope: &Scope<'a>,
) -> Option<VirtualService<'a>> {
    let report = scope.report;
    // Without routes of its own, the sidecars' view opens a declared host.
    fields.refuse_null(&["gateways", "http", "tls", "tcp"]);
    fields.need("hosts", "[edition.cnn.com]");
    let hosts = fields.many("hosts").iter();
    let hosts = hosts
        .filter_map(|node| host(node, object.namespace, report))
        .collect();
    let gateways = match fields.many("gateways") {
        [] => vec![MESH.into()],
        nodes => {
            let nodes = nodes.iter().filter_map(|node| text(node, report));
            nodes.map(Cow::Borrowed).collect()
        }
    };
    let http = fields.many("http").iter();
    let http = http
        .filter_map(|node| Fields::read_proto(node, report, http_route))
        .collect();
    let tls = fields.many("tls").iter();
    let tls = tls
        .filter_map(|node| Fields::read_proto(node, report, |fields| tls_route(fields, object)))
        .collect();
    let tcp = fields.many("tcp").iter();
    let tcp = tcp
        .filter_map(|node| Fields::read_proto(node, report, tcp_route))
        .collect();
    let exported = exported(object, fields, scope);
    Some(VirtualService {
        exported: exported?,
        hosts,
        gateways,
        http,
        tls,
        tcp,
        namespace: object.namespace,
        origin: object.origin,
        what: what(object),
    })
}

fn host<'a>(node: &'a Node, namespace: &str, report: &Report) -> Option<(HostPattern, &'a Origin)> {
    let written = text(node, report)?;
    let host = HostPattern::parse(&full_host(written, namespace));
    let host = host
        .map_err(|error| report.error(&node.origin, error.message()))
        .ok()?;
    Some((host, &node.origin))
}

fn tls_route<'a>(fields: &Fields<'a>, object: &Object<'a>) -> TlsRoute<'a> {
    let report = fields.report;
    fields.need("match", "[{ port: 443, sniHosts: [www.googleapis.com] }]");
    let blocks = fields.many("match").iter();
    let blocks = blocks.filter_map(|node| {
        Fields::read_restriction(node, report, |fields| tls_block(fields, object))
    });
    let blocks = blocks.collect();
    fields.need("route", "[{ destination: { host: www.googleapis.com } }]");
    let shares = fields.many("route").iter();
    let shares = shares
        .filter_map(|node| Fields::read_proto(node, report, share).flatten())
        .collect();
    TlsRoute {
        blocks,
        shares,
        origin: fields.origin(),
    }
}

fn tls_block<'a>(fields: &Fields<'a>, object: &Object<'a>) -> TlsBlock<'a> {
    let report = fields.report;
    fields.need("sniHosts", "[www.googleapis.com]");
    let names = fields.many("sniHosts").iter();
    let server_names = names
        .filter_map(|node| host(node, object.namespace, report))
        .collect();
    if let Some(entry) = fields.entry("destinationSubnets") {
        let message = "`destinationSubnets` is asked of addresses that callers choose: delete it, names decide here";
        report.error(&entry.origin, message);
    }
    let gateways = fields.has("gateways").then(|| {
        let nodes = fields.many("gateways").iter();
        nodes.filter_map(|node| text(node, report)).collect()
    });
    TlsBlock {
        server_names,
        port: fields
            .take("port")
            .and_then(|node| port(node, report))
            .filter(|port| *port != 0),
        gateways,
        source_labels: labels(fields, "sourceLabels"),
        source_namespace: fields.text("sourceNamespace"),
        origin: fields.origin(),
    }
}
