//! `matches` of an HTTPRoute, and how specific each is.

use std::cmp::Reverse;

use policy::canonical::MethodSet;
use policy::pattern::{PathPattern, PatternError, ValuePattern};
use policy::rule::{Matcher, NamedPattern};

use super::super::http_match::{Block, field_name};
use crate::fields::{Fields, parsed, text};
use crate::native::check_path;
use crate::node::Node;
use crate::report::Report;

/// One match: all of it must hold.
#[derive(Debug, Default)]
pub(super) struct Match<'a> {
    pub(super) block: Block<'a>,
    pub(super) rank: Rank,
    /// The segments of a `PathPrefix`, which a rewrite may take the place of.
    pub(super) prefix: Option<Box<str>>,
}

/// The order in which Gateway API asks: the more specific comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    path: PathRank,
    length: Reverse<usize>,
    any_method: bool,
    headers: Reverse<usize>,
    query: Reverse<usize>,
}

/// Where an expression stands is for each implementation to say: as in Istio,
/// behind every prefix but `/`, which would leave it nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum PathRank {
    Exact,
    Prefix,
    Regex,
    #[default]
    Every,
}

/// `Exact` where nothing is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ValueMatch {
    Exact,
    Regex,
}

/// Reads `matches`; none is one that takes everything.
pub(super) fn matches<'a>(fields: &Fields<'a>) -> Vec<Match<'a>> {
    fields.refuse_null(&["matches"]);
    let nodes = fields.many("matches").iter();
    let matches: Vec<_> = nodes
        .filter_map(|node| Fields::read_restriction(node, fields.report, one))
        .collect();
    match fields.has("matches") {
        true => matches,
        false => vec![Match::default()],
    }
}

fn one<'a>(fields: &Fields<'a>) -> Match<'a> {
    let report = fields.report;
    let mut found = Match::default();
    found.block.origin = Some(fields.origin());
    if let Some(node) = fields.take("path") {
        Fields::read_restriction(node, report, |fields| path(fields, &mut found));
    }
    let headers = named(fields, "headers", |name| field_name(name, "hostnames"));
    let query = named(fields, "queryParams", |name| Ok(name.into()));
    let methods = fields.parsed("method", |name| MethodSet::parse([name]));
    found.rank.any_method = methods.is_none();
    found.rank.headers = Reverse(headers.len());
    found.rank.query = Reverse(query.len());
    found.block.matcher = Matcher {
        methods,
        headers,
        query,
        ..found.block.matcher
    };
    found
}

fn path(fields: &Fields<'_>, found: &mut Match<'_>) {
    let types = [
        ("PathPrefix", PathRank::Prefix),
        ("Exact", PathRank::Exact),
        ("RegularExpression", PathRank::Regex),
    ];
    let rank = fields.choice("type", &types).unwrap_or(PathRank::Prefix);
    let node = fields.take("value");
    let written = node
        .and_then(|node| text(node, fields.report))
        .unwrap_or("/");
    let parsed = match rank {
        PathRank::Exact => PathPattern::exact(written),
        PathRank::Regex => fields.report.path_regex(written),
        PathRank::Prefix | PathRank::Every => PathPattern::segment_prefix(written),
    };
    let Some(pattern) = pattern(node, parsed, fields.report) else {
        return;
    };
    if let (Err(message), Some(node)) = (check_path(&pattern), node) {
        fields.report.error(&node.origin, message);
    }
    found.rank.path = match (rank, &pattern) {
        (PathRank::Prefix, PathPattern::Any) => PathRank::Every,
        (rank, _) => rank,
    };
    // Expressions have no length that would say which is more specific.
    if let PathRank::Exact | PathRank::Prefix = found.rank.path {
        found.rank.length = Reverse(written.len());
    }
    if rank == PathRank::Prefix {
        found.prefix = Some(written.trim_end_matches('/').into());
    }
    if pattern != PathPattern::Any {
        found.block.matcher.paths.push(pattern);
    }
}

/// `headers` or `queryParams`: of entries of one name only the first counts.
fn named(
    fields: &Fields<'_>,
    key: &'static str,
    name: impl Fn(&str) -> Result<Box<str>, String>,
) -> Vec<NamedPattern> {
    let report = fields.report;
    let types = [
        ("Exact", ValueMatch::Exact),
        ("RegularExpression", ValueMatch::Regex),
    ];
    let mut all: Vec<NamedPattern> = Vec::new();
    for node in fields.many(key) {
        let entry = Fields::read_proto(node, report, |fields| {
            fields.need("name", "x-team");
            fields.need("value", "payments");
            let name = fields
                .take("name")
                .and_then(|node| parsed(node, report, &name));
            let kind = fields.choice("type", &types).unwrap_or(ValueMatch::Exact);
            let node = fields.take("value")?;
            let written = text(node, report)?;
            let value = match kind {
                ValueMatch::Exact => Ok(ValuePattern::exact(written)),
                ValueMatch::Regex => ValuePattern::regex(written),
            };
            Some(NamedPattern {
                name: name?,
                pattern: pattern(Some(node), value, report)?,
            })
        });
        let Some(entry) = entry.flatten() else {
            continue;
        };
        match all.iter().any(|known| known.name == entry.name) {
            true => {
                let message = format!(
                    "`{}` is asked twice and the first counts: delete this one",
                    entry.name
                );
                report.warning(&node.origin, message);
            }
            false => all.push(entry),
        }
    }
    all
}

fn pattern<T>(node: Option<&Node>, result: Result<T, PatternError>, report: &Report) -> Option<T> {
    let error = match result {
        Ok(pattern) => return Some(pattern),
        Err(error) => error,
    };
    if let Some(node) = node {
        report.error(&node.place_of(error.offset()), error.message());
    }
    None
}
