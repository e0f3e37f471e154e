//! Kubernetes objects as they stand in files: kind, name, namespace, and the
//! body that a kind's own module reads.
//!
//! A later object of the same kind and name takes the place of an earlier one,
//! as with `kubectl apply`; versions of one kind are the same kind.

use std::collections::HashMap;

use policy::origin::Origin;

use super::kind::Kind;
use crate::fields::{Fields, text};
use crate::node::{Node, Value};
use crate::report::Report;

/// One object.
#[derive(Debug)]
pub(super) struct Object<'a> {
    pub(super) kind: Kind,
    pub(super) name: &'a str,
    pub(super) namespace: &'a str,
    pub(super) annotations: Vec<(&'a str, &'a str)>,
    /// The document, `apiVersion` and all.
    pub(super) body: &'a Node,
    /// Where its name stands.
    pub(super) origin: &'a Origin,
}

impl<'a> Object<'a> {
    /// Reads `spec` by `read`, which must ask for every field there is. An
    /// object without `spec` is read as one of an empty `spec`.
    pub(super) fn spec<T>(
        &self,
        report: &'a Report,
        read: impl FnOnce(&Fields<'a>) -> T,
    ) -> Option<T> {
        match self.body.entry("spec") {
            Some(spec) if !matches!(spec.value, Value::Nothing) => {
                Fields::read_proto(spec, report, read)
            }
            _ => {
                let kind = self.kind.name();
                report.error(self.origin, format!("this {kind} has no `spec`: write one"));
                None
            }
        }
    }

    /// `name.namespace`, as messages and records call it.
    pub(super) fn full_name(&self) -> String {
        format!("{}.{}", self.name, self.namespace)
    }

    /// Whether its `apiVersion` is of the years before v1beta1.
    pub(super) fn is_of_2018(&self) -> bool {
        let version = self.body.entry("apiVersion").and_then(Node::scalar);
        version.is_some_and(|version| version.contains("/v1alpha"))
    }

    /// The value of an annotation.
    pub(super) fn annotation(&self, name: &str) -> Option<&'a str> {
        let found = self.annotations.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| *value)
    }
}

/// Every object of a configuration, in load order.
#[derive(Debug, Default)]
pub(super) struct Objects<'a>(Vec<Object<'a>>);

impl<'a> Objects<'a> {
    /// The objects among the documents; those without a namespace belong to
    /// `namespace`.
    pub(super) fn of(documents: &'a [Node], namespace: &'a str, report: &'a Report) -> Self {
        let mut objects = Self::default();
        let mut known: HashMap<(Kind, &str, &str), usize> = HashMap::new();
        remark_lists(documents, report);
        for document in documents.iter().flat_map(items) {
            let Some(object) = read(document, namespace, report) else {
                continue;
            };
            let key = (object.kind, object.namespace, object.name);
            match known.get(&key) {
                None => {
                    known.insert(key, objects.0.len());
                    objects.0.push(object);
                }
                Some(earlier) => {
                    if let Some(earlier) = objects.0.get_mut(*earlier) {
                        let message = format!(
                            "this takes the place of the {} of the same name at {}",
                            object.kind.name(),
                            earlier.origin
                        );
                        report.warning(object.origin, message);
                        *earlier = object;
                    }
                }
            }
        }
        objects
    }

