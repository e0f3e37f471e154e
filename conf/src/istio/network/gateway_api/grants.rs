//! ReferenceGrant: which namespaces may lead to the objects of another one.
//! Without it a namespace could make itself routes to what another keeps.

use super::super::super::kind::Kind;
use super::super::super::object::Objects;
use super::super::super::scope::Scope;
use crate::fields::Fields;

/// Every grant of a configuration.
#[derive(Debug)]
pub(super) struct Grants<'a>(Vec<Grant<'a>>);

#[derive(Debug)]
struct Grant<'a> {
    namespace: &'a str,
    /// Group, kind and namespace.
    from: Vec<(&'a str, &'a str, &'a str)>,
    /// Group, kind and perhaps the one name.
    to: Vec<(&'a str, &'a str, Option<&'a str>)>,
}

/// What refers to what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference<'r> {
    /// The kind of Gateway API and the namespace of whoever refers.
    pub(super) from: (&'r str, &'r str),
    pub(super) group: &'r str,
    pub(super) kind: &'r str,
    pub(super) namespace: &'r str,
    pub(super) name: &'r str,
}

impl<'a> Grants<'a> {
    pub(super) fn read(objects: &Objects<'a>, scope: &Scope<'a>) -> Self {
        let grants = objects.of_kind(Kind::ReferenceGrant).filter_map(|object| {
            object.spec(scope.report, |fields| Grant {
                namespace: object.namespace,
                from: from(fields),
                to: to(fields),
            })
        });
        Self(grants.collect())
    }

    /// Whether a reference is one within a namespace, or granted.
    pub(super) fn allow(&self, reference: Reference<'_>) -> bool {
        let (kind, namespace) = reference.from;
        let to = (reference.group, reference.kind);
        namespace == reference.namespace
            || self.0.iter().any(|grant| {
                grant.namespace == reference.namespace
                    && grant.from.contains(&(super::GROUP, kind, namespace))
                    && grant.to.iter().any(|(group, kind, name)| {
                        (*group, *kind) == to && name.is_none_or(|name| name == reference.name)
                    })
            })
    }
}

fn from<'a>(fields: &Fields<'a>) -> Vec<(&'a str, &'a str, &'a str)> {
    fields.need(
        "from",
        "[{ group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: default }]",
    );
    let nodes = fields.many("from").iter();
    let read = |fields: &Fields<'a>| {
        fields.need("kind", "HTTPRoute");
        fields.need("namespace", "default");
        let group = fields.text("group").unwrap_or_default();
        Some((group, fields.text("kind")?, fields.text("namespace")?))
    };
    nodes
        .filter_map(|node| Fields::read_proto(node, fields.report, read).flatten())
        .collect()
}

fn to<'a>(fields: &Fields<'a>) -> Vec<(&'a str, &'a str, Option<&'a str>)> {
    fields.need("to", "[{ group: \"\", kind: Service }]");
    let nodes = fields.many("to").iter();
    let read = |fields: &Fields<'a>| {
        fields.refuse_null(&["name"]);
        fields.need("kind", "Service");
        let group = fields.text("group").unwrap_or_default();
        // Read before `kind` may end it: what is written is always asked for.
        let name = fields.text("name");
        Some((group, fields.text("kind")?, name))
    };
    nodes
        .filter_map(|node| Fields::read_proto(node, fields.report, read).flatten())
        .collect()
}
