//! The one matcher of policies, routes and logs: keys are a conjunction, the
//! entries of a key alternatives, a list of matchers alternatives too.
//!
//! A matcher that asks nothing must say so (`host: "*"`): an empty one is an
//! error, since what an operator left out never widens what is allowed.

use policy::canonical::MethodSet;
use policy::pattern::{HostPattern, PathPattern};
use policy::rule::Matcher;

use super::asking::{Asking, Follows};
use super::canonical_path::Part;
use super::context::Context;
use super::expression;
use super::headers::matchable;
use super::pattern;
use super::source::sources;
use crate::fields::{Fields, number, parsed};
use crate::node::{Node, Value};
use crate::remote;
use crate::report::Report;

const KEYS: [&str; 12] = [
    "from",
    "host",
    "path",
    "target",
    "method",
    "port",
    "hostPort",
    "listenerPort",
    "sni",
    "header",
    "query",
    "expr",
];

/// One matcher or a list of them.
pub(super) fn matchers(node: &Node, follows: Follows, context: &Context<'_>) -> Vec<Matcher> {
    let nodes = node.one_or_many();
    if nodes.is_empty() {
        let message =
            "an empty list matches nothing: write a matcher, or `host: \"*\"` for every request";
        context.report.error(&node.origin, message);
    }
    nodes
        .iter()
        .filter_map(|node| matcher(node, follows, context))
        .collect()
}

/// One matcher.
pub(super) fn matcher(node: &Node, follows: Follows, context: &Context<'_>) -> Option<Matcher> {
    let matcher = Fields::read(node, context.report, |fields| {
        let matcher = keys(fields, follows, context);
        for key in ["status", "decision", "record"] {
            if let Some(entry) = fields.entry(key) {
                let message = format!(
                    "`{key}` stands only in a log, in a `when` that is one map: write another log"
                );
                context.report.error(&entry.origin, message);
            }
        }
        matcher
    })?;
    if matches!(&node.value, Value::Map(entries) if entries.is_empty()) {
        let message = "a matcher that asks nothing: write `host: \"*\"` if every request is meant";
        context.report.error(&node.origin, message);
    }
    matcher
}

/// The matcher whose keys stand among others; nothing when none of them does.
pub(super) fn keys(
    fields: &Fields<'_>,
    follows: Follows,
    context: &Context<'_>,
) -> Option<Matcher> {
    let asking = Asking::new(context, follows);
    let matcher = Matcher {
        hosts: hosts(fields, "host", &asking),
        paths: paths(fields, "path", Part::Path, &asking),
        ..without_host_and_path(fields, &asking)
    };
    let matcher = asking.matcher(matcher);
    KEYS.iter().any(|key| fields.has(key)).then_some(matcher)
}

/// What a route asks.
#[derive(Debug)]
pub(super) struct OfRoute {
    /// One of them holds; none when it asks nothing.
    pub(super) matchers: Vec<Matcher>,
    /// Its `prefix:`, which a rewrite may replace.
    pub(super) prefixes: Vec<Box<str>>,
}

const NO_HOST: &str =
    "a route stands under its destination's host: delete `host`, or write `rewrite: { host: … }`";

/// The ways a route names paths; they exclude each other.
const PATHS: [&str; 5] = ["path", "exact", "prefix", "regex", "template"];

