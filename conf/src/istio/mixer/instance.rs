//! Instances: what is taken from an attempt. Each template had a kind of its
//! own; from 1.1 on `instance` names the template.

use super::handler::parameters;
use super::listentry::ListEntry;
use super::logentry::LogEntry;
use super::name;
use crate::fields::{Fields, text};
use crate::istio::kind::Kind;
use crate::istio::object::Object;
use crate::istio::scope::Scope;
use crate::node::{Node, Value};
use crate::report::Report;
use crate::spelling::listed;

/// Templates that are only reported, or only describe.
const REPORTING: [&str; 6] = [
    "edge",
    "kubernetes",
    "kubernetesenv",
    "metric",
    "reportnothing",
    "tracespan",
];

/// An instance.
#[derive(Clone, Debug)]
pub(super) enum Instance<'a> {
    LogEntry(LogEntry),
    ListEntry(ListEntry<'a>),
    CheckNothing,
    /// Another template, which is only reported.
    Reporting,
}

/// The kinds that are instances.
pub(super) const KINDS: [Kind; 4] = [
    Kind::LogEntry,
    Kind::ListEntry,
    Kind::CheckNothing,
    Kind::Instance,
];

/// The full name of an instance, and what it is; nothing when it is wrong,
/// which was reported.
pub(super) fn read<'a>(object: &Object<'a>, scope: &Scope<'a>) -> (String, Option<Instance<'a>>) {
    let report = scope.report;
    let read = match object.kind {
        Kind::Instance => object.spec(report, |fields| any(fields, report)).flatten(),
        // Istio's own examples write `spec:` and nothing behind it.
        Kind::CheckNothing if has_no_spec(object) => Some(Instance::CheckNothing),
        kind => {
            let spec = object.spec(report, |fields| of_template(kind.name(), fields));
            spec.flatten()
        }
    };
    (name::full(object), read)
}

/// Whether an instance of a kind that is not read here is only reported.
pub(super) fn only_reports(template: &str) -> bool {
    REPORTING.contains(&template)
}

fn has_no_spec(object: &Object<'_>) -> bool {
    let nothing = |node: &Node| matches!(node.value, Value::Nothing);
    object.body.entry("spec").is_none_or(nothing)
}

/// `compiledTemplate: logentry`, `params: { … }`; in 1.1 also `template:`.
fn any<'a>(fields: &Fields<'a>, report: &'a Report) -> Option<Instance<'a>> {
    let params = fields.take("params");
    let (one, other) = (fields.take("compiledTemplate"), fields.take("template"));
    let bindings = fields.entry("attributeBindings");
    let Some(template) = one.or(other) else {
        let message = "`compiledTemplate` is missing: write such as `compiledTemplate: listentry`";
        report.error(fields.origin(), message);
        return None;
    };
    let name = text(template, report)?;
    if only_reports(name) {
        return Some(Instance::Reporting);
    }
    if let Some(entry) = bindings {
        let message = "attributes cannot be bound here: delete `attributeBindings`";
        report.error(&entry.origin, message);
    }
    if !KINDS
        .iter()
        .any(|kind| kind.name() == name && *kind != Kind::Instance)
    {
        let known = listed(["logentry", "listentry", "checknothing"]);
        let message = format!("the template `{name}` cannot be honoured: write {known}");
        report.error(&template.origin, message);
        return None;
    }
    match (name, params) {
        ("checknothing", None) => Some(Instance::CheckNothing),
        _ => parameters(params, fields, |fields| of_template(name, fields)),
    }
}

fn of_template<'a>(name: &str, fields: &Fields<'a>) -> Option<Instance<'a>> {
    match name {
        "logentry" => LogEntry::read(fields).map(Instance::LogEntry),
        "listentry" => ListEntry::read(fields).map(Instance::ListEntry),
        _ => Some(Instance::CheckNothing),
    }
}
