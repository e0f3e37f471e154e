//! Telemetry: which attempts are told in which access logs. Where to and how is
//! for the providers to say, which MeshConfig defines.
//!
//! An object for this workload has the word before one for its namespace, and
//! that before one for the mesh. A gateway is the client of what it calls.

mod mesh_config;
mod mesh_policy;
mod providers;

use std::sync::Arc;

use policy::LogFilter;
use policy::expr::Expr;

use super::kind::Kind;
use super::object::{Object, Objects};
use super::proto::{choice, pass_over, refuse};
use super::scope::Scope;
use crate::fields::{Fields, text};
use crate::native::log_condition;
use crate::node::{Node, Value};
use crate::snapshot::{Level, Log, Overflow};

pub(super) use mesh_config::written as mesh_config;

use mesh_config::MeshConfig;
use providers::{Provider, Providers};

/// For whom an object speaks; the last has the last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Mesh,
    Namespace,
    Workload,
}

/// One entry of `accessLogging` that is for clients.
struct Entry<'a> {
    providers: Vec<(&'a str, &'a Node)>,
    disabled: bool,
    filter: Option<Arc<Expr>>,
    node: &'a Node,
}

/// A provider that is on, and what it tells.
#[derive(Clone)]
struct Told {
    provider: Provider,
    filter: Option<Arc<Expr>>,
}

/// The access logs that objects ask for; nothing when none speaks of logs.
pub(super) fn logs(
    objects: &Objects<'_>,
    mesh: Option<&Node>,
    scope: &Scope<'_>,
) -> Option<Vec<Log>> {
    let config = MeshConfig::read(mesh, scope);
    let levels = levels(objects, scope);
    if levels.is_empty() && config.defaults.is_empty() {
        return None;
    }
    let told = config.defaults.iter().map(|provider| Told {
        provider: provider.clone(),
        filter: None,
    });
    let mut told: Vec<Told> = told.collect();
    for level in &levels {
        apply(level, &mut told, &config.providers, scope);
    }
    Some(told.into_iter().map(log).collect())
}

/// What each object that is for us asks, in the order in which they speak.
fn levels<'a>(objects: &Objects<'a>, scope: &Scope<'a>) -> Vec<Vec<Entry<'a>>> {
    let mut levels: Vec<(Reach, &Object<'a>, Vec<Entry<'a>>)> = Vec::new();
    for object in objects.of_kind(Kind::Telemetry) {
        let read = object.spec(scope.report, |fields| {
            let reach = reach(object, fields, scope);
            (reach, entries(fields))
        });
        let Some((reach, entries)) = read else {
            continue;
        };
        let Some(reach) = reach else {
            let message = "this Telemetry is for other workloads: passed over";
            scope.report.note(object.origin, message);
            continue;
        };
        let Some(entries) = entries else { continue };
        match levels.iter().find(|(known, ..)| *known == reach) {
            Some((_, first, _)) => {
                let message = format!(
                    "the Telemetry at {} is for the same workloads and speaks first: delete one of them",
                    first.origin
                );
                scope.report.warning(object.origin, message);
            }
            None => levels.push((reach, object, entries)),
        }
    }
    levels.sort_by_key(|(reach, ..)| *reach);
    levels.into_iter().map(|(.., entries)| entries).collect()
}

/// For whom an object speaks; nothing when not for us.
fn reach<'a>(object: &Object<'a>, fields: &Fields<'a>, scope: &Scope<'a>) -> Option<Reach> {
    let gateway = scope.gateway;
    let is_root = *gateway.root_namespace == *object.namespace;
    let here = *gateway.namespace == *object.namespace;
    let labels = fields.take("selector").map(|node| {
        let read = |fields: &Fields<'a>| super::network::labels(fields, "matchLabels");
        Fields::read_proto(node, scope.report, read).unwrap_or_default()
    });
    let mut targets = fields.many("targetRefs").iter().collect::<Vec<_>>();
    targets.extend(fields.take("targetRef"));
    let named = targets
        .iter()
        .filter(|node| is_us(node, object, scope))
        .count();
    match (labels, targets.is_empty()) {
        (_, false) => (named > 0).then_some(Reach::Workload),
        (Some(labels), true) => {
            ((here || is_root) && scope.selects(labels.iter().copied())).then_some(Reach::Workload)
        }
        (None, true) if is_root => Some(Reach::Mesh),
        (None, true) => here.then_some(Reach::Namespace),
    }
}

