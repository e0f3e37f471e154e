//! DestinationRule: how a host is spoken to. What concerns sidecars on their
//! way to this gateway is passed over.

use policy::destination::Outlier;
use policy::origin::Origin;
use policy::pattern::HostPattern;

use super::super::object::{Object, Objects};
use super::super::proto::pass_over;
use super::super::scope::{Scope, full_host};
use super::exported::exported;
use super::origination::{self, Originate, Tls};
use super::resilience::{ConnectionPool, connection_pool, outlier_detection};
use super::service_entry::labels;
use crate::fields::{Fields, text};
use crate::node::Node;

/// One rule.
#[derive(Debug)]
pub(super) struct DestinationRule<'a> {
    pub(super) host: HostPattern,
    pub(super) namespace: &'a str,
    /// Nothing where the rule has no `trafficPolicy` of its own.
    policy: Option<TrafficPolicy>,
    subsets: Vec<Subset<'a>>,
    pub(super) origin: &'a Origin,
}

/// A named part of a host's endpoints.
#[derive(Debug)]
pub(super) struct Subset<'a> {
    name: &'a str,
    pub(super) labels: Vec<(&'a str, &'a str)>,
    policy: TrafficPolicy,
}

/// What a rule says of a host, and of single ports of it.
#[derive(Clone, Debug, Default)]
struct TrafficPolicy {
    all: PortPolicy,
    ports: Vec<(u16, PortPolicy)>,
}

/// What a rule says of one port.
#[derive(Clone, Debug, Default)]
pub(super) struct PortPolicy {
    pub(super) tls: Option<Tls>,
    pub(super) pool: Option<ConnectionPool>,
    pub(super) outlier: Option<Outlier>,
}

impl<'a> DestinationRule<'a> {
    /// A rule that says of a host, or of some of its ports, how TLS is spoken.
    pub(super) fn of_tls(
        object: &Object<'a>,
        host: HostPattern,
        ports: Option<&[u16]>,
        originate: Originate,
    ) -> Self {
        let tls = PortPolicy {
            tls: Some(Tls::Originate(Box::new(originate))),
            ..PortPolicy::default()
        };
        let policy = match ports {
            None => TrafficPolicy {
                all: tls,
                ports: Vec::new(),
            },
            Some(ports) => TrafficPolicy {
                all: PortPolicy::default(),
                ports: ports.iter().map(|port| (*port, tls.clone())).collect(),
            },
        };
        Self {
            host,
            namespace: object.namespace,
            policy: Some(policy),
            subsets: Vec::new(),
            origin: object.origin,
        }
    }

    /// What the rule says of a port, for a subset.
    pub(super) fn policy(&self, port: u16, subset: Option<&Subset<'a>>) -> PortPolicy {
        let own = self.policy.as_ref().map(|policy| policy.of(port).clone());
        let own = own.unwrap_or_default();
        match subset {
            None => own,
            Some(subset) => subset.policy.of(port).or(&own),
        }
    }

    /// Adds what a later rule for the same host says that this one does not, as
    /// Istio does: subsets of other names, and a `trafficPolicy` where this rule
    /// has none.
    pub(super) fn merge(&mut self, later: Self) {
        if self.policy.is_none() && later.policy.is_some() {
            self.policy = later.policy;
            self.origin = later.origin;
        }
        for subset in later.subsets {
            if self.subset(subset.name).is_none() {
                self.subsets.push(subset);
            }
        }
    }

    /// A subset by its name.
    pub(super) fn subset(&self, name: &str) -> Option<&Subset<'a>> {
        self.subsets.iter().find(|subset| subset.name == name)
    }
}

impl TrafficPolicy {
    /// An entry for the port takes the place of all else (F.16).
    fn of(&self, port: u16) -> &PortPolicy {
        let entry = self.ports.iter().find(|(number, _)| *number == port);
        entry.map_or(&self.all, |(_, policy)| policy)
    }
}

impl PortPolicy {
    /// Part by part, the other's where this one is silent, as Istio merges them.
    fn or(&self, other: &Self) -> Self {
        Self {
            tls: self.tls.clone().or_else(|| other.tls.clone()),
            pool: self.pool.clone().or_else(|| other.pool.clone()),
            outlier: self.outlier.or(other.outlier),
        }
    }
}

