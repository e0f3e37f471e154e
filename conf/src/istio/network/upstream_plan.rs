//! The upstreams of one host, port and subset: its addresses, how TLS is spoken
//! to them, and within which bounds.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use policy::destination::{TlsPolicy, Upstream, UpstreamHost, UpstreamProtocol, UpstreamTls};
use policy::origin::Origin;
use policy::pattern::HostPattern;

use super::super::scope::Scope;
use super::destination_rule::PortPolicy;
use super::origination::Tls;
use super::reach::reach;
use super::service::{Endpoint, EndpointAddress, Protocol, Service, ServicePort};
use super::upstreams::Carried;

/// How long an unused connection is kept where nobody says.
const IDLE: Duration = Duration::from_secs(60);

/// A pattern's own upstream is whichever of its names was requested.
pub(super) fn name_of(host: &HostPattern) -> UpstreamHost {
    match host {
        HostPattern::Exact(name) => UpstreamHost::Named((&**name).into()),
        _ => UpstreamHost::Requested,
    }
}

/// What all upstreams of one lead have in common.
pub(super) struct Plan<'p> {
    pub(super) name: UpstreamHost,
    pub(super) port: &'p ServicePort<'p>,
    pub(super) tls: UpstreamTls,
    pub(super) carried: Carried,
    pub(super) policy: &'p PortPolicy,
    pub(super) namespace: &'p str,
    pub(super) origin: &'p Origin,
    pub(super) scope: &'p Scope<'p>,
}

impl Plan<'_> {
    /// Without endpoints the host itself. Endpoints that are addresses are one upstream of several addresses; those
    /// that are names are upstreams of their own, and their certificate still
    /// speaks for the host.
    pub(super) fn upstreams(&self, endpoints: &[&Endpoint<'_>]) -> Vec<(Upstream, u32)> {
        let mut addresses = Vec::new();
        let mut upstreams = Vec::new();
        for endpoint in endpoints {
            let port = self.port_of(endpoint);
            match &endpoint.address {
                EndpointAddress::Ip(address) => addresses.push(SocketAddr::new(*address, port)),
                EndpointAddress::Name(name) => {
                    let host = UpstreamHost::Named((&**name).into());
                    let mut upstream = self.upstream(host, port, Vec::new());
                    if let (UpstreamTls::On(tls), UpstreamHost::Named(own)) =
                        (&mut upstream.tls, &self.name)
                    {
                        tls.server_name.get_or_insert_with(|| (&**own).into());
                    }
                    upstreams.push((upstream, endpoint.weight));
                }
            }
        }
        if !addresses.is_empty() || upstreams.is_empty() {
            let weight = u32::try_from(addresses.len().max(1)).unwrap_or(1);
            let port = self.port.target.unwrap_or(self.port.number);
            upstreams.push((self.upstream(self.name.clone(), port, addresses), weight));
        }
        upstreams
    }

    fn port_of(&self, endpoint: &Endpoint<'_>) -> u16 {
        let own = endpoint
            .ports
            .iter()
            .find(|(name, _)| *name == self.port.name);
        own.map_or(self.port.target.unwrap_or(self.port.number), |(_, port)| {
            *port
        })
    }

    fn upstream(&self, host: UpstreamHost, port: u16, addresses: Vec<SocketAddr>) -> Upstream {
        let pool = self.policy.pool.as_ref();
        let bounds = pool.map(|pool| pool.bounds).unwrap_or_default();
        let is_http = self.carried == Carried::Http;
        let idle_timeout = pool.and_then(|pool| pool.idle_timeout);
        Upstream {
            host,
            port,
            reach: reach(
                self.scope,
                self.namespace,
                addresses.iter().map(SocketAddr::ip),
            ),
            addresses,
            tls: self.tls.clone(),
            protocol: match is_http {
                true => self.protocol(),
                false => UpstreamProtocol::default(),
            },
            connect_timeout: pool
                .and_then(|pool| pool.connect_timeout)
                .unwrap_or(self.scope.connect_timeout),
            idle_timeout: idle_timeout.filter(|_| is_http).unwrap_or(IDLE),
            bounds: match is_http {
                true => bounds,
                false => bounds.of_tunnels(),
            },
            outlier: self.policy.outlier,
            via: None,
            origin: Arc::new(self.origin.clone()),
        }
    }

    /// What a DestinationRule says, but for a port that is one of HTTP/2: that
    /// needs no upgrade.
    fn protocol(&self) -> UpstreamProtocol {
        let said = self.policy.pool.as_ref().and_then(|pool| pool.protocol);
        let is_http2 = self.port.protocol == Protocol::Http2;
        match said {
            Some(UpstreamProtocol::Caller) => UpstreamProtocol::Caller,
            _ if is_http2 => UpstreamProtocol::Http2,
            said => said.unwrap_or_default(),
        }
    }
}

/// The application's own TLS passes as it is, and so do bytes that no
/// DestinationRule encrypts. Else what a DestinationRule says;
/// without a word plain HTTP to a port of TLS is encrypted, since neither Istio
/// nor plain sense sends it in clear.
pub(super) fn tls(
    service: &Service<'_>,
    port: &ServicePort<'_>,
    policy: &PortPolicy,
    carried: Carried,
) -> UpstreamTls {
    let mut tls = match &policy.tls {
        _ if carried == Carried::Tls => return UpstreamTls::Off,
        None if carried == Carried::Tcp => return UpstreamTls::Off,
        Some(Tls::Disable) => return UpstreamTls::Off,
        None if !port.protocol.is_originated() => return UpstreamTls::Off,
        None => TlsPolicy::default(),
        Some(Tls::Originate(originate)) => TlsPolicy {
            ca: originate.ca.clone(),
            server_name: originate.server_name.clone(),
            names: originate.names.clone(),
            client: originate.client.clone(),
            ..TlsPolicy::default()
        },
    };
    if tls.names.is_empty() {
        tls.names.clone_from(&service.names);
    }
    UpstreamTls::On(tls)
}