/// Whether a target is the Gateway that would be deployed under our name.
fn is_us<'a>(node: &'a Node, object: &Object<'a>, scope: &Scope<'a>) -> bool {
    let read = |fields: &Fields<'a>| {
        pass_over(fields, &["group", "sectionName"]);
        let namespace = fields.text("namespace").unwrap_or(object.namespace);
        let name = fields.text("name").unwrap_or_default();
        let gateway = scope.gateway;
        fields.text("kind") == Some("Gateway")
            && *namespace == *gateway.namespace
            && gateway
                .name
                .strip_prefix(name)
                .is_some_and(|rest| matches!(rest, "" | "-istio"))
    };
    Fields::read_proto(node, scope.report, read).unwrap_or(false)
}

/// `accessLogging`, as far as it is for clients; nothing when it is not there.
fn entries<'a>(fields: &Fields<'a>) -> Option<Vec<Entry<'a>>> {
    for key in ["tracing", "metrics"] {
        if let Some(entry) = fields.entry(key) {
            let message = format!("`{key}` has no effect here: passed over");
            fields.report.note(&entry.origin, message);
        }
    }
    fields.entry("accessLogging")?;
    let nodes = fields.many("accessLogging").iter();
    let entries = nodes.filter_map(|node| {
        Fields::read_proto(node, fields.report, |fields| entry(node, fields)).flatten()
    });
    Some(entries.collect())
}

fn entry<'a>(node: &'a Node, fields: &Fields<'a>) -> Option<Entry<'a>> {
    let report = fields.report;
    let modes = [
        ("CLIENT_AND_SERVER", 0, true),
        ("CLIENT", 1, true),
        ("SERVER", 2, false),
    ];
    let is_client = fields.take("match").and_then(|node| {
        Fields::read_proto(node, report, |fields| choice(fields, "mode", &modes)).flatten()
    });
    let provider = |node: &'a Node| {
        Fields::read_proto(node, report, |fields| {
            fields.need("name", "envoy");
            let name = fields.take("name")?;
            Some((text(name, report)?, name))
        })
        .flatten()
    };
    let providers = fields.many("providers").iter().filter_map(provider);
    let providers = providers.collect();
    let disabled = fields.truth("disabled").unwrap_or(false);
    let filter = fields.take("filter").and_then(|node| {
        Fields::read_proto(node, report, |fields| {
            fields.need("expression", "response.code >= 400");
            log_condition(fields.take("expression")?, report)
        })
        .flatten()
    });
    is_client.unwrap_or(true).then_some(Entry {
        providers,
        disabled,
        filter,
        node,
    })
}

/// Providers that an object names take the place of those that were on before;
/// one that names none speaks of those.
fn apply(entries: &[Entry<'_>], told: &mut Vec<Told>, providers: &Providers, scope: &Scope<'_>) {
    if entries.iter().any(|entry| !entry.providers.is_empty()) {
        told.clear();
    }
    for entry in entries {
        if entry.providers.is_empty() {
            if told.is_empty() && !entry.disabled {
                let message = "no provider is named, and MeshConfig has no default: write `providers: [{ name: envoy }]`";
                scope.report.warning(&entry.node.origin, message);
            }
            match entry.disabled {
                true => told.clear(),
                false => told
                    .iter_mut()
                    .for_each(|told| told.filter.clone_from(&entry.filter)),
            }
        }
        for (name, node) in &entry.providers {
            let Some(provider) = providers.find(name, node, scope) else {
                continue;
            };
            told.retain(|told| told.provider.name != provider.name);
            if !entry.disabled {
                told.push(Told {
                    provider,
                    filter: entry.filter.clone(),
                });
            }
        }
    }
}

fn log(told: Told) -> Log {
    Log {
        name: told.provider.name,
        filter: LogFilter {
            expr: told.filter,
            ..LogFilter::default()
        },
        layout: told.provider.layout,
        level: Level::Info,
        sink: told.provider.sink,
        overflow: Overflow::default(),
        open_tunnels: None,
        // Several objects and MeshConfig may have had their part in it.
        origin: None,
    }
}

#[cfg(test)]
mod tests;
