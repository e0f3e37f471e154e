//! `from`: who calls.

use std::sync::Arc;

use policy::source::{NamePattern, SourcePattern};

use super::asking::Asking;
use super::context::Context;
use super::list::Entries;
use crate::fields::{Fields, parsed};
use crate::node::{Node, Value};
use crate::report::Report;

/// `from: sa:NS/NAME`, or any other spelling of [`SourcePattern::parse`], or
/// `{ domain, namespace, account }`, each of them a name with a `*` at one end.
pub(super) fn sources(fields: &Fields<'_>, asking: &Asking<'_, '_>) -> Arc<[SourcePattern]> {
    let nodes = fields.many("from");
    let list = match nodes {
        [node] => written_list(node, asking.context),
        _ => None,
    };
    let known = &asking.context.listed_sources;
    if let ([node], Some(list)) = (nodes, list)
        && let Some(sources) = known.borrow().get(list)
    {
        // The reference may still hold what it should not.
        asking.context.list(node);
        return Arc::clone(sources);
    }
    let sources = asking.alternatives(nodes, |node| source(node, asking.context));
    let sources: Arc<[_]> = sources.into_iter().flatten().collect();
    if let (Some(list), false) = (list, sources.is_empty()) {
        known.borrow_mut().insert(list.into(), Arc::clone(&sources));
    }
    sources
}

/// The name of a list that is all there is, and that will not change. Thousands
/// of policies may name one with thousands of callers: it is read once.
fn written_list<'n>(node: &'n Node, context: &Context<'_>) -> Option<&'n str> {
    let Value::Scalar(name) = &node.entry("list")?.value else {
        return None;
    };
    let mut lists = context.lists.iter();
    let list = lists.find(|list| *list.name == *name.text)?;
    matches!(list.entries, Entries::Written(_)).then_some(&*name.text)
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
