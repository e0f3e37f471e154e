//! Patterns of hosts, paths and values as operators write them, with every
//! error at the very character.

use std::collections::HashSet;

use policy::destination::{Destination, Passage, TcpRoute};
use policy::pattern::{HostPattern, PathPattern, PatternError, ValuePattern};
use policy::rule::NamedPattern;

use super::canonical_path::{Part, check};

use super::context::Context;
use crate::fields::{Fields, text};
use crate::node::{Node, Value};
use crate::report::Report;
use crate::spelling::listed;

/// `a.example`, `*.example`, `*example`, `*`.
pub(super) fn host(node: &Node, report: &Report) -> Option<HostPattern> {
    read(node, report, HostPattern::parse)
}

/// `/x`, `/x*`, `*x`, `*`, or one of these in a map: `regex`, `template`,
/// `prefix` (whole segments, as a route's), and `exact`, `begins`, `ends`,
/// letter for letter, stars included.
pub(super) fn path(node: &Node, part: Part, report: &Report) -> Option<PathPattern> {
    match node.value {
        Value::Map(_) => Fields::read(node, report, |fields| {
            let literal = |key, parse: fn(&str) -> Result<PathPattern, PatternError>| {
                Some(checked(fields.take(key)?, part, report, parse))
            };
            let regex = fields.take("regex").map(|node| regex(node, report));
            let template = fields.take("template").map(|node| template(node, report));
            let others = [
                literal("prefix", PathPattern::segment_prefix),
                literal("exact", PathPattern::exact),
                literal("begins", PathPattern::prefix),
                literal("ends", PathPattern::suffix),
            ];
            one_of(
                fields,
                &["regex", "template", "prefix", "exact", "begins", "ends"],
            );
            let mut given = [regex, template].into_iter().chain(others).flatten();
            given.next().flatten()
        })
        .flatten(),
        Value::Nothing | Value::Scalar(_) | Value::List(_) => {
            checked(node, part, report, PathPattern::parse)
        }
    }
}

/// Of a path by which requests are refused: an escape that a regular expression
/// spells in pieces is not found where an origin has decoded it.
pub(super) fn warn_of_broken_escape(node: &Node, pattern: &PathPattern, report: &Report) {
    if let PathPattern::Regex(regex) = pattern
        && regex.has_broken_escape()
    {
        let message = "an escape in pieces refuses only what is spelled so, not what origins make of it: write each whole, as `(%C3%A8|%C3%A9)`, or what stands before it and `.*`";
        report.warning(&node.origin, message);
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
    read(node, report, |text| report.path_regex(text))
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
    let named = entries.iter().flat_map(|entry| {
        let name = name(&entry.key);
        if let Err(message) = &name {
            report.error(&entry.origin, message.clone());
        }
        let named = |node| {
            Some(NamedPattern {
                name: name.clone().ok()?,
                pattern: value(node, report)?,
            })
        };
        together(&entry.node, report)
            .iter()
            .filter_map(named)
            .collect::<Vec<_>>()
    });
    named.collect()
}

/// The patterns of `{ all: [ … ] }`, which must all hold of one name, or the
/// one that is written alone.
fn together<'n>(node: &'n Node, report: &'n Report) -> &'n [Node] {
    let alone = std::slice::from_ref(node);
    if node.entry("all").is_none() {
        return alone;
    }
    Fields::read(node, report, |fields| fields.many("all")).unwrap_or_default()
}

/// `x`, `x*`, `*x`, `present`, `absent`, or one of these in a map: `regex`,
/// `not`, which takes a value again, and `exact`, `begins`, `ends`, letter for
/// letter, stars included.
fn value(node: &Node, report: &Report) -> Option<ValuePattern> {
    match node.value {
        Value::Map(_) => Fields::read(node, report, |fields| {
            let literal = |key, pattern: fn(Box<str>) -> ValuePattern| {
                let text = text(fields.take(key)?, report);
                Some(text.map(|text| pattern(text.into())))
            };
            let regex = fields
                .take("regex")
                .map(|node| read(node, report, ValuePattern::regex));
            let not = fields.take("not").map(|node| {
                let pattern = value(node, report)?;
                Some(ValuePattern::Not(Box::new(pattern)))
            });
            let others = [
                literal("exact", ValuePattern::Exact),
                literal("begins", ValuePattern::Prefix),
                literal("ends", ValuePattern::Suffix),
            ];
            one_of(fields, &["regex", "not", "exact", "begins", "ends"]);
            let mut given = [regex, not].into_iter().chain(others).flatten();
            given.next().flatten()
        })
        .flatten(),
        Value::Nothing | Value::Scalar(_) | Value::List(_) => {
            read(node, report, ValuePattern::parse)
        }
    }
}

/// What else stands in the map is told as unknown.
fn one_of(fields: &Fields<'_>, keys: &[&str]) {
    let given = keys.iter().filter(|key| fields.has(key)).count();
    if fields.is_empty() || given > 1 {
        let message = format!("write either {}", listed(keys.iter().copied()));
        fields.report.error(fields.origin(), message);
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
    tcp: &[TcpRoute],
) {
    let destinations = destinations.iter().map(|d| &d.host);
    let of_tcp: Vec<HostPattern> = tcp
        .iter()
        .flat_map(|route| &route.leads)
        .filter_map(|lead| HostPattern::parse(&lead.host).ok())
        .collect();
    let served: HashSet<_> = destinations
        .chain(passages.iter().map(|p| &p.host))
        .chain(&of_tcp)
        .collect();
    for (host, origin) in context.named_hosts.borrow().iter() {
        let served = served.contains(host) || served.iter().any(|other| host.overlaps(other));
        if !served {
            let message = "no destination serves this host: write one, or mend the name";
            context.report.warning(origin, message);
        }
    }
}
