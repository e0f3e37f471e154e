//! ServiceEntry and its forerunners: EgressRule (Istio 0.2 to 0.8) and
//! ExternalService (0.7).

use std::net::IpAddr;

use policy::address::classify;
use policy::pattern::HostPattern;

use super::super::kind::Kind;
use super::super::object::{Object, Objects};
use super::super::proto::{choice, pass_over, protocol};
use super::super::scope::Scope;
use super::exported::{Exported, exported};
use super::reach::{is_private, reach};
use super::service::{Endpoint, EndpointAddress, Protocol, Resolution, Service, ServicePort, what};
use crate::fields::{Fields, number, parsed, text};
use crate::native::host_name;
use crate::node::{Node, Value};
use crate::report::Report;

/// Every host that objects declare, in load order.
pub(super) fn services<'a>(objects: &Objects<'a>, scope: &Scope<'a>) -> Vec<Service<'a>> {
    let mut services = Vec::new();
    for (kind, read) in [
        (Kind::EgressRule, egress_rule as Read<'a>),
        (Kind::ExternalService, external_service),
        (Kind::ServiceEntry, service_entry),
    ] {
        for object in objects.of_kind(kind) {
            let read = object.spec(scope.report, |fields| read(object, fields, scope));
            services.extend(read.unwrap_or_default());
        }
    }
    services
}

type Read<'a> = fn(&Object<'a>, &Fields<'a>, &Scope<'a>) -> Vec<Service<'a>>;

/// What an object says of all its hosts alike.
struct Declared<'a> {
    ports: Vec<ServicePort<'a>>,
    resolution: Resolution,
    endpoints: Vec<Endpoint<'a>>,
    names: Vec<Box<str>>,
    vips: Vec<IpAddr>,
    exported: Exported<'a>,
}

impl<'a> Declared<'a> {
    fn services(
        &self,
        object: &Object<'a>,
        hosts: &'a [Node],
        scope: &Scope<'a>,
    ) -> Vec<Service<'a>> {
        for endpoint in &self.endpoints {
            remark_unreachable(endpoint, object, scope);
        }
        let hosts = hosts.iter().filter_map(|node| host(node, scope.report));
        hosts
            .map(|(host, name)| self.service(object, host, name))
            .collect()
    }

    fn service(&self, object: &Object<'a>, host: HostPattern, name: String) -> Service<'a> {
        Service {
            host,
            name,
            ports: self.ports.clone(),
            resolution: self.resolution,
            endpoints: self.endpoints.clone(),
            names: self.names.clone(),
            vips: self.vips.clone(),
            exported: self.exported.clone(),
            namespace: object.namespace,
            origin: object.origin,
            what: what(object),
        }
    }
}

/// An endpoint at an address that will not be dialled.
fn remark_unreachable(endpoint: &Endpoint<'_>, object: &Object<'_>, scope: &Scope<'_>) {
    let EndpointAddress::Ip(address) = &endpoint.address else {
        return;
    };
    if reach(scope, object.namespace, [*address]).admits(*address) {
        return;
    }
    let allow =
        format!("write `defaults: {{ addresses: {{ allow: [{address}] }} }}` in a native document");
    let class = classify(*address);
    let (kind, namespace) = (object.kind.name(), object.namespace);
    let message = match is_private(class) {
        true => format!(
            "different on purpose: `{address}` is private, and is not dialled because a {kind} of `{namespace}` says so: {allow}, or keep the {kind} in `{}`",
            scope.gateway.root_namespace
        ),
        false => format!("`{address}` is {} and not dialled: {allow}", class.as_str()),
    };
    scope.report.warning(endpoint.origin, message);
}

