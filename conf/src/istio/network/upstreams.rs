//! Where a route leads: a declared host, its port, and how DestinationRules say
//! it is spoken to, made into upstreams.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use policy::destination::{
    Carries, TlsPolicy, Upstream, UpstreamHost, UpstreamProtocol, UpstreamRef, UpstreamTls,
    Weighted,
};
use policy::origin::Origin;
use policy::pattern::HostPattern;

use super::super::scope::Scope;
use super::astray::Astray;
use super::destination_rule::{DestinationRule, PortPolicy, Subset};
use super::destination_rules::DestinationRules;
use super::origination::Tls;
use super::reach::reach;
use super::service::{
    Endpoint, EndpointAddress, Protocol, Resolution, Service, ServicePort, covers,
};

/// How long an unused connection is kept where nobody says.
const IDLE: Duration = Duration::from_secs(60);

/// What is led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Carried {
    /// HTTP requests.
    Http,
    /// TLS that the application opened.
    Tls,
    /// Bytes.
    Tcp,
}

/// Upstreams under construction. Equal ones are one.
pub(super) struct Upstreams<'r, 'a> {
    services: &'r [Service<'a>],
    exact: HashMap<&'r str, &'r Service<'a>>,
    rules: &'r DestinationRules<'a>,
    scope: &'r Scope<'a>,
    /// The number of the first of these.
    first: usize,
    made: Vec<Upstream>,
    known: HashMap<Key, Vec<Weighted>>,
}

type Key = (Box<str>, u16, Box<str>, Carried);

