//! `formats` and `logs`: which attempts are told, how, and where to.

use std::sync::Arc;

use policy::expr::Expr;
use policy::{DecisionWord, LogFilter, StatusPattern};

use super::asking::Follows;
use super::condition;
use super::context::Context;
use super::expression;
use super::identity::path;
use crate::fields::{Fields, parsed, text};
use crate::node::{Entry, Node, Value};
use crate::report::Report;
use crate::snapshot::{Layout, Level, Log, Overflow, Rotate, Sink};
use crate::text_format::TextFormat;

/// Formats that need no definition.
pub(super) const BUILT_IN: [&str; 4] = ["json", "envoy-2018", "istio-1.1", "istio"];

/// A format that needs no definition.
fn built_in(name: &str) -> Option<Layout> {
    match name {
        "json" => Some(Layout::Json),
        name => TextFormat::preset(name).map(Layout::Text),
    }
}

/// A format with a name; without layout when it is wrong, which was reported.
#[derive(Debug)]
pub(super) struct Format<'a> {
    name: &'a str,
    layout: Option<Layout>,
}

/// Reads `formats`.
pub(super) fn formats<'a>(entries: &[&'a Entry], report: &Report) -> Vec<Format<'a>> {
    let format = |entry: &&'a Entry| {
        if built_in(&entry.key).is_some() {
            let message = format!("`{}` is a format already: write another name", entry.key);
            report.error(&entry.origin, message);
        }
        let layout = Fields::read(&entry.node, report, |fields| layout(fields, &entry.key));
        Format {
            name: &entry.key,
            layout: layout.flatten(),
        }
    };
    entries.iter().map(format).collect()
}

fn layout(fields: &Fields<'_>, name: &str) -> Option<Layout> {
    let words = BUILT_IN.into_iter().chain(["mixer", "text", "labels"]);
    let words: Vec<_> = words.map(|word| (word, word)).collect();
    fields.need("layout", "mixer");
    let layout = fields.choice("layout", &words);
    let instance = fields.text("instance");
    let (written, text) = (fields.entry("fields"), fields.entry("text"));
    let labels = fields.entry("labels");
    let layout = layout?;
    let idle = [
        (fields.entry("instance"), "mixer"),
        (written, "mixer"),
        (text, "text"),
        (labels, "labels"),
    ];
    for (entry, layout) in idle.into_iter().filter(|(_, asks)| *asks != layout) {
        let Some(entry) = entry else { continue };
        let message = format!(
            "`{}` has no effect here: only `layout: {layout}` asks for it",
            entry.key
        );
        fields.report.error(&entry.origin, message);
    }
    match layout {
        "mixer" => Some(Layout::Mixer {
            instance: instance.unwrap_or(name).into(),
            fields: written
                .map(|entry| mixer_fields(&entry.node, fields.report))
                .unwrap_or_default(),
        }),
        "text" => {
            let node = fields.need(
                "text",
                "\"[%START_TIME%] %REQ(:AUTHORITY)% %RESPONSE_CODE%\"",
            )?;
            text_format(node, fields.report).map(Layout::Text)
        }
        "labels" => {
            let node = fields.need("labels", "{ status: \"%RESPONSE_CODE%\" }")?;
            Some(Layout::Labels(self::labels(node, fields.report)))
        }
        name => built_in(name),
    }
}

/// A text with Envoy's command operators.
pub(crate) fn text_format(node: &Node, report: &Report) -> Option<TextFormat> {
    let format = TextFormat::parse(text(node, report)?);
    format
        .map_err(|error| report.error(&node.place_of(error.offset), error.message))
        .ok()
}

/// Names and formats of their values, sorted by name as Envoy writes them.
pub(crate) fn labels(node: &Node, report: &Report) -> Arc<[(Box<str>, TextFormat)]> {
    let Value::Map(entries) = &node.value else {
        let message = format!("found {} where a map `name: format` belongs", node.kind());
        report.error(&node.origin, message);
        return Arc::default();
    };
    let label = |entry: &Entry| Some((entry.key.clone(), text_format(&entry.node, report)?));
    let mut labels: Vec<_> = entries.iter().filter_map(label).collect();
    labels.sort_by(|(one, _), (other, _)| one.cmp(other));
    labels.into()
}

/// Name and value, sorted by name as Mixer writes them.
fn mixer_fields(node: &Node, report: &Report) -> Arc<[(Box<str>, Expr)]> {
    let Value::Map(entries) = &node.value else {
        let message = format!(
            "found {} where a map `name: expression` belongs",
            node.kind()
        );
        report.error(&node.origin, message);
        return Arc::default();
    };
    let mut fields: Vec<(Box<str>, Expr)> = entries
        .iter()
        .filter_map(|entry| Some((entry.key.clone(), expression::field(&entry.node, report)?)))
        .collect();
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    fields.into()
}

/// Reads `logs`; without a word every attempt is told on standard output, and
/// none with `logs: off`.
pub(super) fn logs(nodes: &[&Node], formats: &[Format<'_>], context: &Context<'_>) -> Vec<Log> {
    match nodes {
        [] => return vec![every_attempt()],
        [only] if is_off(only) => return Vec::new(),
        _ => {}
    }
    let mut logs: Vec<(Log, &Node)> = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        let log = Fields::read(node, context.report, |fields| {
            log(fields, &format!("logs[{index}]"), formats, context)
        });
        let Some(log) = log else { continue };
        refuse_contradiction(&log, node, &logs, context.report);
        logs.push((log, node));
    }
    logs.into_iter().map(|(log, _)| log).collect()
}

fn is_off(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(word) if &*word.text == "off")
}