fn service_entry<'a>(
    object: &Object<'a>,
    fields: &Fields<'a>,
    scope: &Scope<'a>,
) -> Vec<Service<'a>> {
    let resolutions = [
        ("NONE", 0, None),
        ("STATIC", 1, Some(Resolution::Static)),
        ("DNS", 2, Some(Resolution::Dns)),
        ("DNS_ROUND_ROBIN", 3, Some(Resolution::Dns)),
        ("DYNAMIC_DNS", 4, Some(Resolution::Dns)),
    ];
    let locations = [("MESH_EXTERNAL", 0, ()), ("MESH_INTERNAL", 1, ())];
    fields.need("hosts", "[edition.cnn.com]");
    let hosts = fields.many("hosts");
    let vips = vips(fields, scope.report);
    fields.need("ports", "[{ number: 443, name: https, protocol: HTTPS }]");
    let ports = ports(fields);
    choice(fields, "location", &locations);
    let resolution = choice(fields, "resolution", &resolutions).flatten();
    let endpoints = endpoints(fields, scope.report);
    if let Some(entry) = fields.entry("workloadSelector") {
        let message = "`workloadSelector` chooses workloads of the mesh, which a gateway does not know: write `endpoints`";
        scope.report.error(&entry.origin, message);
    }
    let exported = exported(object, fields, scope);
    let names = names(fields);
    if resolution == Some(Resolution::Static) && endpoints.is_empty() {
        let message = "`resolution: STATIC` has no `endpoints`: write some, or `resolution: DNS`";
        scope.report.error(object.origin, message);
    }
    let Some(exported) = exported else {
        return Vec::new();
    };
    if resolution.is_none() {
        let message = "different on purpose: `resolution: NONE` forwards to the address a caller chose; here the name is resolved by the gateway";
        scope.report.note(object.origin, message);
    }
    let declared = Declared {
        ports,
        // Istio's NONE forwards to the address the caller dialled, which at
        // a gateway is the gateway's own; here the name is resolved.
        resolution: resolution.unwrap_or(Resolution::Dns),
        endpoints,
        names,
        vips,
        exported,
    };
    declared.services(object, hosts, scope)
}

/// `addresses`, by which HBONE's callers mean the hosts. Networks name nobody in
/// particular.
fn vips(fields: &Fields<'_>, report: &Report) -> Vec<IpAddr> {
    let nodes = fields.many("addresses").iter();
    let addresses = nodes.filter_map(|node| text(node, report)?.parse().ok());
    addresses.collect()
}

/// The kind of Istio 0.7: `discovery` for `resolution`.
fn external_service<'a>(
    object: &Object<'a>,
    fields: &Fields<'a>,
    scope: &Scope<'a>,
) -> Vec<Service<'a>> {
    let discoveries = [
        ("NONE", 0, Resolution::Dns),
        ("STATIC", 1, Resolution::Static),
        ("DNS", 2, Resolution::Dns),
    ];
    fields.need("hosts", "[httpbin.org]");
    let hosts = fields.many("hosts");
    fields.need("ports", "[{ number: 80, name: http, protocol: http }]");
    let ports = ports(fields);
    let resolution = choice(fields, "discovery", &discoveries);
    let endpoints = endpoints(fields, scope.report);
    let declared = Declared {
        ports,
        resolution: resolution.unwrap_or(Resolution::Dns),
        endpoints,
        names: Vec::new(),
        vips: Vec::new(),
        exported: Exported::ToAll,
    };
    declared.services(object, hosts, scope)
}

/// The kind of Istio 0.2. Its `https` takes plain HTTP and encrypts it; 2018
/// verified no certificate then, and we do.
fn egress_rule<'a>(
    object: &Object<'a>,
    fields: &Fields<'a>,
    scope: &Scope<'a>,
) -> Vec<Service<'a>> {
    let protocols: Vec<(&str, u8, Protocol)> = Protocol::WORDS
        .into_iter()
        .map(|(name, number, protocol)| match protocol {
            Protocol::Https => (name, number, Protocol::Originated),
            _ => (name, number, protocol),
        })
        .collect();
    fields.need("destination", "{ service: \"*.googleapis.com\" }");
    let destination = fields.take("destination");
    let host = destination.and_then(|node| {
        Fields::read_proto(node, scope.report, |fields| {
            // Of all an IstioService may say, an EgressRule used `service` only.
            pass_over(fields, &["name", "namespace", "domain", "labels"]);
            fields.need("service", "\"*.googleapis.com\"");
            fields
                .take("service")
                .and_then(|node| self::host(node, scope.report))
        })
        .flatten()
    });
    fields.need("ports", "[{ port: 443, protocol: https }]");
    let ports = fields.many("ports").iter().filter_map(|node| {
        Fields::read_proto(node, scope.report, |fields| {
            fields.need("port", "443");
            fields.need("protocol", "https");
            let number = fields.number("port", 1..=u16::MAX);
            let protocol = protocol(fields, &protocols);
            Some(ServicePort {
                number: number?,
                name: "",
                protocol: protocol?,
                target: None,
            })
        })
        .flatten()
    });
    let ports: Vec<ServicePort<'a>> = ports.collect();
    if ports
        .iter()
        .any(|port| port.protocol == Protocol::Originated)
    {
        let message = "different on purpose: `https` was encrypted without verifying the host; here its certificate must be for the name asked for, by the system's authorities";
        scope.report.note(object.origin, message);
    }
    // What it asked for then is what happens now.
    fields.truth("useEgressProxy");
    let declared = Declared {
        ports,
        resolution: Resolution::Dns,
        endpoints: Vec::new(),
        names: Vec::new(),
        vips: Vec::new(),
        exported: Exported::ToAll,
    };
    let service = host.map(|(host, name)| declared.service(object, host, name));
    service.into_iter().collect()
}

