//! `extensionProviders` of MeshConfig that decide (`envoyExtAuthzHttp`,
//! `envoyExtAuthzGrpc`), as authorisers. Only those that a policy names are read:
//! the others are for other workloads.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use policy::authoriser::{Authoriser, FieldNames, OnError, Service};
use policy::destination::{Upstream, UpstreamHost, UpstreamProtocol, UpstreamRef, UpstreamTls};
use policy::pattern::HostPattern;

use super::super::kind::Kind;
use super::super::object::Objects;
use super::super::proto::{duration, refuse};
use super::super::scope::{Scope, full_host};
use crate::fields::{Fields, parsed};
use crate::native::{host_name, named_authoriser, verbatim};
use crate::node::Node;

/// Istio's own.
const TIMEOUT: Duration = Duration::from_secs(600);
const FORBIDDEN: u16 = 403;
const IDLE: Duration = Duration::from_secs(60);
/// What Envoy tells an HTTP server of without a word.
const TOLD: &str = "authorization";
/// Where the services of a cluster are.
const CLUSTER: [&str; 3] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];

/// Authorisers, and where they are.
#[derive(Debug, Default)]
pub(in crate::istio) struct Providers {
    pub(in crate::istio) authorisers: Vec<Authoriser>,
    pub(in crate::istio) upstreams: Vec<Upstream>,
}

/// Reads the providers of a MeshConfig that CUSTOM policies name and no native
/// document describes. `first` is the number of the next upstream.
pub(in crate::istio) fn providers(
    mesh: Option<&Node>,
    objects: &Objects<'_>,
    scope: &Scope<'_>,
    first: usize,
) -> Providers {
    let mut providers = Providers::default();
    let named = named(objects);
    let all = mesh.and_then(|mesh| mesh.entry("extensionProviders"));
    for node in all.into_iter().flat_map(Node::one_or_many) {
        let Some(name) = node.entry("name").and_then(Node::scalar) else {
            continue;
        };
        let is_native = named_authoriser(scope.authorisers, name).is_some();
        let is_known = named_authoriser(&providers.authorisers, name).is_some();
        if !named.contains(name) || is_native || is_known {
            continue;
        }
        let forms = [("envoyExtAuthzHttp", false), ("envoyExtAuthzGrpc", true)];
        for (key, is_grpc) in forms {
            let Some(node) = node.entry(key) else {
                continue;
            };
            let reader = Reader {
                name,
                is_grpc,
                objects,
                scope,
            };
            let read = Fields::read_proto(node, scope.report, |fields| reader.provider(fields));
            let Some((authoriser, upstream)) = read else {
                continue;
            };
            // Without a place it is still one policies may name.
            let next = first.saturating_add(providers.upstreams.len());
            let next = u32::try_from(next).unwrap_or(u32::MAX);
            let number = upstream.as_ref().map_or(u32::MAX, |_| next);
            providers.upstreams.extend(upstream);
            providers.authorisers.push(Authoriser {
                upstream: UpstreamRef(number),
                ..authoriser
            });
            break;
        }
    }
    providers
}

/// The providers that policies name.
fn named<'o>(objects: &'o Objects<'_>) -> HashSet<&'o str> {
    let policies = objects.of_kind(Kind::AuthorizationPolicy);
    let names = policies.filter_map(|object| {
        let provider = object.body.entry("spec")?.entry("provider")?;
        provider.entry("name")?.scalar()
    });
    names.collect()
}

struct Reader<'r, 'a> {
    name: &'r str,
    is_grpc: bool,
    objects: &'r Objects<'a>,
    scope: &'r Scope<'a>,
}

impl Reader<'_, '_> {
    fn provider(&self, fields: &Fields<'_>) -> (Authoriser, Option<Upstream>) {
        let upstream = self.upstream(fields);
        let timeout = duration(fields, "timeout").filter(|time| !time.is_zero());
        let on_error = on_error(fields);
        refuse(
            fields,
            &[(
                "includeRequestBodyInCheck",
                "authorisers are told of heads alone: delete it",
            )],
        );
        if fields.truth("clearRouteCache") == Some(true) {
            let place = fields
                .entry("clearRouteCache")
                .map_or(fields.origin(), |entry| &entry.origin);
            let message = "`clearRouteCache` cannot be honoured: an authoriser does not choose the route: delete it";
            fields.report.error(place, message);
        }
        let origin = Arc::new(fields.origin().clone());
        let authoriser = match self.is_grpc {
            // Envoy tells it of all fields, and takes what it says.
            true => Authoriser {
                service: Service::Grpc,
                told: vec![FieldNames::Any],
                upstream_fields: vec![FieldNames::Any],
                denial_fields: vec![FieldNames::Any],
                name: self.name.into(),
                upstream: UpstreamRef(u32::MAX),
                timeout: timeout.unwrap_or(TIMEOUT),
                on_error,
                origin,
            },
            false => {
                let (told, upstream_fields, denial_fields) = http_fields(fields);
                let prefix = fields.parsed("pathPrefix", prefix).unwrap_or_default();
                Authoriser {
                    service: Service::Http { prefix },
                    told,
                    upstream_fields,
                    denial_fields,
                    name: self.name.into(),
                    upstream: UpstreamRef(u32::MAX),
                    timeout: timeout.unwrap_or(TIMEOUT),
                    on_error,
                    origin,
                }
            }
        };
        (authoriser, upstream)
    }