pub(super) fn every_attempt() -> Log {
    Log {
        origin: None,
        name: "access".into(),
        filter: LogFilter::default(),
        layout: Layout::Json,
        level: Level::Info,
        sink: Sink::Stdout,
        overflow: Overflow::default(),
        open_tunnels: None,
    }
}

/// Logs that share a sink must agree on what it is.
fn refuse_contradiction(log: &Log, node: &Node, others: &[(Log, &Node)], report: &Report) {
    let file = |sink: &Sink| match sink {
        Sink::File { path, .. } => Some(path.clone()),
        Sink::Stdout | Sink::Stderr => None,
    };
    for (other, there) in others {
        let there = &there.origin;
        if file(&log.sink).is_some()
            && file(&log.sink) == file(&other.sink)
            && log.sink != other.sink
        {
            let message =
                format!("this file is rotated in another way at {there}: write the same `rotate`");
            report.error(&node.origin, message);
        } else if log.sink == other.sink && log.overflow != other.overflow {
            let message = format!("this sink has another `overflow` at {there}: write the same");
            report.error(&node.origin, message);
        }
    }
}

fn log(
    fields: &Fields<'_>,
    default_name: &str,
    formats: &[Format<'_>],
    context: &Context<'_>,
) -> Log {
    let levels = [
        ("info", Level::Info),
        ("warn", Level::Warn),
        ("error", Level::Error),
    ];
    let overflows = [
        ("drop", Overflow::DropAndCount),
        ("refuse", Overflow::Refuse),
    ];
    Log {
        origin: Some(Arc::new(fields.origin().clone())),
        name: fields.text("name").unwrap_or(default_name).into(),
        filter: filter(fields, context),
        layout: format(fields, formats, context).unwrap_or(Layout::Json),
        level: fields.choice("level", &levels).unwrap_or(Level::Info),
        sink: sink(fields).unwrap_or(Sink::Stdout),
        overflow: fields.choice("overflow", &overflows).unwrap_or_default(),
        open_tunnels: fields.duration("openTunnels"),
    }
}

fn format(fields: &Fields<'_>, formats: &[Format<'_>], context: &Context<'_>) -> Option<Layout> {
    let node = fields.take("format")?;
    let name = fields.text("format")?;
    if let Some(layout) = built_in(name) {
        return Some(layout);
    }
    let Some(format) = formats.iter().find(|format| format.name == name) else {
        let known = formats.iter().map(|format| format.name);
        let known = known.chain(BUILT_IN);
        context.unknown(&node.origin, "format", name, known);
        return None;
    };
    format.layout.clone()
}

/// `to: stdout`, `to: stderr`, or `to: { file, rotate: { size, keep } }`.
fn sink(fields: &Fields<'_>) -> Option<Sink> {
    let node = fields.take("to")?;
    if matches!(node.value, Value::Scalar(_)) {
        let words = [("stdout", false), ("stderr", true)];
        let stderr = crate::fields::choice(node, fields.report, &words)?;
        return Some(if stderr { Sink::Stderr } else { Sink::Stdout });
    }
    let file = Fields::read(node, fields.report, |fields| {
        fields.need("file", "/var/log/egress/access.log");
        let path = path(fields, "file");
        let rotate = fields.take("rotate");
        let rotate = rotate.and_then(|node| Fields::read(node, fields.report, rotation));
        Some(Sink::File {
            path: path?,
            rotate,
        })
    });
    file.flatten()
}

fn rotation(fields: &Fields<'_>) -> Rotate {
    /// Below it a busy gateway would do little else than open files.
    const LEAST: u64 = 64 * 1024;
    fields.need("size", "100MiB");
    let size = fields.parsed("size", |text| match crate::quantity::size(text)? {
        0..LEAST => Err(format!("`{text}` is too small: write at least `64KiB`")),
        size => Ok(size),
    });
    Rotate {
        size: size.unwrap_or(LEAST),
        keep: fields.number("keep", 1..=10_000).unwrap_or(10),
    }
}

/// `when` and `unless`. What was decided and answered is asked once for the
/// whole log, so `status`, `decision` and `record`, a condition on all that is
/// recorded, stand in one `when`; `request` holds several matchers beside them.
fn filter(fields: &Fields<'_>, context: &Context<'_>) -> LogFilter {
    let mut filter = LogFilter::default();
    match fields.many("when") {
        [] => {}
        [only] => {
            Fields::read(only, context.report, |fields| {
                outcome(fields, &mut filter, context)
            });
        }
        several => {
            filter.when = several
                .iter()
                .filter_map(|node| condition::matcher(node, Follows::Telling, context))
                .collect()
        }
    }
    if let Some(node) = fields.take("unless") {
        filter.unless = condition::matchers(node, Follows::Silence, context);
    }
    filter
}

fn outcome(fields: &Fields<'_>, filter: &mut LogFilter, context: &Context<'_>) {
    let statuses = fields.many("status").iter();
    let decisions = fields.many("decision").iter();
    filter.statuses = statuses
        .filter_map(|node| parsed(node, fields.report, StatusPattern::parse))
        .collect();
    filter.decisions = decisions
        .filter_map(|node| parsed(node, fields.report, DecisionWord::parse))
        .collect();
    filter.when = condition::keys(fields, Follows::Telling, context)
        .into_iter()
        .collect();
    filter.expr = fields
        .take("record")
        .and_then(|node| expression::record(node, context.report));
    if let Some(entry) = fields.entry("request") {
        if !filter.when.is_empty() {
            let message =
                "`request` holds all that is asked of the request: write the other keys within it";
            context.report.error(&entry.origin, message);
        }
        filter.when = condition::matchers(&entry.node, Follows::Telling, context);
    }
    if fields.is_empty() {
        let message = "a `when` that asks nothing: delete it, or write what it asks";
        context.report.error(fields.origin(), message);
    }
}
