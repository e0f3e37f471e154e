//! What an HTTP route asks of a request: HTTPMatchRequest, and the `headers` of
//! a RouteRule, which hold path and method too.

use std::sync::Arc;

use policy::canonical::MethodSet;
use policy::expr::Expr;
use policy::origin::Origin;
use policy::pattern::{HostPattern, PathPattern, PatternError, ValuePattern};
use policy::rule::{Matcher, NamedPattern};

use super::service_entry::{labels, words};
use crate::fields::{Fields, parsed, text};
use crate::native::{check_path, header_name};
use crate::node::Node;
use crate::report::Report;

/// One block of `match`: all of it must hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Block<'a> {
    /// What it asks of the request itself.
    pub(super) matcher: Matcher,
    /// What of the path a rewrite of `uri` takes the place of.
    pub(super) matched: Matched,
    /// The gateways it is for; nothing where it does not say.
    pub(super) gateways: Option<Vec<&'a str>>,
    /// The port of the door.
    pub(super) port: Option<u16>,
    pub(super) source_labels: Vec<(&'a str, &'a str)>,
    pub(super) source_namespace: Option<&'a str>,
    pub(super) origin: Option<&'a Origin>,
}

/// Which part of a path a block has matched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Matched {
    /// All of it, or it was not asked.
    #[default]
    Whole,
    /// This beginning, letter for letter.
    Beginning(Box<str>),
    /// These segments, as Gateway API counts prefixes.
    Segments(Box<str>),
}

/// StringMatch: exactly one of its fields, or none, which asks for presence.
#[derive(Debug)]
enum StringMatch<'a> {
    Present,
    Exact(&'a str),
    Prefix(&'a str),
    Regex(&'a str),
}

/// Reads one block.
pub(super) fn block<'a>(fields: &Fields<'a>) -> Block<'a> {
    let report = fields.report;
    let mut block = Block {
        origin: Some(fields.origin()),
        ..Block::default()
    };
    let mut conditions = Conditions::default();
    let folded = fields.truth("ignoreUriCase") == Some(true);
    fields.text("name");
    fields.text("statPrefix");
    if let Some(node) = fields.take("uri") {
        path(node, folded, &mut block, report);
    }
    one(fields, "method", |node| {
        method(node, &mut block.matcher, &mut conditions, report)
    });
    one(fields, "scheme", |node| {
        conditions.ask("request.scheme", node, report)
    });
    one(fields, "authority", |node| {
        authority(node, &mut block.matcher, &mut conditions, report)
    });
    let headers = words(fields, "headers").into_iter();
    block
        .matcher
        .headers
        .extend(headers.filter_map(|(name, node)| header(name, node, report)));
    let without = words(fields, "withoutHeaders").into_iter();
    block
        .matcher
        .headers
        .extend(without.filter_map(|(name, node)| {
            let named = header(name, node, report)?;
            let pattern = match named.pattern {
                ValuePattern::Present => ValuePattern::Absent,
                pattern => ValuePattern::Not(Box::new(pattern)),
            };
            Some(NamedPattern { pattern, ..named })
        }));
    let query = words(fields, "queryParams").into_iter();
    block.matcher.query.extend(query.filter_map(|(name, node)| {
        Some(NamedPattern {
            name: name.into(),
            pattern: value(node, report)?,
        })
    }));
    // Istio's 0 is any port; 0.7 wrote `{ number: … }`.
    block.port = fields
        .take("port")
        .and_then(|node| port(node, report))
        .filter(|p| *p != 0);
    if fields.has("gateways") {
        let nodes = fields.many("gateways").iter();
        block.gateways = Some(nodes.filter_map(|node| text(node, report)).collect());
    }
    block.source_labels = labels(fields, "sourceLabels");
    block.source_namespace = fields.text("sourceNamespace");
    block.matcher.expr = conditions.expr(fields.origin(), report);
    block
}

/// Reads the `request.headers` of a RouteRule: `uri`, `method`, `scheme` and
/// `authority` are names like any other there.
pub(super) fn legacy_block<'a>(
    entries: Vec<(&'a str, &'a Node)>,
    origin: &'a Origin,
    report: &'a Report,
) -> Block<'a> {
    let mut block = Block {
        origin: Some(origin),
        ..Block::default()
    };
    let mut conditions = Conditions::default();
    for (name, node) in entries {
        match name {
            "uri" => path(node, false, &mut block, report),
            "method" => method(node, &mut block.matcher, &mut conditions, report),
            "scheme" => conditions.ask("request.scheme", node, report),
            "authority" => authority(node, &mut block.matcher, &mut conditions, report),
            name => block.matcher.headers.extend(header(name, node, report)),
        }
    }
    block.matcher.expr = conditions.expr(origin, report);
    block
}

fn one(fields: &Fields<'_>, key: &'static str, read: impl FnOnce(&Node)) {
    if let Some(node) = fields.take(key) {
        read(node);
    }
}

/// A number, or the `{ number: … }` of Istio 0.7.
pub(super) fn port(node: &Node, report: &Report) -> Option<u16> {
    match node.entry("number") {
        Some(number) => crate::fields::number(number, report, 0..=u16::MAX),
        None => crate::fields::number(node, report, 0..=u16::MAX),
    }
}

