//! Sidecar: what the workloads of a namespace may reach at all. A gateway is not
//! concerned; a listener that takes the sidecars' part would be, and does not ask.

use super::super::kind::Kind;
use super::super::object::{Object, Objects};
use super::super::scope::Scope;
use crate::node::{Node, Value};

/// Every host of every namespace: a Sidecar of it narrows nothing.
const EVERYTHING: &str = "*/*";

/// Refuses what narrows the sidecars' view, if there is one.
pub(super) fn refuse(objects: &Objects<'_>, has_mesh: bool, scope: &Scope<'_>) {
    for object in objects.of_kind(Kind::Sidecar) {
        let namespace = object.namespace;
        match narrows(object) {
            Some(egress) if has_mesh => {
                let whom = match namespace == &*scope.gateway.root_namespace {
                    true => "every workload".to_owned(),
                    false => format!("the workloads of `{namespace}`"),
                };
                let message = format!(
                    "this Sidecar says what {whom} may reach, which a listener in the sidecars' place does not ask: write it as policies on `ns:{namespace}`, and delete the Sidecar"
                );
                scope.report.error(&egress.origin, message);
            }
            _ => {
                let message = "`Sidecar` says nothing to a gateway: passed over";
                scope.report.note(object.origin, message);
            }
        }
    }
}

/// Its `egress`, unless that is everything.
fn narrows<'o>(object: &'o Object<'_>) -> Option<&'o Node> {
    let egress = object.body.entry("spec")?.entry("egress")?;
    let Value::List(entries) = &egress.value else {
        return None;
    };
    let is_everything = |entry: &Node| {
        let hosts = entry.entry("hosts").map(Node::one_or_many);
        let mut hosts = hosts.unwrap_or_default().iter();
        entry.entry("port").is_none() && hosts.any(|host| host.scalar() == Some(EVERYTHING))
    };
    (!entries.is_empty() && !entries.iter().any(is_everything)).then_some(egress)
}