/// Reads a rule; nothing when it is none for this gateway, which is told.
pub(super) fn rule<'a>(
    object: &Object<'a>,
    fields: &Fields<'a>,
    objects: &Objects<'a>,
    scope: &Scope<'a>,
) -> Option<DestinationRule<'a>> {
    // Istio 0.7 wrote `name`.
    let key = if fields.has("name") { "name" } else { "host" };
    fields.need(key, "edition.cnn.com");
    let written = fields.take(key);
    let host = written.and_then(|node| Some((text(node, scope.report)?, node)));
    let is_ours =
        host.is_some_and(|(host, _)| scope.is_our_service(&full_host(host, object.namespace)));
    if is_ours {
        return for_sidecars(object, fields, scope);
    }
    let reader = Reader {
        object,
        objects,
        scope,
    };
    let policy = fields.take("trafficPolicy");
    let policy = policy.and_then(|node| {
        Fields::read_proto(node, scope.report, |fields| reader.traffic_policy(fields))
    });
    let subsets = fields.many("subsets").iter().filter_map(|node| {
        Fields::read_proto(node, scope.report, |fields| reader.subset(fields)).flatten()
    });
    let subsets = subsets.collect();
    let exported = exported(object, fields, scope);
    if let Some(entry) = fields.entry("workloadSelector") {
        let message =
            "`workloadSelector` chooses sidecars, and this is a gateway: delete it, or the rule";
        scope.report.error(&entry.origin, message);
    }
    let (host, node) = host?;
    let pattern = HostPattern::parse(&full_host(host, object.namespace));
    let pattern = pattern.map_err(|error| scope.report.error(&node.origin, error.message()));
    exported?;
    Some(DestinationRule {
        host: pattern.ok()?,
        namespace: object.namespace,
        policy,
        subsets,
        origin: object.origin,
    })
}

/// A rule for the way to this very gateway tells sidecars what to do.
fn for_sidecars<'a>(
    object: &Object<'a>,
    fields: &Fields<'a>,
    scope: &Scope<'a>,
) -> Option<DestinationRule<'a>> {
    pass_over(
        fields,
        &["trafficPolicy", "subsets", "exportTo", "workloadSelector"],
    );
    let message = "this DestinationRule is for sidecars on their way to this gateway: passed over";
    scope.report.note(object.origin, message);
    None
}

struct Reader<'r, 'a> {
    object: &'r Object<'a>,
    objects: &'r Objects<'a>,
    scope: &'r Scope<'a>,
}

impl<'a> Reader<'_, 'a> {
    fn subset(&self, fields: &Fields<'a>) -> Option<Subset<'a>> {
        fields.need("name", "v2");
        let name = fields.text("name");
        let labels = labels(fields, "labels");
        let policy = fields.take("trafficPolicy").and_then(|node| {
            Fields::read_proto(node, self.scope.report, |fields| {
                self.traffic_policy(fields)
            })
        });
        Some(Subset {
            name: name?,
            labels,
            policy: policy.unwrap_or_default(),
        })
    }

    fn traffic_policy(&self, fields: &Fields<'a>) -> TrafficPolicy {
        let all = self.port_policy(fields);
        let ports = fields.many("portLevelSettings").iter().filter_map(|node| {
            Fields::read_proto(node, self.scope.report, |fields| {
                fields.need("port", "{ number: 443 }");
                let number = fields
                    .take("port")
                    .and_then(|node| port_number(node, self.scope));
                let policy = self.port_policy(fields);
                Some((number?, policy))
            })
            .flatten()
        });
        let ports = ports.collect();
        for key in ["tunnel", "proxyProtocol"] {
            if let Some(entry) = fields.entry(key) {
                let message = format!("not supported yet: `{key}`: delete it");
                self.scope.report.error(&entry.origin, message);
            }
        }
        TrafficPolicy { all, ports }
    }

    fn port_policy(&self, fields: &Fields<'a>) -> PortPolicy {
        let report = self.scope.report;
        // Addresses are tried in their order.
        pass_over(fields, &["loadBalancer"]);
        if let Some(entry) = fields.entry("retryBudget") {
            let message = "`retryBudget` has no effect here: retries are one for five requests";
            report.warning(&entry.origin, message);
        }
        PortPolicy {
            tls: fields.take("tls").and_then(|node| {
                Fields::read_proto(node, report, |fields| {
                    origination::tls(fields, self.object, self.objects, self.scope)
                })
                .flatten()
            }),
            pool: fields.take("connectionPool").and_then(|node| {
                Fields::read_proto(node, report, |fields| connection_pool(fields, report))
            }),
            outlier: fields.take("outlierDetection").and_then(|node| {
                Fields::read_proto(node, report, |fields| outlier_detection(fields, report))
            }),
        }
    }
}

/// `{ number: 443 }`; Istio 0.7 also wrote the bare number, or a name.
fn port_number(node: &Node, scope: &Scope<'_>) -> Option<u16> {
    match node.value {
        crate::node::Value::Map(_) => Fields::read_proto(node, scope.report, |fields| {
            fields.need("number", "443");
            fields.number("number", 1..=u16::MAX)
        })
        .flatten(),
        _ => crate::fields::number(node, scope.report, 1..=u16::MAX),
    }
}

impl DestinationRule<'_> {
    /// Whether it says how TLS is spoken at a port.
    pub(super) fn speaks_of_tls(&self, port: u16) -> bool {
        let policy = self.policy.as_ref();
        policy.is_some_and(|policy| policy.of(port).tls.is_some())
    }
}
