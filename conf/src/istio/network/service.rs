//! The mesh's registry of external hosts: what EgressRule, ExternalService and
//! ServiceEntry declare, in one form.

use std::net::IpAddr;

use policy::origin::Origin;
use policy::pattern::HostPattern;

use super::super::object::Object;
use super::exported::Exported;

/// One declared host.
#[derive(Debug)]
pub(super) struct Service<'a> {
    pub(super) host: HostPattern,
    /// As written, in lower case.
    pub(super) name: String,
    pub(super) ports: Vec<ServicePort<'a>>,
    pub(super) resolution: Resolution,
    pub(super) endpoints: Vec<Endpoint<'a>>,
    /// Names of which the certificate must have one.
    pub(super) names: Vec<Box<str>>,
    /// Addresses by which the mesh means it.
    pub(super) vips: Vec<IpAddr>,
    pub(super) exported: Exported<'a>,
    pub(super) namespace: &'a str,
    pub(super) origin: &'a Origin,
    /// As messages call it: `ServiceEntry cnn.default`.
    pub(super) what: String,
}

impl Service<'_> {
    /// Its addresses in the mesh, each with its name. Of a pattern nobody could say
    /// which host is meant.
    pub(super) fn vips(&self) -> Vec<(IpAddr, Box<str>)> {
        match &self.host {
            HostPattern::Exact(host) => self.vips.iter().map(|vip| (*vip, host.clone())).collect(),
            _ => Vec::new(),
        }
    }
}

/// A port of a declared host.
#[derive(Clone, Debug)]
pub(super) struct ServicePort<'a> {
    pub(super) number: u16,
    pub(super) name: &'a str,
    pub(super) protocol: Protocol,
    /// The upstream's own port where it is another.
    pub(super) target: Option<u16>,
}

/// What is spoken at a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/1.1.
    Http,
    /// HTTP/2 and gRPC.
    Http2,
    /// TLS that the application opens; plain HTTP to it is encrypted by us.
    Https,
    /// TLS that is no HTTP, as far as anybody says.
    Tls,
    /// Plain HTTP that an EgressRule has encrypted on its way out: no
    /// application opens TLS to it.
    Originated,
    /// Bytes.
    Tcp,
}

impl Protocol {
    /// The names of Istio's protocols, with the numbers they had as an enum.
    pub(super) const WORDS: [(&'static str, u8, Self); 10] = [
        ("HTTP", 0, Self::Http),
        ("HTTPS", 1, Self::Https),
        ("GRPC", 2, Self::Http2),
        ("HTTP2", 3, Self::Http2),
        ("MONGO", 4, Self::Tcp),
        ("TCP", 5, Self::Tcp),
        ("TLS", 6, Self::Tls),
        ("GRPC-WEB", 7, Self::Http),
        ("MYSQL", 8, Self::Tcp),
        ("REDIS", 9, Self::Tcp),
    ];

    /// Whether an application may open TLS itself.
    pub(super) fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
    }

    /// Whether plain HTTP to it is encrypted without a word (F.20: the port's
    /// protocol does not gate origination).
    pub(super) fn is_originated(self) -> bool {
        matches!(self, Self::Https | Self::Tls | Self::Originated)
    }

    /// Whether HTTP requests can be led to it.
    pub(super) fn carries_http(self) -> bool {
        self != Self::Tcp
    }
}

/// How a service's addresses are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resolution {
    /// By DNS: the service's own name, a requested one, or its endpoints'.
    Dns,
    /// Only its endpoints.
    Static,
}

/// One server of a service.
#[derive(Clone, Debug)]
pub(super) struct Endpoint<'a> {
    pub(super) address: EndpointAddress,
    /// Own ports by the name of the service's port.
    pub(super) ports: Vec<(&'a str, u16)>,
    pub(super) labels: Vec<(&'a str, &'a str)>,
    pub(super) weight: u32,
    pub(super) origin: &'a Origin,
}

/// Where an endpoint is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EndpointAddress {
    Ip(IpAddr),
    Name(Box<str>),
}

impl<'a> Service<'a> {
    /// The endpoints that have all of these labels.
    pub(super) fn chosen(&self, labels: &[(&str, &str)]) -> Vec<&Endpoint<'a>> {
        let all = self.endpoints.iter();
        let chosen = all.filter(|endpoint| labels.iter().all(|l| endpoint.labels.contains(l)));
        chosen.collect()
    }

    /// A port by its number.
    pub(super) fn port(&self, number: u16) -> Option<&ServicePort<'a>> {
        self.ports.iter().find(|port| port.number == number)
    }
}

/// As messages call an object: `ServiceEntry cnn.default`.
pub(super) fn what(object: &Object<'_>) -> String {
    format!("{} {}", object.kind.name(), object.full_name())
}

/// Whether every host of `inner` is one of `outer`.
pub(super) fn covers(outer: &HostPattern, inner: &HostPattern) -> bool {
    let ends = |inner: &str, outer: &str| inner.ends_with(outer);
    match (outer, inner) {
        (HostPattern::Any, _) => true,
        (_, HostPattern::Exact(host)) => outer.matches(host),
        (HostPattern::Subdomains(outer), HostPattern::Subdomains(inner)) => {
            outer == inner || ends(inner, &format!(".{outer}"))
        }
        (HostPattern::Suffix(outer), HostPattern::Subdomains(inner)) => {
            ends(&format!(".{inner}"), outer)
        }
        (HostPattern::Suffix(outer), HostPattern::Suffix(inner)) => ends(inner, outer),
        (HostPattern::Subdomains(outer), HostPattern::Suffix(inner)) => {
            ends(inner, &format!(".{outer}"))
        }
        (HostPattern::Exact(_), _) | (_, HostPattern::Any) => false,
    }
}

/// The narrower of two patterns one of which covers the other.
pub(super) fn narrower<'p>(
    one: &'p HostPattern,
    other: &'p HostPattern,
) -> Option<&'p HostPattern> {
    if covers(one, other) {
        Some(other)
    } else {
        covers(other, one).then_some(one)
    }
}