/// A declared host. `*` alone would open every host there is.
fn host(node: &Node, report: &Report) -> Option<(HostPattern, String)> {
    let name = text(node, report)?;
    match HostPattern::parse(name) {
        Ok(HostPattern::Any) => {
            let message =
                "`*` declares every host there is: name the hosts, such as `*.example.com`";
            report.error(&node.origin, message);
            None
        }
        Ok(host) => Some((host, name.to_ascii_lowercase())),
        Err(error) => {
            report.error(&node.origin, error.message());
            None
        }
    }
}

fn ports<'a>(fields: &Fields<'a>) -> Vec<ServicePort<'a>> {
    let report = fields.report;
    let mut ports: Vec<ServicePort<'a>> = Vec::new();
    for node in fields.many("ports") {
        let port = Fields::read_proto(node, report, |fields| {
            fields.need("number", "443");
            let number = fields.number("number", 1..=u16::MAX);
            let name = fields.text("name").unwrap_or_default();
            let protocol = protocol(fields, &Protocol::WORDS);
            let target = fields.number("targetPort", 1..=u16::MAX);
            Some(ServicePort {
                number: number?,
                name,
                protocol: protocol.unwrap_or(Protocol::Tcp),
                target,
            })
        });
        let Some(port) = port.flatten() else { continue };
        if ports.iter().any(|known| known.number == port.number) {
            let message = format!("port {} is given twice: delete one of them", port.number);
            report.error(&node.origin, message);
        }
        ports.push(port);
    }
    ports
}

fn endpoints<'a>(fields: &Fields<'a>, report: &'a Report) -> Vec<Endpoint<'a>> {
    let endpoint = |fields: &Fields<'a>| {
        fields.need("address", "192.0.2.10");
        let address = fields.parsed("address", endpoint_address);
        let ports = words(fields, "ports")
            .into_iter()
            .filter_map(|(name, node)| Some((name, number(node, report, 1..=u16::MAX)?)));
        let ports = ports.collect();
        let labels = labels(fields, "labels");
        pass_over(fields, &["network", "locality", "serviceAccount"]);
        let weight = fields.number("weight", 0..=1_000_000).unwrap_or(0);
        Some(Endpoint {
            origin: fields.origin(),
            address: address?,
            ports,
            labels,
            weight: if weight == 0 { 1 } else { weight },
        })
    };
    let nodes = fields.many("endpoints").iter();
    nodes
        .filter_map(|node| Fields::read_proto(node, report, endpoint).flatten())
        .collect()
}

fn endpoint_address(text: &str) -> Result<EndpointAddress, String> {
    if text.starts_with("unix:") {
        return Err(format!(
            "`{text}` is a socket of this machine: write an address or a name"
        ));
    }
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(EndpointAddress::Ip(address)),
        Err(_) => host_name(text).map(EndpointAddress::Name),
    }
}

/// `subjectAltNames`.
pub(super) fn names(fields: &Fields<'_>) -> Vec<Box<str>> {
    let nodes = fields.many("subjectAltNames").iter();
    nodes
        .filter_map(|node| {
            parsed(node, fields.report, |text| match text.contains("://") {
                true => Err(format!("`{text}` is the identity of a workload, which an external host has none of: write its name")),
                false => host_name(text),
            })
        })
        .collect()
}

/// The entries of a map of words.
pub(super) fn words<'a>(fields: &Fields<'a>, key: &'static str) -> Vec<(&'a str, &'a Node)> {
    let Some(node) = fields.take(key) else {
        return Vec::new();
    };
    let Value::Map(entries) = &node.value else {
        let message = format!("found {} where a map `name: value` belongs", node.kind());
        fields.report.error(&node.origin, message);
        return Vec::new();
    };
    entries
        .iter()
        .map(|entry| (&*entry.key, &entry.node))
        .collect()
}

/// A map of labels.
pub(in super::super) fn labels<'a>(
    fields: &Fields<'a>,
    key: &'static str,
) -> Vec<(&'a str, &'a str)> {
    let words = words(fields, key).into_iter();
    words
        .filter_map(|(name, node)| Some((name, text(node, fields.report)?)))
        .collect()
}
