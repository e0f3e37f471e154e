//! Expressions within a configuration: conditions (`expr:`), fields of a log,
//! and the attributes in a body.

use std::sync::Arc;

use policy::expr::{Attribute, Expr, ExprError, Known, Type};
use policy::rule::{Template, TemplatePart};

use crate::fields::text;
use crate::node::Node;
use crate::report::Report;

/// Longest body of an answer, in bytes.
pub(crate) const MAX_BODY: usize = 1024 * 1024;

/// What an expression may ask for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Deciding,
    Reporting,
}

/// A condition on a request, in the CEL subset.
pub(super) fn condition(node: &Node, report: &Report) -> Option<Arc<Expr>> {
    condition_when(node, When::Deciding, report)
}

/// A condition on an attempt as it is recorded, in the CEL subset.
pub(crate) fn log_condition(node: &Node, report: &Report) -> Option<Arc<Expr>> {
    condition_when(node, When::Reporting, report)
}

fn condition_when(node: &Node, when: When, report: &Report) -> Option<Arc<Expr>> {
    let expr = compiled(node, 0, Expr::cel(text(node, report)?), when, report)?;
    if expr.ty() != Type::Bool {
        let message = format!(
            "the condition is {} where BOOL belongs: write a comparison",
            expr.ty()
        );
        report.error(&node.origin, message);
        return None;
    }
    Some(Arc::new(expr))
}

/// A field of a log, in Mixer's CEXL.
pub(super) fn field(node: &Node, report: &Report) -> Option<Expr> {
    let expr = Expr::cexl(text(node, report)?);
    compiled(node, 0, expr, When::Reporting, report)
}

/// The expression, if it compiles and asks for nothing that is not known then.
/// It begins at character `begin` of the node.
fn compiled(
    node: &Node,
    begin: usize,
    expr: Result<Expr, ExprError>,
    when: When,
    report: &Report,
) -> Option<Expr> {
    let expr = match expr {
        Ok(expr) => expr,
        Err(error) => {
            let place = node.place_of(begin.saturating_add(error.column.saturating_sub(1)));
            report.error(&place, error.problem.to_string());
            return None;
        }
    };
    let early = expr.attributes().into_iter().find(|a| !is_known(*a, when));
    if let Some(attribute) = early {
        let name = attribute.name();
        let message = match attribute.known() {
            Known::Never => {
                format!("`{name}` is never known at this gateway: ask for another attribute")
            }
            Known::Deciding | Known::Reporting => {
                format!(
                    "`{name}` is not known before the request was decided upon: ask for another attribute"
                )
            }
        };
        report.error(&node.place_of(begin), message);
        return None;
    }
    Some(expr)
}

/// A field of a log may ask in vain: Mixer's always carried a default.
fn is_known(attribute: Attribute, when: When) -> bool {
    when == When::Reporting || attribute.known() == Known::Deciding
}

/// A body with attributes of the request put in: `${request.path}`. `$${` stands
/// for `${` itself.
pub(super) fn template(node: &Node, report: &Report) -> Option<Template> {
    let body = text(node, report)?;
    if body.len() > MAX_BODY {
        report.error(
            &node.origin,
            "the body is larger than 1 MiB: write a shorter one",
        );
        return None;
    }
    let mut parts = Vec::new();
    let mut rest = body;
    while let Some((before, behind)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            push_text(&mut parts, &format!("{before}${{"));
            rest = behind;
            continue;
        }
        push_text(&mut parts, before);
        let begin = body
            .get(..body.len().saturating_sub(behind.len()))
            .unwrap_or_default()
            .chars()
            .count();
        let Some((expr, behind)) = behind.split_once('}') else {
            report.error(
                &node.place_of(begin.saturating_sub(2)),
                "`${` is not closed: write `}`, or `$${` for the signs themselves",
            );
            return None;
        };
        let expr = compiled(node, begin, Expr::cexl(expr), When::Deciding, report)?;
        parts.push(TemplatePart::Value(Arc::new(expr)));
        rest = behind;
    }
    push_text(&mut parts, rest);
    Some(Template(parts))
}

fn push_text(parts: &mut Vec<TemplatePart>, text: &str) {
    if !text.is_empty() {
        parts.push(TemplatePart::Text(text.into()));
    }
}