/// The matcher of a route. It stands under its destination's host, and knows
/// shorthands for paths.
pub(super) fn of_route(fields: &Fields<'_>, context: &Context<'_>) -> OfRoute {
    let asking = Asking::new(context, Follows::Way);
    let one = |key, parse: fn(&Node, &Report) -> Option<PathPattern>| {
        asking.alternatives(fields.many(key), |node| parse(node, fields.report))
    };
    let prefix = one("prefix", pattern::segment_prefix);
    let prefixes = prefix.iter().filter_map(beginning).collect();
    let all = [
        paths(fields, "path", Part::Path, &asking),
        one("exact", pattern::exact),
        prefix,
        one("regex", pattern::regex),
        one("template", pattern::template),
    ];
    let given: Vec<_> = PATHS.into_iter().filter(|key| fields.has(key)).collect();
    if let [first, second, ..] = given.as_slice() {
        let message = format!("`{first}` and `{second}` exclude each other: write two routes");
        fields.report.error(fields.origin(), message);
    }
    if let Some(entry) = fields.entry("host") {
        fields.report.error(&entry.origin, NO_HOST);
    }
    let matcher = asking.matcher(Matcher {
        paths: all
            .into_iter()
            .find(|paths| !paths.is_empty())
            .unwrap_or_default(),
        ..without_host_and_path(fields, &asking)
    });
    let mut asked = KEYS.iter().chain(&PATHS).filter(|key| fields.has(key));
    let asked = asked.next();
    let mut matchers: Vec<Matcher> = asked.map(|_| matcher).into_iter().collect();
    if let Some(entry) = fields.entry("when") {
        if let Some(key) = asked {
            let message = format!(
                "`{key}` stands beside `when`, which holds all that the route asks: write it within"
            );
            fields.report.error(&entry.origin, message);
        }
        matchers = alternatives_of_route(&entry.node, context);
    }
    OfRoute { matchers, prefixes }
}

/// `when`: matchers of which one must hold. Hosts are not asked.
fn alternatives_of_route(node: &Node, context: &Context<'_>) -> Vec<Matcher> {
    for matcher in node.one_or_many() {
        let Value::Map(entries) = &matcher.value else {
            continue;
        };
        for host in entries.iter().filter(|entry| &*entry.key == "host") {
            context.report.error(&host.origin, NO_HOST);
        }
    }
    matchers(node, Follows::Way, context)
}

/// What a prefix replaces when it is rewritten; nothing for `prefix: /`.
fn beginning(prefix: &PathPattern) -> Option<Box<str>> {
    match prefix {
        PathPattern::SegmentPrefix(text) => Some(text.clone()),
        PathPattern::Any => Some("".into()),
        _ => None,
    }
}

fn without_host_and_path(fields: &Fields<'_>, asking: &Asking<'_, '_>) -> Matcher {
    Matcher {
        from: sources(fields, asking),
        hosts: Vec::new(),
        paths: Vec::new(),
        targets: paths(fields, "target", Part::Target, asking),
        methods: methods(fields, asking),
        ports: ports(fields, "port", asking),
        host_ports: ports(fields, "hostPort", asking),
        listener_ports: ports(fields, "listenerPort", asking),
        server_names: hosts(fields, "sni", asking),
        headers: pattern::named(fields, "header", matchable),
        query: pattern::named(fields, "query", |name| Ok(name.into())),
        expr: fields
            .take("expr")
            .and_then(|node| expression::condition(node, asking.context)),
    }
}

fn ports(fields: &Fields<'_>, key: &'static str, asking: &Asking<'_, '_>) -> Vec<u16> {
    asking.alternatives(fields.many(key), |node| {
        number(node, fields.report, 1..=u16::MAX)
    })
}

fn hosts(fields: &Fields<'_>, key: &'static str, asking: &Asking<'_, '_>) -> Vec<HostPattern> {
    asking.alternatives(fields.many(key), |node| {
        let host = pattern::host(node, fields.report)?;
        // A list made elsewhere speaks of hosts of no concern here.
        if key == "host" && !remote::is_fetched(&node.origin) {
            let mut named = asking.context.named_hosts.borrow_mut();
            named.push((host.clone(), node.origin.clone()));
        }
        Some(host)
    })
}

fn paths(
    fields: &Fields<'_>,
    key: &'static str,
    part: Part,
    asking: &Asking<'_, '_>,
) -> Vec<PathPattern> {
    asking.alternatives(fields.many(key), |node| {
        let path = pattern::path(node, part, fields.report)?;
        if asking.refuses() {
            pattern::warn_of_broken_escape(node, &path, fields.report);
        }
        Some(path)
    })
}

fn methods(fields: &Fields<'_>, asking: &Asking<'_, '_>) -> Option<MethodSet> {
    let names = asking.alternatives(fields.many("method"), |node| {
        parsed(node, fields.report, |name| {
            MethodSet::parse([name]).map(|_| Box::<str>::from(name))
        })
    });
    match names.is_empty() {
        true => None,
        false => MethodSet::parse(names).ok(),
    }
}
