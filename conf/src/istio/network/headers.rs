//! `headers` of a route or destination: Istio's set, add and remove.

use policy::destination::{Edits, HeaderEdits};

use super::service_entry::words;
use crate::fields::{Fields, parsed};
use crate::native::{changeable, header_value, host_name, merged};
use crate::node::Node;

/// `headers: { request, response }`, and the `Host` it sets, which is a rewrite.
pub(super) fn of_route(fields: &Fields<'_>) -> (HeaderEdits, Option<Box<str>>) {
    let Some(node) = fields.take("headers") else {
        return Default::default();
    };
    Fields::read_proto(node, fields.report, |fields| {
        let mut host = None;
        let mut edits = |key: &'static str| {
            let node = fields.take(key)?;
            Fields::read_proto(node, fields.report, |fields| self::edits(fields, &mut host))
        };
        let request = edits("request").unwrap_or_default();
        let response = edits("response").unwrap_or_default();
        (HeaderEdits { request, response }, host)
    })
    .unwrap_or_default()
}

/// `appendHeaders` of Istio 0.7.
pub(super) fn appended(fields: &Fields<'_>) -> HeaderEdits {
    let mut host = None;
    let add = pairs(fields, "appendHeaders", &mut host);
    HeaderEdits {
        request: Edits {
            add,
            ..Edits::default()
        },
        response: Edits::default(),
    }
}

/// The outer changes, then the inner ones: where both speak of a field, the
/// inner's word holds.
pub(super) fn joined(outer: HeaderEdits, inner: HeaderEdits) -> HeaderEdits {
    merged(&outer, inner)
}

fn edits(fields: &Fields<'_>, host: &mut Option<Box<str>>) -> Edits {
    let remove = fields.many("remove").iter();
    Edits {
        set: pairs(fields, "set", host),
        add: pairs(fields, "add", &mut None),
        remove: remove
            .filter_map(|node| parsed(node, fields.report, changeable))
            .collect(),
    }
}

fn pairs(
    fields: &Fields<'_>,
    key: &'static str,
    host: &mut Option<Box<str>>,
) -> Vec<(Box<str>, Box<str>)> {
    let report = fields.report;
    let mut pairs = Vec::new();
    for (name, node) in words(fields, key) {
        match &*name.to_ascii_lowercase() {
            ":authority" | "host" => *host = parsed(node, report, host_name),
            // Istio drops other pseudo-headers.
            name if name.starts_with(':') => {
                report.warning(
                    &node.origin,
                    format!("`{name}` cannot be changed: passed over"),
                );
            }
            name => match changeable(name) {
                Ok(name) => pairs.extend(value(node, fields).map(|value| (name, value))),
                Err(message) => report.error(&node.origin, message),
            },
        }
    }
    pairs
}

/// Envoy puts values in for `%NAME%`; here a value is a value.
pub(super) fn value(node: &Node, fields: &Fields<'_>) -> Option<Box<str>> {
    parsed(node, fields.report, |text| match text.contains('%') {
        true => Err(format!(
            "`{text}` holds `%`, by which Envoy puts values in: write the value itself"
        )),
        false => header_value(text),
    })
}
