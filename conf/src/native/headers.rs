//! `headers`: changes to request and response heads.
//!
//! Fields that frame a message or belong to one connection cannot be changed:
//! a route that could set `transfer-encoding` could smuggle requests.

use policy::destination::{Edits, HeaderEdits};

use crate::fields::{Fields, parsed};
use crate::node::{Node, Value};

/// RFC 9110, sections 7.6.1 and 8.6; RFC 9112, section 6.
const PROTECTED: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// `headers: { set, add, remove }` for requests, or
/// `headers: { request: {…}, response: {…} }`.
pub(super) fn header_edits(fields: &Fields<'_>) -> HeaderEdits {
    let Some(node) = fields.take("headers") else {
        return HeaderEdits::default();
    };
    Fields::read(node, fields.report, |fields| {
        let mut request = edits(fields);
        if let Some(node) = fields.take("request") {
            if !request.is_empty() {
                let message = "`request` stands beside `set`, `add` or `remove`, which are for requests too: write them within it";
                fields.report.error(&node.origin, message);
            }
            request = Fields::read(node, fields.report, edits).unwrap_or_default();
        }
        let response = fields.take("response");
        let response = response.and_then(|node| Fields::read(node, fields.report, edits));
        HeaderEdits { request, response: response.unwrap_or_default() }
    })
    .unwrap_or_default()
}

/// The changes of a destination and of its route: where both speak of a field,
/// the route's word holds.
pub(crate) fn merged(destination: &HeaderEdits, route: HeaderEdits) -> HeaderEdits {
    HeaderEdits {
        request: merge(&destination.request, route.request),
        response: merge(&destination.response, route.response),
    }
}

fn merge(outer: &Edits, inner: Edits) -> Edits {
    let named: Vec<Box<str>> = names(&inner).cloned().collect();
    let pairs = |outer: &[(Box<str>, Box<str>)], inner: Vec<(Box<str>, Box<str>)>| {
        let kept = outer
            .iter()
            .filter(|(name, _)| !named.contains(name))
            .cloned();
        kept.chain(inner).collect()
    };
    let kept = outer
        .remove
        .iter()
        .filter(|name| !named.contains(name))
        .cloned();
    Edits {
        remove: kept.chain(inner.remove).collect(),
        set: pairs(&outer.set, inner.set),
        add: pairs(&outer.add, inner.add),
    }
}

fn names(edits: &Edits) -> impl Iterator<Item = &Box<str>> {
    let pairs = edits.set.iter().chain(&edits.add).map(|(name, _)| name);
    pairs.chain(&edits.remove)
}

fn edits(fields: &Fields<'_>) -> Edits {
    let remove = fields.many("remove").iter();
    Edits {
        set: pairs(fields, "set", one_value),
        add: pairs(fields, "add", Node::one_or_many),
        remove: remove
            .filter_map(|node| parsed(node, fields.report, changeable))
            .collect(),
    }
}

fn one_value(node: &Node) -> &[Node] {
    std::slice::from_ref(node)
}

/// Name and value of each field; `values` says which a name may have.
fn pairs(
    fields: &Fields<'_>,
    key: &'static str,
    values: fn(&Node) -> &[Node],
) -> Vec<(Box<str>, Box<str>)> {
    let Some(node) = fields.take(key) else {
        return Vec::new();
    };
    let Value::Map(entries) = &node.value else {
        let message = format!("found {} where a map `name: value` belongs", node.kind());
        fields.report.error(&node.origin, message);
        return Vec::new();
    };
    let pair = |(name, value): (Result<Box<str>, String>, &Node)| {
        Some((name.ok()?, parsed(value, fields.report, header_value)?))
    };
    let named = entries.iter().map(|entry| {
        let name = changeable(&entry.key);
        if let Err(message) = &name {
            fields.report.error(&entry.origin, message.clone());
        }
        (name, &entry.node)
    });
    let each = named.flat_map(|(name, node)| values(node).iter().map(move |v| (name.clone(), v)));
    each.filter_map(pair).collect()
}

/// The name of a field that an operator may change, in lower case.
pub(crate) fn changeable(name: &str) -> Result<Box<str>, String> {
    let name = header_name(name)?;
    if &*name == "host" {
        return Err("`host` is no field to change: write `rewrite: { host: NAME }`".to_owned());
    }
    if PROTECTED.contains(&&*name) {
        return Err(format!(
            "`{name}` belongs to the connection and cannot be changed: delete it"
        ));
    }
    Ok(name)
}

/// The name of a field that a matcher may ask for. Host, path and method are asked
/// for in their canonical form only: what stands in the field is the caller's to
/// vary, and over HTTP/2 there is none.
pub(super) fn matchable(name: &str) -> Result<Box<str>, String> {
    let key = match &*name.to_ascii_lowercase() {
        "host" | ":authority" => "`host`, and `port` for its port",
        ":path" => "`path`, or `target` for path and query",
        ":method" => "`method`",
        ":scheme" => {
            return Err(format!(
                "`{name}` is the caller's word, and nothing goes by it: delete it"
            ));
        }
        _ => return header_name(name),
    };
    Err(format!(
        "`{name}` is no header to match, since callers may write it in many ways: write {key}"
    ))
}

/// The name of a field in lower case (RFC 9110, section 5.1).
pub(crate) fn header_name(name: &str) -> Result<Box<str>, String> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(format!(
            "`{name}` is no name of a header: write letters, digits and `-`"
        ));
    }
    Ok(name.to_ascii_lowercase().into())
}

/// A value that frames itself: no line ending, no space at its ends.
pub(crate) fn header_value(value: &str) -> Result<Box<str>, String> {
    if value.bytes().any(|b| b != b'\t' && b.is_ascii_control()) {
        return Err("a control character cannot stand in a header: delete it".to_owned());
    }
    if value.trim_matches([' ', '\t']) != value {
        return Err("a header value neither begins nor ends with a space: delete it".to_owned());
    }
    Ok(value.into())
}
