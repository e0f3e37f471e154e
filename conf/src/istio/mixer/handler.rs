//! Handlers: what becomes of an instance. Each adapter had a kind of its own;
//! from 1.1 on `handler` names the adapter.

use super::denier::Denier;
use super::listchecker::ListChecker;
use super::name;
use super::stdio::Stdio;
use crate::fields::{Fields, text};
use crate::istio::kind::Kind;
use crate::istio::object::Object;
use crate::istio::scope::Scope;
use crate::node::Node;
use crate::spelling::listed;

/// Adapters that only report or describe: an attempt that they are not told of
/// is decided just the same.
const REPORTING: [&str; 17] = [
    "circonus",
    "cloudmonitor",
    "cloudwatch",
    "dogstatsd",
    "fluentd",
    "kubernetes",
    "kubernetesenv",
    "newrelic",
    "noop",
    "prometheus",
    "signalfx",
    "skywalking",
    "solarwinds",
    "stackdriver",
    "statsd",
    "wavefront",
    "zipkin",
];

/// A handler.
#[derive(Clone, Debug)]
pub(super) enum Handler<'a> {
    Stdio(Stdio),
    ListChecker(ListChecker<'a>),
    Denier(Denier<'a>),
    /// Another adapter, which only reports.
    Reporting,
}

/// The kinds that are handlers.
pub(super) const KINDS: [Kind; 4] = [Kind::Stdio, Kind::ListChecker, Kind::Denier, Kind::Handler];

/// The full name of a handler, and what it is; nothing when it is wrong, which
/// was reported.
pub(super) fn read<'a>(object: &Object<'a>, scope: &Scope<'a>) -> (String, Option<Handler<'a>>) {
    let name = name::full(object);
    let read = object.spec(scope.report, |fields| match object.kind {
        Kind::Handler => any(fields, &name, scope),
        kind => of_adapter(kind.name(), fields, &name, scope),
    });
    (name, read.flatten())
}

/// Whether a handler of a kind that is not read here only reports.
pub(super) fn only_reports(adapter: &str) -> bool {
    REPORTING.contains(&adapter)
}

/// `compiledAdapter: stdio`, `params: { … }`; in 1.1 also `adapter:`.
fn any<'a>(fields: &Fields<'a>, own: &str, scope: &Scope<'a>) -> Option<Handler<'a>> {
    let report = scope.report;
    let params = fields.take("params");
    let (one, other) = (fields.take("compiledAdapter"), fields.take("adapter"));
    if let Some(entry) = fields.entry("connection") {
        let message = "an adapter in another process cannot be asked: use `compiledAdapter: listchecker` or `denier`, or an AuthorizationPolicy of action CUSTOM";
        report.error(&entry.origin, message);
        return None;
    }
    let Some(adapter) = one.or(other) else {
        let message = "`compiledAdapter` is missing: write such as `compiledAdapter: listchecker`";
        report.error(fields.origin(), message);
        return None;
    };
    let name = text(adapter, report)?;
    if only_reports(name) {
        return Some(Handler::Reporting);
    }
    if !KINDS
        .iter()
        .any(|kind| kind.name() == name && *kind != Kind::Handler)
    {
        let known = listed(["stdio", "listchecker", "denier"]);
        let message = format!("the adapter `{name}` cannot be honoured: write {known}");
        report.error(&adapter.origin, message);
        return None;
    }
    parameters(params, fields, |fields| {
        of_adapter(name, fields, own, scope)
    })
}

/// Reads `params`; without them, an adapter's defaults.
pub(super) fn parameters<'a, T>(
    params: Option<&'a Node>,
    fields: &Fields<'a>,
    read: impl FnOnce(&Fields<'a>) -> Option<T>,
) -> Option<T> {
    match params {
        Some(params) => Fields::read_proto(params, fields.report, read).flatten(),
        None => {
            let message = "`params` is missing: write `params: {}` for what is usual";
            fields.report.error(fields.origin(), message);
            None
        }
    }
}

fn of_adapter<'a>(
    adapter: &str,
    fields: &Fields<'a>,
    own: &str,
    scope: &Scope<'_>,
) -> Option<Handler<'a>> {
    match adapter {
        "stdio" => Stdio::read(fields).map(Handler::Stdio),
        "listchecker" => {
            let list = ListChecker::read(fields, own, scope);
            Some(Handler::ListChecker(list))
        }
        _ => Some(Handler::Denier(Denier::read(fields))),
    }
}
