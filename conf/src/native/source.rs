//! `from`: who calls.

use policy::source::{NamePattern, SourcePattern};

use super::asking::Asking;
use super::context::Context;
use crate::fields::{Fields, parsed};
use crate::node::{Node, Value};
use crate::report::Report;

/// `from: sa:NS/NAME`, or any other spelling of [`SourcePattern::parse`], or
/// `{ domain, namespace, account }`, each of them a name with a `*` at one end.
pub(super) fn sources(fields: &Fields<'_>, asking: &Asking<'_, '_>) -> Vec<SourcePattern> {
    let sources = asking.alternatives(fields.many("from"), |node| source(node, asking.context));
    sources.into_iter().flatten().collect()
}

fn source(node: &Node, context: &Context<'_>) -> Option<Vec<SourcePattern>> {
    match &node.value {
        Value::Map(_) => Fields::read(node, context.report, workload)
            .flatten()
            .map(|source| vec![source]),
        Value::Nothing | Value::Scalar(_) | Value::List(_) => {
            parsed(node, context.report, |text| {
                SourcePattern::parse(text, &context.local)
            })
        }
    }
}

/// All three parts are written: one left out would mean anybody.
fn workload(fields: &Fields<'_>) -> Option<SourcePattern> {
    let part = |key, example| part(fields.need(key, example)?, fields.report);
    let (trust_domain, namespace, service_account) = (
        part("domain", "cluster.local"),
        part("namespace", "default"),
        part("account", "\"*\""),
    );
    Some(SourcePattern::Workload {
        trust_domain: trust_domain?,
        namespace: namespace?,
        service_account: service_account?,
    })
}

fn part(node: &Node, report: &Report) -> Option<NamePattern> {
    parsed(node, report, |text| {
        let pattern = NamePattern::parse(text);
        let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        match &pattern {
            NamePattern::Any => Ok(pattern),
            NamePattern::Exact(name) | NamePattern::Prefix(name) | NamePattern::Suffix(name)
                if !name.is_empty() && name.bytes().all(known) =>
            {
                Ok(pattern)
            }
            _ => Err(format!(
                "`{text}` is no name: write letters, digits, `-`, `.` and `_`, and a `*` at one end"
            )),
        }
    })
}