    /// `service` and `port`. Plain text, as Istio speaks to what no
    /// DestinationRule speaks of.
    fn upstream(&self, fields: &Fields<'_>) -> Option<Upstream> {
        fields.need("service", "ext-authz.istio-system.svc.cluster.local");
        fields.need("port", "8000");
        let port = fields.number("port", 1..=u16::MAX);
        let node = fields.take("service")?;
        // Perhaps `NAMESPACE/` before it.
        let host = parsed(node, fields.report, |text| {
            host_name(text.rsplit('/').next().unwrap_or(text))
        })?;
        self.refuse_rule(&host, node);
        let mut reach = self.scope.reach.clone();
        if is_of_cluster(&host) {
            reach.allowed.extend(cluster());
        }
        Some(Upstream {
            host: UpstreamHost::Named(host.into()),
            port: port?,
            addresses: Vec::new(),
            tls: UpstreamTls::Off,
            protocol: match self.is_grpc {
                true => UpstreamProtocol::Http2,
                false => UpstreamProtocol::Http1,
            },
            reach,
            connect_timeout: self.scope.connect_timeout,
            idle_timeout: IDLE,
            bounds: Default::default(),
            outlier: None,
            via: None,
            origin: Arc::new(fields.origin().clone()),
        })
    }

    /// What a DestinationRule asks for is not passed over in silence.
    fn refuse_rule(&self, host: &str, node: &Node) {
        let speaks = self.objects.of_kind(Kind::DestinationRule).find(|object| {
            let spec = object.body.entry("spec");
            let written = spec.and_then(|spec| spec.entry("host")?.scalar());
            let tls = spec.and_then(|spec| spec.entry("trafficPolicy")?.entry("tls"));
            let mode = tls.and_then(|tls| tls.entry("mode")?.scalar());
            let pattern = written
                .and_then(|host| HostPattern::parse(&full_host(host, object.namespace)).ok());
            mode.is_some_and(|mode| mode != "DISABLE")
                && pattern.is_some_and(|pattern| pattern.matches(host))
        });
        if let Some(rule) = speaks {
            let name = self.name;
            let message = format!(
                "the DestinationRule at {} says how TLS is spoken to `{host}`, which cannot be honoured for a provider: write `authorisers: {{ {name}: … }}` with `tls` in a native document",
                rule.origin
            );
            self.scope.report.error(&node.origin, message);
        }
    }
}

/// What it is told, what of its yes goes on, and what of its no goes back.
fn http_fields(fields: &Fields<'_>) -> (Vec<FieldNames>, Vec<FieldNames>, Vec<FieldNames>) {
    refuse(
        fields,
        &[
            (
                "includeAdditionalHeadersInCheck",
                "an authoriser is told of the caller's own fields alone: delete it",
            ),
            (
                "headersToDownstreamOnAllow",
                "an authoriser's yes changes no answer: delete it",
            ),
        ],
    );
    // The older name of the same.
    let mut told = vec![FieldNames::Exact(TOLD.into())];
    told.extend(names(fields, "includeHeadersInCheck"));
    told.extend(names(fields, "includeRequestHeadersInCheck"));
    let upstream = names(fields, "headersToUpstreamOnAllow");
    let denial = match fields.has("headersToDownstreamOnDeny") {
        true => names(fields, "headersToDownstreamOnDeny"),
        false => vec![FieldNames::Any],
    };
    (told, upstream, denial)
}

fn names(fields: &Fields<'_>, key: &'static str) -> Vec<FieldNames> {
    let nodes = fields.many(key).iter();
    nodes
        .filter_map(|node| parsed(node, fields.report, FieldNames::parse))
        .collect()
}

/// `failOpen`, or the status in `statusOnError`.
fn on_error(fields: &Fields<'_>) -> OnError {
    let status = fields.number("statusOnError", 400..=599);
    match fields.truth("failOpen") {
        Some(true) => OnError::Allow,
        Some(false) | None => OnError::Deny(status.unwrap_or(FORBIDDEN)),
    }
}

fn prefix(text: &str) -> Result<Box<str>, String> {
    match text.strip_suffix('/').unwrap_or(text) {
        "" => Ok("".into()),
        prefix => verbatim(prefix),
    }
}

/// A Kubernetes service, whose address is the cluster's own.
fn is_of_cluster(host: &str) -> bool {
    host.ends_with(".svc") || host.contains(".svc.")
}

/// MeshConfig is the operator's own word, and a provider no place that callers
/// reach.
fn cluster() -> impl Iterator<Item = IpNet> {
    CLUSTER.iter().filter_map(|range| range.parse().ok())
}
