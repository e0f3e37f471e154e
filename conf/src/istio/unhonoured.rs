//! Kinds that restrict or change what passes and that cannot be honoured here.
//! One that concerns this gateway is refused: passing over it would let through
//! what it stops.

use super::kind::Kind;
use super::object::{Object, Objects};
use super::scope::Scope;
use crate::node::{Node, Value};

const KINDS: [(Kind, &str); 5] = [
    (
        Kind::EnvoyFilter,
        "it patches Envoy, and this is none: write what it is for as a policy or a route",
    ),
    (
        Kind::RequestAuthentication,
        "tokens are not verified here: give it a `selector` of other workloads, and decide by principals",
    ),
    (
        Kind::WasmPlugin,
        "it extends Envoy, and this is none: write what it is for as a policy",
    ),
    (Kind::AuthenticationPolicy, ORIGINS),
    (Kind::MeshPolicy, ORIGINS),
];

const ORIGINS: &str = "tokens are not verified here: delete `origins`, and decide by principals";

/// Refuses what concerns this gateway, and remarks on what does not.
pub(super) fn refuse(objects: &Objects<'_>, scope: &Scope<'_>) {
    for (kind, why) in KINDS {
        for object in objects.of_kind(kind) {
            let name = kind.name();
            match concerns(object, scope) {
                true => {
                    let message = format!("this `{name}` cannot be honoured: {why}");
                    scope.report.error(object.origin, message);
                }
                false => {
                    let message = format!("this `{name}` is for other workloads: passed over");
                    scope.report.note(object.origin, message);
                }
            }
        }
    }
}

/// Of the root namespace or ours, with a selector that selects us or none.
fn concerns(object: &Object<'_>, scope: &Scope<'_>) -> bool {
    // Of the policies of 2018, those alone that asked for tokens refused any.
    if matches!(object.kind, Kind::AuthenticationPolicy | Kind::MeshPolicy) {
        let spec = object.body.entry("spec");
        return spec.is_some_and(|spec| spec.entry("origins").is_some());
    }
    let here = scope.is_of_operator(object.namespace);
    let spec = object.body.entry("spec");
    let selector = spec.and_then(|spec| {
        let labels = |selector: &str, labels: &str| spec.entry(selector)?.entry(labels);
        labels("selector", "matchLabels").or_else(|| labels("workloadSelector", "labels"))
    });
    here && scope.selects(selector.into_iter().flat_map(words))
}

fn words(node: &Node) -> Vec<(&str, &str)> {
    let Value::Map(entries) = &node.value else {
        return Vec::new();
    };
    let words = entries.iter().filter_map(|entry| match &entry.node.value {
        Value::Scalar(scalar) => Some((&*entry.key, &*scalar.text)),
        Value::Nothing | Value::List(_) | Value::Map(_) => None,
    });
    words.collect()
}
