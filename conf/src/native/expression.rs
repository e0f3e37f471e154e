//! Expressions within a configuration: conditions (`expr:`), fields of a log,
//! and the attributes in a body.

use std::sync::Arc;

use policy::expr::{self, Attribute, Expr, ExprError, Known, Type, Value};
use policy::rule::{Template, TemplatePart};

use super::context::Context;
use crate::fields::{Fields, text};
use crate::node::{self, Node};
use crate::report::Report;

/// Longest body of an answer, in bytes.
pub(crate) const MAX_BODY: usize = 1024 * 1024;

/// What an expression may ask for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Deciding,
    /// Whatever there is, and what is never known besides.
    Reporting,
}

/// A condition on a request: in the CEL subset, or `{ mixer: TEXT }` in CEXL.
/// The gateway's own name is a constant of the process.
pub(super) fn condition(node: &Node, context: &Context<'_>) -> Option<Arc<Expr>> {
    let expr = truth(node, When::Deciding, context.report)?;
    if let Some(message) = raw_name(expr.node()) {
        match node.value {
            // Mixer's rules keep their meaning.
            node::Value::Map(_) => context.report.warning(&node.origin, message),
            _ => context.report.error(&node.origin, message),
        }
    }
    let uid = Value::String(context.reporter_uid.as_str().into());
    Some(Arc::new(
        expr.specialise(Attribute::ContextReporterUid, &uid),
    ))
}

/// What is wrong where an expression asks for the host, path or method as a field.
fn raw_name(node: &expr::Node) -> Option<String> {
    let (expr::Node::Entry(map, key) | expr::Node::HasEntry(map, key)) = node else {
        return node.parts().into_iter().find_map(raw_name);
    };
    let of_request = matches!(**map, expr::Node::Attribute(Attribute::RequestHeaders));
    let instead = match &*key.literal_text()?.to_ascii_lowercase() {
        _ if !of_request => return None,
        "host" | ":authority" => "request.host",
        ":path" => "request.path",
        ":method" => "request.method",
        _ => return None,
    };
    Some(format!(
        "`{}` is no header to match, since callers may write it in many ways: write `{instead}`",
        key.literal_text()?
    ))
}

/// A condition on all that is known when an attempt is recorded, written as
/// [`condition`] is.
pub(super) fn record(node: &Node, report: &Report) -> Option<Arc<Expr>> {
    truth(node, When::Reporting, report).map(Arc::new)
}

/// The same in the CEL subset alone.
pub(crate) fn log_condition(node: &Node, report: &Report) -> Option<Arc<Expr>> {
    // A map would be taken for another dialect.
    text(node, report)?;
    record(node, report)
}

/// An expression that is true or false.
fn truth(node: &Node, when: When, report: &Report) -> Option<Expr> {
    let expr = match node.value {
        node::Value::Map(_) => {
            let example = "'request.size > 1024'";
            let read = Fields::read(node, report, |fields| fields.need("mixer", example));
            let node = read.flatten()?;
            let expr = compiled(
                node,
                0,
                Expr::cexl(text(node, report)?),
                When::Reporting,
                report,
            )?;
            warn_of_absent(node, &expr, when, report);
            expr
        }
        _ => compiled(node, 0, Expr::cel(text(node, report)?), when, report)?,
    };
    if expr.ty() != Type::Bool {
        let message = format!(
            "the condition is {} where BOOL belongs: write a comparison",
            expr.ty()
        );
        report.error(&node.origin, message);
        return None;
    }
    Some(expr)
}

/// Mixer's rules asked for whatever they liked, and rules that came from it
/// keep their meaning: what is absent refuses in a `deny` and never allows.
fn warn_of_absent(node: &Node, expr: &Expr, when: When, report: &Report) {
    for attribute in expr.attributes() {
        if !is_known(attribute, when) {
            let name = attribute.name();
            let message = format!(
                "`{name}` is never known here: where it decides, a `deny` refuses and nothing else matches"
            );
            report.warning(&node.origin, message);
        }
    }
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
        let Some((expr, behind)) = closed(behind) else {
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

/// What stands before the `}` that no string holds, and what behind it.
fn closed(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            Some('"') if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(open) if open == c => quote = None,
            None if c == '"' || c == '`' => quote = Some(c),
            None if c == '}' => {
                let (expr, rest) = text.split_at_checked(at)?;
                return Some((expr, rest.strip_prefix('}')?));
            }
            Some(_) | None => {}
        }
    }
    None
}

fn push_text(parts: &mut Vec<TemplatePart>, text: &str) {
    if !text.is_empty() {
        parts.push(TemplatePart::Text(text.into()));
    }
}