/// A bare text is an exact match: RouteRule allowed it.
fn string_match<'a>(node: &'a Node, report: &'a Report) -> Option<StringMatch<'a>> {
    if let crate::node::Value::Scalar(scalar) = &node.value {
        return Some(StringMatch::Exact(&scalar.text));
    }
    if matches!(node.value, crate::node::Value::Nothing) {
        return Some(StringMatch::Present);
    }
    Fields::read_restriction(node, report, |fields| {
        let given = [
            fields.text("exact").map(StringMatch::Exact),
            fields.text("prefix").map(StringMatch::Prefix),
            fields.text("regex").map(StringMatch::Regex),
        ];
        let mut given = given.into_iter().flatten();
        let first = given.next();
        if given.next().is_some() {
            let message = "`exact`, `prefix` and `regex` exclude each other: write one of them";
            report.error(fields.origin(), message);
        }
        match first {
            // Istio reads the regex `*` as presence.
            None | Some(StringMatch::Regex("*")) => StringMatch::Present,
            Some(given) => given,
        }
    })
}

/// The place of what a StringMatch holds, for messages.
fn place(node: &Node) -> &Node {
    ["exact", "prefix", "regex"]
        .into_iter()
        .find_map(|key| node.entry(key))
        .unwrap_or(node)
}

fn pattern<T>(node: &Node, result: Result<T, PatternError>, report: &Report) -> Option<T> {
    let node = place(node);
    result
        .map_err(|error| report.error(&node.place_of(error.offset()), error.message()))
        .ok()
}

fn path(node: &Node, folded: bool, block: &mut Block<'_>, report: &Report) {
    let Some(asked) = string_match(node, report) else {
        return;
    };
    let parsed = match asked {
        StringMatch::Present => return,
        // RE2's own quoting; a path of canonical form holds no `\E`.
        StringMatch::Exact(text) if folded => report.path_regex(&format!("(?i)\\Q{text}\\E")),
        StringMatch::Prefix(text) if folded => report.path_regex(&format!("(?i)\\Q{text}\\E.*")),
        StringMatch::Exact(text) => PathPattern::exact(text),
        StringMatch::Prefix(text) => PathPattern::prefix(text),
        StringMatch::Regex(text) => report.path_regex(text),
    };
    if let StringMatch::Prefix(text) = asked {
        block.matched = Matched::Beginning(text.into());
    }
    let Some(pattern) = pattern(node, parsed, report) else {
        return;
    };
    if let Err(message) = check_path(&pattern) {
        report.error(&place(node).origin, message);
    }
    block.matcher.paths.push(pattern);
}

fn method(node: &Node, matcher: &mut Matcher, conditions: &mut Conditions, report: &Report) {
    match string_match(node, report) {
        Some(StringMatch::Exact(_)) => {
            matcher.methods = parsed(place(node), report, |name| MethodSet::parse([name]));
        }
        _ => conditions.ask("request.method", node, report),
    }
}

/// The port a `Host` names is nothing to a gateway (A.6, 5).
fn authority(node: &Node, matcher: &mut Matcher, conditions: &mut Conditions, report: &Report) {
    match string_match(node, report) {
        Some(StringMatch::Exact(host)) => {
            let name = host.split_once(':').map_or(host, |(name, _)| name);
            let parsed = pattern(node, HostPattern::parse(name), report);
            matcher.hosts.extend(parsed);
        }
        _ => conditions.ask("request.host", node, report),
    }
}

fn header(name: &str, node: &Node, report: &Report) -> Option<NamedPattern> {
    let name = field_name(name, "authority");
    let name = name.map_err(|message| report.error(&node.origin, message));
    Some(NamedPattern {
        name: name.ok()?,
        pattern: value(node, report)?,
    })
}

/// The name of a field that is matched; `instead` is what to write for the host,
/// which callers may write in many ways, and over HTTP/2 in no field.
pub(super) fn field_name(name: &str, instead: &str) -> Result<Box<str>, String> {
    match &*header_name(name)? {
        "host" => Err(format!(
            "`{name}` is no header to match, since callers may write it in many ways: write `{instead}`"
        )),
        name => Ok(name.into()),
    }
}

fn value(node: &Node, report: &Report) -> Option<ValuePattern> {
    match string_match(node, report)? {
        StringMatch::Present => Some(ValuePattern::Present),
        StringMatch::Exact(text) => Some(ValuePattern::exact(text)),
        StringMatch::Prefix(text) => Some(ValuePattern::Prefix(text.into())),
        StringMatch::Regex(text) => pattern(node, ValuePattern::regex(text), report),
    }
}

/// What no index knows, put together as an expression.
#[derive(Debug, Default)]
struct Conditions(Vec<String>);

impl Conditions {
    fn ask(&mut self, attribute: &str, node: &Node, report: &Report) {
        let Some(asked) = string_match(node, report) else {
            return;
        };
        self.0.push(match asked {
            StringMatch::Present => return,
            StringMatch::Exact(text) => format!("{attribute} == {}", quoted(text)),
            StringMatch::Prefix(text) => format!("{attribute}.startsWith({})", quoted(text)),
            StringMatch::Regex(text) => {
                // It must be a pattern by itself before it is put into another.
                if pattern(node, ValuePattern::regex(text), report).is_none() {
                    return;
                }
                format!(
                    "{attribute}.matches({})",
                    quoted(&format!("\\A(?:{text})\\z"))
                )
            }
        });
    }

    fn expr(self, origin: &Origin, report: &Report) -> Option<Arc<Expr>> {
        if self.0.is_empty() {
            return None;
        }
        Expr::cel(&self.0.join(" && "))
            .map_err(|error| report.error(origin, error.problem.to_string()))
            .ok()
            .map(Arc::new)
    }
}

/// A text as a CEL literal.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len().saturating_add(2));
    quoted.push('"');
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}
