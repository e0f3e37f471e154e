//! `lists`: alternatives with a name, used as `{ list: NAME }` wherever
//! alternatives may stand.

use crate::fields::Fields;
use crate::node::{Entry, Node, Value};
use crate::report::Report;

/// Alternatives with a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct List<'a> {
    pub(super) name: &'a str,
    pub(super) entries: &'a [Node],
}

/// Reads all lists.
pub(super) fn lists<'a>(entries: &[&'a Entry], report: &'a Report) -> Vec<List<'a>> {
    entries.iter().map(|entry| list(entry, report)).collect()
}

fn list<'a>(Entry { key, origin, node }: &'a Entry, report: &'a Report) -> List<'a> {
    let entries = match &node.value {
        Value::List(entries) => entries.as_slice(),
        Value::Map(_) => {
            Fields::read(node, report, remote);
            return List {
                name: key,
                entries: &[],
            };
        }
        Value::Nothing | Value::Scalar(_) => &[],
    };
    if entries.is_empty() {
        report.error(
            origin,
            format!("`{key}` has no entries: write such as `{key}: [/health, /sport]`"),
        );
    }
    List { name: key, entries }
}

fn remote(fields: &Fields<'_>) {
    let keys = ["url", "refresh", "ttl", "onError"];
    keys.iter().for_each(|key| {
        fields.entry(key);
    });
    match fields.has("url") {
        true => fields.not_yet("url", "write the entries as a list"),
        false => fields
            .report
            .error(fields.origin(), "found a map where a list belongs"),
    }
}
