//! `upstream`: the external server a destination or route leads to.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use policy::address::classify;
use policy::destination::{Reach, Upstream, UpstreamHost, UpstreamProtocol, UpstreamTls};
use policy::origin::Origin;

use super::addresses::reach;
use super::limits::socket;
use super::pool::{IDLE, outlier, pool};
use super::tls::{host_name, is_address, tls};
use super::via::{refuse_addresses, via};
use crate::fields::{Fields, parsed};
use crate::node::Node;
use crate::report::Report;

pub(super) const HTTPS: u16 = 443;
pub(super) const HTTP: u16 = 80;

/// What an upstream has from its destination unless it says otherwise.
#[derive(Clone, Debug)]
pub(super) struct Inherited {
    /// The destination's own name, or whichever a pattern admits.
    pub(super) host: UpstreamHost,
    pub(super) reach: Reach,
    pub(super) connect_timeout: Duration,
}

impl Inherited {
    /// The server of that very name, and nothing said of it.
    pub(super) fn server(&self, port: u16, tls: UpstreamTls, origin: &Origin) -> Upstream {
        Upstream {
            host: self.host.clone(),
            port,
            addresses: Vec::new(),
            tls,
            protocol: UpstreamProtocol::default(),
            reach: self.reach.clone(),
            connect_timeout: self.connect_timeout,
            idle_timeout: IDLE,
            bounds: Default::default(),
            outlier: None,
            via: None,
            origin: Arc::new(origin.clone()),
        }
    }
}

/// Reads an upstream; without a word it is the destination's own name, by TLS.
pub(super) fn upstream(
    node: Option<&Node>,
    inherited: &Inherited,
    origin: &Origin,
    report: &Report,
) -> Upstream {
    let written =
        node.and_then(|node| Fields::read(node, report, |fields| read(fields, inherited)));
    written.unwrap_or_else(|| {
        let tls = UpstreamTls::On(Default::default());
        inherited.server(HTTPS, tls, origin)
    })
}

fn read(fields: &Fields<'_>, inherited: &Inherited) -> Upstream {
    let host = host(fields, inherited);
    let port = fields.number("port", 1..=u16::MAX);
    let tls = tls(fields);
    let reach = reach(fields, &inherited.reach);
    let port = port.unwrap_or(match tls {
        UpstreamTls::Off => HTTP,
        UpstreamTls::On(_) => HTTPS,
    });
    let (idle_timeout, bounds) = pool(fields);
    let upstream = Upstream {
        host,
        port,
        addresses: addresses(fields, port, &reach),
        protocol: protocol(fields, &tls),
        tls,
        reach,
        connect_timeout: fields
            .duration("connectTimeout")
            .unwrap_or(inherited.connect_timeout),
        idle_timeout,
        bounds,
        outlier: outlier(fields),
        via: via(fields),
        origin: Arc::new(fields.origin().clone()),
    };
    refuse_addresses(&upstream, fields);
    upstream
}

pub(super) fn host(fields: &Fields<'_>, inherited: &Inherited) -> UpstreamHost {
    let host = fields.parsed("host", host_name);
    let dynamic = fields.choice("resolve", &[("dns", false), ("dynamic", true)]) == Some(true);
    if let Some(node) = fields.take("resolve").filter(|_| dynamic && host.is_some()) {
        let message =
            "`dynamic` asks for the requested name, `host` for another: delete one of them";
        fields.report.error(&node.origin, message);
    }
    match host {
        Some(host) => UpstreamHost::Named(host.into()),
        None => inherited.host.clone(),
    }
}

/// `addresses`, of which each may be dialled.
pub(super) fn addresses(fields: &Fields<'_>, port: u16, reach: &Reach) -> Vec<SocketAddr> {
    addresses_within(fields, port, reach, "the destination")
}

/// The same; `place` is where others would be allowed.
pub(super) fn addresses_within(
    fields: &Fields<'_>,
    port: u16,
    reach: &Reach,
    place: &str,
) -> Vec<SocketAddr> {
    let nodes = fields.many("addresses").iter();
    let addresses = nodes.filter_map(|node| {
        let socket = parsed(node, fields.report, |text| socket(text, port))?;
        dialled(socket.ip(), reach, place, &node.origin, fields.report);
        Some(socket)
    });
    addresses.collect()
}

/// Refuses an address that would never be dialled; `place` is where to allow it.
pub(super) fn dialled(
    address: IpAddr,
    reach: &Reach,
    place: &str,
    origin: &Origin,
    report: &Report,
) {
    if !reach.admits(address) {
        let class = classify(address).as_str();
        let instead = match reach.denies(address) {
            true => "delete what denies it, in `denyAddresses` or `defaults`".to_owned(),
            false => format!("write `allowAddresses: [{address}]` in {place}"),
        };
        let message = format!("`{address}` is {class} and never dialled: {instead}");
        report.error(origin, message);
    }
}

fn protocol(fields: &Fields<'_>, tls: &UpstreamTls) -> UpstreamProtocol {
    let words = [
        ("http1", UpstreamProtocol::Http1),
        ("h2", UpstreamProtocol::Http2),
        ("auto", UpstreamProtocol::Auto),
        ("caller", UpstreamProtocol::Caller),
    ];
    let protocol = fields.choice("protocol", &words).unwrap_or_default();
    if let Some(node) = fields.take("protocol")
        && (protocol, tls) == (UpstreamProtocol::Auto, &UpstreamTls::Off)
    {
        let message = "`auto` is agreed on in TLS, and there is none: write `http1` or `h2`";
        fields.report.error(&node.origin, message);
    }
    protocol
}

/// A handshake must name whom it speaks to, and an address is no name.
pub(super) fn refuse_nameless(upstream: &Upstream, report: &Report) {
    let (UpstreamHost::Named(host), UpstreamTls::On(tls)) = (&upstream.host, &upstream.tls) else {
        return;
    };
    if is_address(host) && tls.server_name.is_none() {
        let message =
            format!("`{host}` is no name a certificate can show: write `tls: {{ sni: NAME }}`");
        report.error(&upstream.origin, message);
    }
}
