//! `tcp` of a VirtualService: routes for bytes, by the port they come to.

use std::net::IpAddr;

use ipnet::IpNet;
use policy::origin::Origin;

use super::http_match::port;
use super::http_route::{Share, share};
use super::service_entry::labels;
use crate::fields::{Fields, text};

/// A route for connections of TCP.
#[derive(Debug)]
pub(super) struct TcpRoute<'a> {
    /// It applies when one of these holds; empty: always.
    pub(super) blocks: Vec<TcpBlock<'a>>,
    pub(super) shares: Vec<Share<'a>>,
    pub(super) origin: &'a Origin,
}

/// What a TCP route asks.
#[derive(Debug)]
pub(super) struct TcpBlock<'a> {
    pub(super) port: Option<u16>,
    pub(super) gateways: Option<Vec<&'a str>>,
    pub(super) source_labels: Vec<(&'a str, &'a str)>,
    pub(super) source_namespace: Option<&'a str>,
    pub(super) source_subnet: Option<IpNet>,
    pub(super) origin: &'a Origin,
}

pub(super) fn tcp_route<'a>(fields: &Fields<'a>) -> TcpRoute<'a> {
    let report = fields.report;
    fields.refuse_null(&["match"]);
    let blocks = fields.many("match").iter();
    let blocks = blocks.filter_map(|node| Fields::read_restriction(node, report, block));
    let blocks = blocks.collect();
    fields.need("route", "[{ destination: { host: db.example.com } }]");
    let shares = fields.many("route").iter();
    let shares = shares
        .filter_map(|node| Fields::read_proto(node, report, share).flatten())
        .collect();
    TcpRoute {
        blocks,
        shares,
        origin: fields.origin(),
    }
}

fn block<'a>(fields: &Fields<'a>) -> TcpBlock<'a> {
    let report = fields.report;
    if let Some(entry) = fields.entry("destinationSubnets") {
        let message = "`destinationSubnets` is asked of addresses that callers choose: delete it, ports decide here";
        report.error(&entry.origin, message);
    }
    let gateways = fields.has("gateways").then(|| {
        let nodes = fields.many("gateways").iter();
        nodes.filter_map(|node| text(node, report)).collect()
    });
    TcpBlock {
        port: fields
            .take("port")
            .and_then(|node| port(node, report))
            .filter(|port| *port != 0),
        gateways,
        source_labels: labels(fields, "sourceLabels"),
        source_namespace: fields.text("sourceNamespace"),
        source_subnet: fields.parsed("sourceSubnet", subnet),
        origin: fields.origin(),
    }
}

fn subnet(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    let range = address.or_else(|_| text.parse());
    range
        .map(|range: IpNet| range.trunc())
        .map_err(|_| format!("`{text}` is no range of addresses: write such as `10.0.0.0/8`"))
}
