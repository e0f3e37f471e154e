//! Whether a policy speaks of this gateway, and of which hosts.

use policy::pattern::HostPattern;

use super::super::kind::Kind;
use super::super::network::{CLASSES, is_our_gateway};
use super::super::object::{Object, Objects};
use super::super::scope::Scope;
use crate::fields::{Fields, text};
use crate::node::{Entry, Value};

/// What Istio puts on the pods of a Gateway of the Gateway API.
const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// What a policy speaks of.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    /// Everything that passes this gateway.
    Everything,
    /// What goes to these hosts.
    Hosts(Vec<HostPattern>),
    /// Nothing here, and why.
    Nothing(String),
}

/// Reads `selector` and `targetRefs`; nothing when none of the targets can be
/// read, which is told.
pub(super) fn target(
    fields: &Fields<'_>,
    object: &Object<'_>,
    objects: &Objects<'_>,
    scope: &Scope<'_>,
) -> Option<Target> {
    let one = fields.entry("targetRef");
    let many = fields.entry("targetRefs");
    let selected = selects(fields, scope);
    let references: Vec<_> = one
        .map(|one| &one.node)
        .into_iter()
        .chain(fields.many("targetRefs"))
        .collect();
    if let (Some(entry), true) = (one.or(many), fields.has("selector")) {
        let message = format!(
            "`{}` and `selector` exclude each other: delete one",
            entry.key
        );
        fields.report.error(&entry.origin, message);
    }
    if !scope.is_of_operator(object.namespace) {
        let (namespace, ours) = (object.namespace, &scope.gateway.namespace);
        return Some(Target::Nothing(format!(
            "it is of namespace `{namespace}` and this gateway of `{ours}`"
        )));
    }
    if !selected {
        return Some(Target::Nothing(
            "its `selector` asks for labels this gateway has not".to_owned(),
        ));
    }
    if references.is_empty() {
        return Some(Target::Everything);
    }
    let each = references.into_iter().filter_map(|node| {
        Fields::read_proto(node, fields.report, |fields| {
            reference(fields, object, objects, scope)
        })
        .flatten()
    });
    each.reduce(together)
}

fn together(one: Target, other: Target) -> Target {
    match (one, other) {
        (Target::Nothing(_), known) | (known, Target::Nothing(_)) => known,
        (Target::Hosts(one), Target::Hosts(other)) => Target::Hosts([one, other].concat()),
        (Target::Everything, _) | (_, Target::Everything) => Target::Everything,
    }
}

fn selects(fields: &Fields<'_>, scope: &Scope<'_>) -> bool {
    let Some(selector) = fields.take("selector") else {
        return true;
    };
    let labels =
        Fields::read_restriction(selector, fields.report, |fields| fields.take("matchLabels"));
    let Some(labels) = labels.flatten() else {
        return true;
    };
    let Value::Map(entries) = &labels.value else {
        let message = format!("found {} where a map `label: value` belongs", labels.kind());
        fields.report.error(&labels.origin, message);
        return true;
    };
    let label = |entry: &'_ Entry| {
        Some((
            entry.key.to_string(),
            text(&entry.node, fields.report)?.to_owned(),
        ))
    };
    let labels: Vec<(String, String)> = entries.iter().filter_map(label).collect();
    scope.selects(labels.iter().map(|(key, value)| (&**key, &**value)))
}

/// One of `targetRefs`, which are of the policy's own namespace.
fn reference(
    fields: &Fields<'_>,
    object: &Object<'_>,
    objects: &Objects<'_>,
    scope: &Scope<'_>,
) -> Option<Target> {
    let group = fields.text("group").unwrap_or_default();
    let kind = fields
        .need("kind", "Gateway")
        .and_then(|kind| text(kind, fields.report));
    let name = fields
        .need("name", "egress")
        .and_then(|name| text(name, fields.report));
    if let Some(namespace) = fields.text("namespace").filter(|n| *n != object.namespace) {
        let message = format!(
            "a target is of the policy's own namespace, not `{namespace}`: delete the field"
        );
        fields.report.error(fields.origin(), message);
    }
    let (kind, name) = (kind?, name?);
    Some(match (group, kind) {
        ("gateway.networking.k8s.io", "Gateway") if is_ours(name, object, scope) => {
            Target::Everything
        }
        // Routing may know it for ours by its addresses or its deployed name.
        ("gateway.networking.k8s.io", "Gateway")
            if match objects.named(Kind::ApiGateway, object.namespace, name) {
                Some(gateway) => is_our_gateway(gateway, scope),
                None => is_deployed_as_ours(name, object, scope),
            } =>
        {
            Target::Everything
        }
        ("networking.istio.io", "ServiceEntry") => {
            match hosts_of(name, object.namespace, objects) {
                Some(hosts) => Target::Hosts(hosts),
                None => {
                    let message = format!(
                        "there is no ServiceEntry `{name}` with hosts in namespace `{}`: write one",
                        object.namespace
                    );
                    fields.report.error(fields.origin(), message);
                    return None;
                }
            }
        }
        _ => Target::Nothing(format!(
            "its target is the {kind} `{name}`, which is not this gateway"
        )),
    })
}

fn is_ours(name: &str, object: &Object<'_>, scope: &Scope<'_>) -> bool {
    let gateway = scope.gateway;
    let label = gateway.labels.get(GATEWAY_NAME);
    *gateway.namespace == *object.namespace
        && (*gateway.name == *name || label.is_some_and(|label| **label == *name))
}

/// Whether Istio would deploy a Gateway of that name, which is not among the
/// objects, under ours.
fn is_deployed_as_ours(name: &str, object: &Object<'_>, scope: &Scope<'_>) -> bool {
    let gateway = scope.gateway;
    let mut deployed = CLASSES.into_iter().map(|class| format!("{name}-{class}"));
    *gateway.namespace == *object.namespace && deployed.any(|name| name == *gateway.name)
}

/// The hosts of a ServiceEntry. What is wrong with them, its own reader says.
fn hosts_of(name: &str, namespace: &str, objects: &Objects<'_>) -> Option<Vec<HostPattern>> {
    let entry = objects.named(Kind::ServiceEntry, namespace, name)?;
    let hosts = entry_hosts(entry);
    (!hosts.is_empty()).then_some(hosts)
}

/// `spec.hosts` of an object.
pub(super) fn entry_hosts(object: &Object<'_>) -> Vec<HostPattern> {
    let hosts = object
        .body
        .entry("spec")
        .and_then(|spec| spec.entry("hosts"));
    let Some(Value::List(nodes)) = hosts.map(|hosts| &hosts.value) else {
        return Vec::new();
    };
    let host = |node: &crate::node::Node| match &node.value {
        Value::Scalar(scalar) => HostPattern::parse(&scalar.text).ok(),
        Value::Nothing | Value::List(_) | Value::Map(_) => None,
    };
    nodes.iter().filter_map(host).collect()
}
