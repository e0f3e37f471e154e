//! Expressions within Mixer's objects, with every error at its character.

use policy::expr::{Attribute, Expr, Known, Type, Value};

use crate::fields::text;
use crate::istio::scope::Scope;
use crate::node::Node;
use crate::report::Report;

/// An expression in CEXL.
pub(super) fn read(node: &Node, report: &Report) -> Option<Expr> {
    match Expr::cexl(text(node, report)?) {
        Ok(expr) => Some(expr),
        Err(error) => {
            let place = node.place_of(error.column.saturating_sub(1));
            report.error(&place, error.problem.to_string());
            None
        }
    }
}

/// A condition as it stands at this gateway, whose name and part are known.
pub(super) fn condition(node: &Node, scope: &Scope<'_>) -> Option<Expr> {
    let expr = read(node, scope.report)?;
    if expr.ty() != Type::Bool {
        let ty = expr.ty();
        let message = format!("the condition is {ty} where BOOL belongs: write a comparison");
        scope.report.error(&node.origin, message);
        return None;
    }
    let reporter = Value::String(scope.gateway.reporter_uid().into());
    let kind = Value::String("outbound".into());
    let expr = expr.specialise(Attribute::ContextReporterUid, &reporter);
    Some(expr.specialise(Attribute::ContextReporterKind, &kind))
}

/// What a check asks for must be known before the request goes on: a condition
/// that can never be told would refuse everything, or nothing.
pub(super) fn is_known(expr: &Expr, node: &Node, report: &Report) -> bool {
    let mut asked = expr.attributes().into_iter();
    let Some(early) = asked.find(|attribute| attribute.known() != Known::Deciding) else {
        return true;
    };
    let name = early.name();
    let when = match early.known() {
        Known::Never => "never known at this gateway",
        Known::Reporting | Known::Deciding => "not known when a request is checked",
    };
    let before = expr.text().split(name).next().unwrap_or_default();
    report.error(
        &node.place_of(before.chars().count()),
        format!("`{name}` is {when}: ask for another attribute"),
    );
    false
}
