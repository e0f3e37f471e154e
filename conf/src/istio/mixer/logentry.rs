//! `logentry`: what a line says.

use std::sync::Arc;

use policy::expr::{Attribute, Expr, Node as Tree};

use super::expression;
use crate::fields::Fields;
use crate::istio::proto::pass_over;
use crate::node::{Node, Value};
use crate::report::Report;

/// The parts of a line.
#[derive(Clone, Debug)]
pub(super) struct LogEntry {
    /// A word that the handler makes a level of.
    pub(super) severity: Box<str>,
    /// Sorted by name, as Mixer wrote them.
    pub(super) variables: Arc<[(Box<str>, Expr)]>,
}

impl LogEntry {
    pub(super) fn read(fields: &Fields<'_>) -> Option<Self> {
        // For Google's logs, whose adapter this is none of.
        if let Some(node) = fields.take("monitoredResourceType") {
            expression::read(node, fields.report);
        }
        pass_over(fields, &["monitoredResourceDimensions"]);
        let timestamp = fields.take("timestamp");
        let severity = fields.take("severity");
        let variables = fields.take("variables");
        if let Some(node) = timestamp {
            refuse_other_time(node, fields.report);
        }
        Some(Self {
            severity: match severity {
                Some(node) => constant(node, fields.report)?,
                None => Box::default(),
            },
            variables: variables.map_or_else(Arc::default, |node| named(node, fields.report)),
        })
    }
}

/// Lines carry the time at which the request began, so that all lines of one
/// request carry the same.
fn refuse_other_time(node: &Node, report: &Report) {
    let is_begin = |tree: &Tree| matches!(tree, Tree::Attribute(Attribute::RequestTime));
    let Some(expr) = expression::read(node, report) else {
        return;
    };
    let begins = match expr.node() {
        Tree::Default(first, _) => is_begin(first),
        tree => is_begin(tree),
    };
    if !begins {
        let message = "lines carry the time at which the request began: write `request.time`";
        report.error(&node.origin, message);
    }
}

/// A level that depends on the attempt would need a log for each.
fn constant(node: &Node, report: &Report) -> Option<Box<str>> {
    let expr = expression::read(node, report)?;
    let text = expr.node().literal_text();
    if text.is_none() {
        let message = "the severity depends on the request: write a constant such as `'\"info\"'`, and a rule for each severity";
        report.error(&node.origin, message);
    }
    text.map(Into::into)
}

fn named(node: &Node, report: &Report) -> Arc<[(Box<str>, Expr)]> {
    let Value::Map(entries) = &node.value else {
        let message = format!(
            "found {} where a map `name: expression` belongs",
            node.kind()
        );
        report.error(&node.origin, message);
        return Arc::default();
    };
    let field = |entry: &crate::node::Entry| {
        Some((entry.key.clone(), expression::read(&entry.node, report)?))
    };
    let mut fields: Vec<(Box<str>, Expr)> = entries.iter().filter_map(field).collect();
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    fields.into()
}
