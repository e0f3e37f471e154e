//! Where a route leads: a declared host, its port, and how DestinationRules say
//! it is spoken to, made into upstreams.

use std::collections::HashMap;

use policy::destination::{Carries, Upstream, UpstreamRef, UpstreamTls, Weighted};
use policy::pattern::HostPattern;

use super::super::scope::Scope;
use super::astray::Astray;
use super::destination_rule::{DestinationRule, Subset};
use super::destination_rules::DestinationRules;
use super::exported::Exported;
use super::service::{Protocol, Resolution, Service, ServicePort, covers};
use super::upstream_plan::{Plan, name_of, tls};

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

    /// Whose sidecars know a host.
    pub(super) fn exported(&self, host: &HostPattern) -> Exported<'a> {
        let service = self.service(host);
        service.map_or(Exported::ToAll, |service| service.exported.clone())
    }

    /// Whose sidecars know a declared host, and the declaration it leads by.
    pub(super) fn known(&self, service: &Service<'a>) -> Exported<'a> {
        let led = self.exported(&service.host);
        service.exported.clone().and(&led)
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
        let wanted = part.map_or(&[][..], |part| &part.labels);
        let is_nobody = service.chosen(wanted).is_empty();
        // Without endpoints the host itself is the only one, which has no labels.
        let is_itself = service.endpoints.is_empty() && wanted.is_empty();
        if is_nobody && !(is_itself && service.resolution == Resolution::Dns) {
            return Err(Astray::NoEndpoint);
        }
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
        let wanted = subset.map_or(&[][..], |subset| &subset.labels);
        let upstreams = plan.upstreams(&service.chosen(wanted));
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