impl<'r, 'a> Upstreams<'r, 'a> {
    pub(super) fn new(
        services: &'r [Service<'a>],
        rules: &'r DestinationRules<'a>,
        scope: &'r Scope<'a>,
        first: usize,
    ) -> Self {
        let exact = services
            .iter()
            .rev()
            .filter_map(|service| match &service.host {
                HostPattern::Exact(host) => Some((&**host, service)),
                _ => None,
            });
        Self {
            services,
            exact: exact.collect(),
            rules,
            scope,
            first,
            made: Vec::new(),
            known: HashMap::new(),
        }
    }

    pub(super) fn into_made(self) -> Vec<Upstream> {
        self.made
    }

    /// The service that declares a host: of that very name, else the most
    /// specific wildcard over it.
    pub(super) fn service(&self, host: &HostPattern) -> Option<&'r Service<'a>> {
        if let HostPattern::Exact(name) = host
            && let Some(service) = self.exact.get(&**name)
        {
            return Some(service);
        }
        let fitting = self
            .services
            .iter()
            .filter(|service| covers(&service.host, host));
        fitting.reduce(|best, next| {
            match covers(&best.host, &next.host) && best.host != next.host {
                true => next,
                false => best,
            }
        })
    }

    /// The service of `host`, and its port: `port`, the only one there is, or
    /// `meant`.
    fn declared(
        &self,
        host: &HostPattern,
        port: Option<u16>,
        meant: u16,
    ) -> Result<(&'r Service<'a>, &'r ServicePort<'a>), Astray> {
        let service = self.service(host).ok_or(Astray::Undeclared)?;
        let port = match (port, service.ports.as_slice()) {
            (Some(port), _) => port,
            (None, [only]) => only.number,
            (None, _) if service.port(meant).is_some() => meant,
            (None, _) => return Err(Astray::WhichPort),
        };
        let declared = service.port(port).ok_or(Astray::NoPort(port))?;
        Ok((service, declared))
    }

    /// What a TCP route lets through to an upstream of `host`: to a port of TLS
    /// that we do not open ourselves, TLS alone.
    pub(super) fn carries(
        &self,
        host: &HostPattern,
        port: Option<u16>,
        meant: u16,
        upstream: UpstreamRef,
    ) -> Carries {
        let declared = self.declared(host, port, meant);
        let of_tls = declared.is_ok_and(|(_, port)| port.protocol.is_tls());
        let index = usize::try_from(upstream.0).ok();
        let index = index.and_then(|index| index.checked_sub(self.first));
        let made = index.and_then(|index| self.made.get(index));
        match of_tls && made.is_some_and(|made| made.tls == UpstreamTls::Off) {
            true => Carries::Tls,
            false => Carries::Bytes,
        }
    }

    /// Where `host` leads at `port` (or the only port there is, or `meant`).
    pub(super) fn lead(
        &mut self,
        host: &HostPattern,
        port: Option<u16>,
        meant: u16,
        subset: &str,
        carried: Carried,
    ) -> Result<Vec<Weighted>, Astray> {
        let (service, declared) = self.declared(host, port, meant)?;
        let port = declared.number;
        if carried == Carried::Http && !declared.protocol.carries_http() {
            return Err(Astray::NotHttp(port));
        }
        let key = (host.to_string().into(), port, subset.into(), carried);
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let rule = self.rules.find(host, service.namespace, self.scope);
        let part = match (subset, rule) {
            ("", _) => None,
            (name, Some(rule)) => Some(rule.subset(name).ok_or(Astray::NoSubset)?),
            (_, None) => return Err(Astray::NoSubset),
        };
        let weighted = self.make(host, service, declared, rule, part, carried);
        self.known.insert(key, weighted.clone());
        Ok(weighted)
    }

    /// Whether HTTP is encrypted on a way (of [`Upstreams::lead`]) although no
    /// rule says so, because its port is declared as one of TLS.
    pub(super) fn is_encrypted_unasked(&self, host: &HostPattern, way: &[Weighted]) -> bool {
        let first = way.first().and_then(|weighted| {
            let number = usize::try_from(weighted.upstream.0).ok()?;
            self.made.get(number.checked_sub(self.first)?)
        });
        let (Some(upstream), Some(service)) = (first, self.service(host)) else {
            return false;
        };
        // An EgressRule's `https` asked for it.
        let asked = |port: &ServicePort<'_>| port.protocol == Protocol::Originated;
        upstream.tls != UpstreamTls::Off
            && *upstream.origin == *service.origin
            && !service.ports.iter().any(asked)
    }

    /// Tells which declared hosts no route leads to.
    pub(super) fn remark_unused(&self, scope: &Scope<'_>) {
        let led: Vec<&Service<'_>> = self
            .known
            .keys()
            .filter_map(|(host, ..)| self.service(&HostPattern::parse(host).ok()?))
            .collect();
        for service in self.services {
            if !led.iter().any(|known| std::ptr::eq(*known, service)) {
                let (what, name) = (&service.what, &service.name);
                let message = format!(
                    "no route leads to `{name}` of {what}: it opens nothing at a gateway by itself"
                );
                scope.report.note(service.origin, message);
            }
        }
    }

    fn make(
        &mut self,
        host: &HostPattern,
        service: &Service<'a>,
        port: &ServicePort<'_>,
        rule: Option<&DestinationRule<'a>>,
        subset: Option<&Subset<'a>>,
        carried: Carried,
    ) -> Vec<Weighted> {
        let mut policy = rule
            .map(|rule| rule.policy(port.number, subset))
            .unwrap_or_default();
        let mut spoken = rule.filter(|rule| rule.speaks_of_tls(port.number));
        if policy.tls.is_none() {
            let (namespace, scope) = (service.namespace, self.scope);
            spoken = self.rules.backend_tls(host, namespace, port.number, scope);
            policy.tls = spoken.and_then(|rule| rule.policy(port.number, None).tls);
        }
        let origin = spoken.map_or(service.origin, |rule| rule.origin);
        let plan = Plan {
            name: name_of(host),
            port,
            tls: tls(service, port, &policy, carried),
            carried,
            policy: &policy,
            namespace: service.namespace,
            origin,
            scope: self.scope,
        };
        let wanted = subset
            .map(|subset| subset.labels.as_slice())
            .unwrap_or_default();
        let endpoints: Vec<&Endpoint<'_>> = service
            .endpoints
            .iter()
            .filter(|endpoint| wanted.iter().all(|label| endpoint.labels.contains(label)))
            .collect();
        let upstreams = plan.upstreams(service.resolution, &endpoints);
        upstreams
            .into_iter()
            .map(|(upstream, weight)| Weighted {
                upstream: self.add(upstream),
                weight,
            })
            .collect()
    }

    fn add(&mut self, upstream: Upstream) -> UpstreamRef {
        let number = self.first.saturating_add(self.made.len());
        self.made.push(upstream);
        UpstreamRef(u32::try_from(number).unwrap_or(u32::MAX))
    }
}

/// A pattern's own upstream is whichever of its names was requested.
fn name_of(host: &HostPattern) -> UpstreamHost {
    match host {
        HostPattern::Exact(name) => UpstreamHost::Named((&**name).into()),
        _ => UpstreamHost::Requested,
    }
}

/// What all upstreams of one lead have in common.
struct Plan<'p> {
    name: UpstreamHost,
    port: &'p ServicePort<'p>,
    tls: UpstreamTls,
    carried: Carried,
    policy: &'p PortPolicy,
    namespace: &'p str,
    origin: &'p Origin,
    scope: &'p Scope<'p>,
}

impl Plan<'_> {
    /// Endpoints that are addresses are one upstream of several addresses; those
    /// that are names are upstreams of their own, and their certificate still
    /// speaks for the host.
    fn upstreams(
        &self,
        resolution: Resolution,
        endpoints: &[&Endpoint<'_>],
    ) -> Vec<(Upstream, u32)> {
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
        if !addresses.is_empty() || (upstreams.is_empty() && resolution == Resolution::Dns) {
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
fn tls(
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
