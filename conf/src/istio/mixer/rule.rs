//! `rule`: when, what of an attempt goes to which handler.

use policy::expr::{Expr, Value};
use policy::source::SourcePattern;

use super::catalog::{Catalog, Found};
use super::handler::Handler;
use super::instance::Instance;
use super::name::What;
use super::{Lowered, checking, expression, refuse_other_language, reporting};
use crate::fields::{Fields, text};
use crate::istio::object::Object;
use crate::istio::proto::{pass_over, refuse};
use crate::istio::scope::Scope;
use crate::node::Node;

/// When a rule applies, and to whom.
#[derive(Debug)]
pub(super) struct When<'a> {
    pub(super) object: &'a Object<'a>,
    /// The condition and where it is written; nothing when it always holds.
    pub(super) condition: Option<(Expr, &'a Node)>,
    /// The callers whom it concerns; empty: all.
    pub(super) from: Vec<SourcePattern>,
}

/// One action: a handler, and what it is told.
struct Action<'a> {
    handler: &'a Node,
    instances: &'a [Node],
}

/// What a `match` comes to at this gateway.
enum Condition<'a> {
    Always,
    Never,
    On(Expr, &'a Node),
}

impl<'a> Condition<'a> {
    fn read(node: Option<&'a Node>, scope: &Scope<'_>) -> Option<Self> {
        let Some(node) = node else {
            return Some(Self::Always);
        };
        let expr = expression::condition(node, scope)?;
        Some(match expr.node().literal() {
            Some(Value::Bool(true)) => Self::Always,
            Some(Value::Bool(false)) => Self::Never,
            _ => Self::On(expr, node),
        })
    }
}

/// Makes logs and rules of a rule's actions.
pub(super) fn lower<'a>(
    object: &'a Object<'a>,
    catalog: &Catalog<'a>,
    scope: &Scope<'a>,
    lowered: &mut Lowered,
) {
    refuse_other_language(object, scope);
    let spec = object.spec(scope.report, |fields| read(fields, scope));
    let Some((Some(condition), actions)) = spec else {
        return;
    };
    let condition = match condition {
        Condition::Always => None,
        Condition::On(expr, node) => Some((expr, node)),
        Condition::Never => {
            let reporter = scope.gateway.reporter_uid();
            let message = format!("this rule says nothing to `{reporter}`: passed over");
            scope.report.note(object.origin, message);
            return;
        }
    };
    let when = When {
        object,
        condition,
        from: concerned(object.namespace, scope),
    };
    for action in &actions {
        act(action, &when, catalog, scope, lowered);
    }
}

/// The condition, unless it is wrong, and the actions.
fn read<'a>(fields: &Fields<'a>, scope: &Scope<'a>) -> (Option<Condition<'a>>, Vec<Action<'a>>) {
    refuse(
        fields,
        &[
            (
                "requestHeaderOperations",
                "write `headers` in a VirtualService",
            ),
            (
                "responseHeaderOperations",
                "write `headers` in a VirtualService",
            ),
            ("sampling", "every attempt is told and checked: delete it"),
        ],
    );
    let written = fields.take("match");
    let written = written.filter(|node| text(node, scope.report) != Some(""));
    let condition = Condition::read(written, scope);
    fields.need("actions", "[{ handler: …, instances: […] }]");
    let actions = fields.many("actions").iter().filter_map(|node| {
        Fields::read_proto(node, scope.report, |fields| {
            pass_over(fields, &["name"]);
            fields.need("instances", "[a.listentry]");
            Some(Action {
                handler: fields.need("handler", "a.listchecker")?,
                instances: fields.many("instances"),
            })
        })
    });
    (condition, actions.flatten().collect())
}

/// Whom rules of a namespace concern: those of the root namespace, and of the
/// gateway's own, all callers; those of another the callers of that one.
fn concerned(namespace: &str, scope: &Scope<'_>) -> Vec<SourcePattern> {
    if scope.is_of_operator(namespace) {
        return Vec::new();
    }
    SourcePattern::parse(&format!("ns:{namespace}"), scope.local).unwrap_or_default()
}

fn act<'a>(
    action: &Action<'a>,
    when: &When<'a>,
    catalog: &Catalog<'a>,
    scope: &Scope<'a>,
    lowered: &mut Lowered,
) {
    let namespace = when.object.namespace;
    let report = scope.report;
    let Some(reference) = text(action.handler, report) else {
        return;
    };
    let (name, handler) = match catalog.handler(reference, namespace) {
        Found::Known(name, handler) => (name, handler),
        Found::Wrong => return,
        Found::Reporting => return pass_over_action(action.handler, reference, scope),
        Found::Unknown => return refuse_unknown(action.handler, reference, What::Handler, scope),
    };
    for node in action.instances {
        let Some(reference) = text(node, report) else {
            continue;
        };
        match catalog.instance(reference, namespace) {
            Found::Known(instance, value) => {
                let told = Told {
                    node,
                    name: instance,
                    value,
                };
                tell(name, handler, &told, when, scope, lowered);
            }
            Found::Wrong => {}
            Found::Reporting if matches!(handler, Handler::Stdio(_)) => {
                pass_over_action(node, reference, scope);
            }
            Found::Reporting => refuse_misfit(node, reference, name, scope),
            Found::Unknown => refuse_unknown(node, reference, What::Instance, scope),
        }
    }
}

/// An instance as an action names it.
struct Told<'c, 'a> {
    node: &'a Node,
    name: &'c str,
    value: &'c Instance<'a>,
}

fn tell(
    handler_name: &str,
    handler: &Handler<'_>,
    told: &Told<'_, '_>,
    when: &When<'_>,
    scope: &Scope<'_>,
    lowered: &mut Lowered,
) {
    match (handler, told.value) {
        (Handler::Stdio(stdio), Instance::LogEntry(entry)) => {
            let log = reporting::log(when, stdio, told.name, entry, scope);
            if let Some(log) = log {
                lowered.logs.get_or_insert_default().push(log);
            }
        }
        (Handler::ListChecker(list), Instance::ListEntry(entry)) => {
            let rule = checking::listed(when, handler_name, list, entry, scope);
            lowered.rules.extend(rule);
        }
        (Handler::Denier(denier), Instance::ListEntry(_) | Instance::CheckNothing) => {
            let rule = checking::denied(when, handler_name, denier, scope);
            lowered.rules.extend(rule);
        }
        _ => refuse_misfit(told.node, told.name, handler_name, scope),
    }
}

fn pass_over_action(node: &Node, reference: &str, scope: &Scope<'_>) {
    let message = format!("`{reference}` only reports, in a way unknown here: passed over");
    scope.report.note(&node.origin, message);
}

fn refuse_unknown(node: &Node, reference: &str, what: What, scope: &Scope<'_>) {
    let word = what.word();
    let example = match what {
        What::Handler => "NAME.listchecker.NAMESPACE",
        What::Instance => "NAME.listentry.NAMESPACE",
    };
    let message = format!(
        "no {word} is named `{reference}`: write one, or its full name such as `{example}`"
    );
    scope.report.error(&node.origin, message);
}

fn refuse_misfit(node: &Node, instance: &str, handler: &str, scope: &Scope<'_>) {
    let message = format!(
        "`{handler}` takes nothing like `{instance}`: write a logentry for stdio, a listentry for listchecker, a checknothing for denier"
    );
    scope.report.error(&node.origin, message);
}