    /// Those of a kind, in load order.
    pub(super) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Object<'a>> {
        self.0.iter().filter(move |object| object.kind == kind)
    }

    /// One by its name.
    pub(super) fn named(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Object<'a>> {
        let mut all = self.of_kind(kind);
        all.find(|object| object.namespace == namespace && object.name == name)
    }

    /// Whether there is a Gateway, of Istio's own kind or of Gateway API.
    pub(super) fn have_gateway(&self) -> bool {
        let mut kinds = [Kind::Gateway, Kind::ApiGateway].into_iter();
        kinds.any(|kind| self.of_kind(kind).next().is_some())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether a document is an object, and not of the native format.
pub(crate) fn is_object(document: &Node) -> bool {
    document.entry("kind").is_some() || document.entry("apiVersion").is_some()
}

/// The objects of a `List` or of a list of one kind (`VirtualServiceList`), or
/// the object itself.
pub(super) fn items(document: &Node) -> &[Node] {
    let alone = std::slice::from_ref(document);
    let Some(kind) = document.entry("kind").and_then(Node::scalar) else {
        return alone;
    };
    match document.entry("items") {
        Some(items) if kind.ends_with("List") => match items.value {
            Value::Nothing => &[],
            Value::List(_) | Value::Scalar(_) | Value::Map(_) => items.one_or_many(),
        },
        None if kind == "List" => &[],
        _ => alone,
    }
}

/// Tells of lists that hold nothing, or do not say what.
fn remark_lists(documents: &[Node], report: &Report) {
    for document in documents {
        let Some(kind) = document.entry("kind") else {
            continue;
        };
        let is_list = kind.scalar() == Some("List");
        match document.entry("items") {
            None if is_list => {
                let message = "`items` is missing: write the objects under it, each behind `- `";
                report.error(&kind.origin, message);
            }
            Some(entry) if items(document).is_empty() => {
                report.note(&entry.origin, "this list holds no objects");
            }
            _ => {}
        }
    }
}

fn read<'a>(document: &'a Node, namespace: &'a str, report: &'a Report) -> Option<Object<'a>> {
    let word = |key: &str, example: &str| {
        let Some(node) = document.entry(key) else {
            let message = format!("`{key}` is missing: write such as `{key}: {example}`");
            report.error(&document.origin, message);
            return None;
        };
        text(node, report)
    };
    let version = word("apiVersion", "networking.istio.io/v1")?;
    let kind = word("kind", "VirtualService")?;
    let kind = Kind::read(version, kind, &document.entry("kind")?.origin, report)?;
    let metadata = document.entry("metadata");
    let name = metadata.and_then(|metadata| metadata.entry("name"));
    let Some(name) = name else {
        let message = "the object has no name: write `metadata: { name: … }`";
        report.error(metadata.map_or(&document.origin, |m| &m.origin), message);
        return None;
    };
    refuse_unknown(document, kind, report);
    let written = match metadata.and_then(|metadata| metadata.entry("namespace")) {
        Some(node) if !matches!(node.value, Value::Nothing) => text(node, report)?,
        _ => "",
    };
    // Kubernetes takes an empty one for none.
    let namespace = match written {
        "" => namespace,
        written => written,
    };
    Some(Object {
        kind,
        name: text(name, report)?,
        namespace,
        annotations: words(metadata, "annotations", report),
        body: document,
        origin: &name.origin,
    })
}

/// Beside `spec`, what Kubernetes itself keeps in an object.
fn refuse_unknown(document: &Node, kind: Kind, report: &Report) {
    let Value::Map(entries) = &document.value else {
        return;
    };
    for entry in entries {
        let known = match &*entry.key {
            "apiVersion" | "kind" | "metadata" => true,
            "spec" | "status" => kind.has_spec(),
            "data" | "stringData" | "binaryData" | "type" | "immutable" => !kind.has_spec(),
            _ => false,
        };
        if !known {
            let key = &entry.key;
            let message = match kind.has_spec() {
                true => {
                    format!("unknown field `{key}`: write it under `spec`, if it belongs there")
                }
                false => format!("unknown field `{key}`: delete it"),
            };
            report.error(&entry.origin, message);
        }
    }
}

/// Labels or annotations.
fn words<'a>(metadata: Option<&'a Node>, key: &str, report: &Report) -> Vec<(&'a str, &'a str)> {
    let Some(Value::Map(entries)) = metadata.and_then(|m| m.entry(key)).map(|node| &node.value)
    else {
        return Vec::new();
    };
    let word = |entry: &'a crate::node::Entry| Some((&*entry.key, text(&entry.node, report)?));
    entries.iter().filter_map(word).collect()
}
