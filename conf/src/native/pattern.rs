//! Patterns of hosts, paths and values as operators write them, with every
//! error at the very character.

use std::collections::HashSet;

use policy::destination::{Destination, Passage};
use policy::pattern::{HostPattern, PathPattern, PatternError, ValuePattern};
use policy::rule::NamedPattern;

use super::canonical_path::{Part, check};

use super::context::Context;
use crate::fields::{Fields, text};
use crate::node::{Node, Value};
use crate::report::Report;

/// `a.example`, `*.example`, `*example`, `*`.
pub(super) fn host(node: &Node, report: &Report) -> Option<HostPattern> {
    read(node, report, HostPattern::parse)
}

/// `/x`, `/x*`, `*x`, `*`, `{ regex: … }` or `{ template: … }`.
pub(super) fn path(node: &Node, part: Part, report: &Report) -> Option<PathPattern> {
    match node.value {
        Value::Map(_) => Fields::read(node, report, |fields| {
            let regex = fields.take("regex").map(|node| regex(node, report));
            let template = fields.take("template").map(|node| template(node, report));
            one_of(fields, ["regex", "template"]);
            regex.or(template).flatten()
        })
        .flatten(),
        Value::Nothing | Value::Scalar(_) | Value::List(_) => {
            checked(node, part, report, PathPattern::parse)
        }
    }
}

/// A path letter for letter, stars included.
pub(super) fn exact(node: &Node, report: &Report) -> Option<PathPattern> {
    checked(node, Part::Path, report, PathPattern::exact)
}

/// A path and all below it: `/v1` takes `/v1/x` and not `/v10`.
pub(super) fn segment_prefix(node: &Node, report: &Report) -> Option<PathPattern> {
    checked(node, Part::Path, report, PathPattern::segment_prefix)
}

/// A regular expression for the whole path.
pub(super) fn regex(node: &Node, report: &Report) -> Option<PathPattern> {
    read(node, report, PathPattern::regex)
}

/// `/v1/{*}/x/{**}`.
pub(super) fn template(node: &Node, report: &Report) -> Option<PathPattern> {
    checked(node, Part::Path, report, PathPattern::template)
}

/// A pattern that some canonical path can match.
fn checked(
    node: &Node,
    part: Part,
    report: &Report,
    parse: impl Fn(&str) -> Result<PathPattern, PatternError>,
) -> Option<PathPattern> {
    let pattern = read(node, report, parse)?;
    if let Err(message) = check(&pattern, part) {
        report.error(&node.origin, message);
    }
    Some(pattern)
}

/// `{ name: value, … }`, as `header` and `query` take it.
pub(super) fn named(
    fields: &Fields<'_>,
    key: &'static str,
    name: impl Fn(&str) -> Result<Box<str>, String>,
) -> Vec<NamedPattern> {
    let report = fields.report;
    let Some(node) = fields.take(key) else {
        return Vec::new();
    };
    let Value::Map(entries) = &node.value else {
        let message = format!("found {} where a map `name: value` belongs", node.kind());
        report.error(&node.origin, message);
        return Vec::new();
    };
    if entries.is_empty() {
        let message = format!("`{key}` names nothing: write such as `{{ name: value }}`");
        report.error(&node.origin, message);
    }
    let named = entries.iter().filter_map(|entry| {
        let pattern = value(&entry.node, report);
        match name(&entry.key) {
            Ok(name) => Some(NamedPattern {
                name,
                pattern: pattern?,
            }),
            Err(message) => {
                report.error(&entry.origin, message);
                None
            }
        }
    });
    named.collect()
}

/// `x`, `x*`, `*x`, `present`, `absent`, `{ regex: … }` or `{ exact: … }`.
fn value(node: &Node, report: &Report) -> Option<ValuePattern> {
    match node.value {
        Value::Map(_) => Fields::read(node, report, |fields| {
            let regex = fields
                .take("regex")
                .map(|node| read(node, report, ValuePattern::regex));
            let exact = fields
                .take("exact")
                .map(|node| text(node, report).map(ValuePattern::exact));
            one_of(fields, ["regex", "exact"]);
            regex.or(exact).flatten()
        })
        .flatten(),
        Value::Nothing | Value::Scalar(_) | Value::List(_) => {
            read(node, report, ValuePattern::parse)
        }
    }
}

/// What else stands in the map is told as unknown.
fn one_of(fields: &Fields<'_>, keys: [&str; 2]) {
    let [one, other] = keys;
    if fields.is_empty() || (fields.has(one) && fields.has(other)) {
        fields.report.error(
            fields.origin(),
            format!("write either `{one}` or `{other}`"),
        );
    }
}

fn read<T>(
    node: &Node,
    report: &Report,
    parse: impl Fn(&str) -> Result<T, PatternError>,
) -> Option<T> {
    let pattern = text(node, report)?;
    match parse(pattern) {
        Ok(read) => Some(read),
        Err(error) => {
            let before = pattern.get(..error.offset()).unwrap_or_default();
            report.error(&node.place_of(before.chars().count()), error.message());
            None
        }
    }
}

/// A matcher whose host no destination serves matches nothing that is routed:
/// most often a slip of the pen.
pub(super) fn warn_unserved(
    context: &Context<'_>,
    destinations: &[Destination],
    passages: &[Passage],
) {
    let destinations = destinations.iter().map(|d| &d.host);
    let served: HashSet<_> = destinations
        .chain(passages.iter().map(|p| &p.host))
        .collect();
    for (host, origin) in context.named_hosts.borrow().iter() {
        let served = served.contains(host) || served.iter().any(|other| host.overlaps(other));
        if !served {
            let message = "no destination serves this host: write one, or mend the name";
            context.report.warning(origin, message);
        }
    }
}
