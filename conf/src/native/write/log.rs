//! `formats` and `logs`.

use std::sync::Arc;

use policy::LogFilter;
use policy::expr::Expr;
use policy::origin::Origin;

use super::super::log::{BUILT_IN, every_attempt};
use super::Writer;
use super::matcher::can_hold;
use super::settings::{duration, path, size};
use crate::snapshot::{Layout, Level, Log, Overflow, Sink};
use crate::text_format::TextFormat;
use crate::yaml::emit::{Map, Out};

/// Layouts that have been given a name.
#[derive(Default)]
struct Formats<'l>(Vec<(String, Format<'l>)>);

/// A layout that is not built in.
#[derive(PartialEq)]
enum Format<'l> {
    Mixer { instance: &'l str, fields: Fields },
    Text(&'l str),
    Labels(Fields),
}

/// Name and text of each field.
type Fields = Vec<(Box<str>, String)>;

impl Writer<'_> {
    /// `formats` and `logs`; nothing where every attempt is told as it is
    /// without a word.
    pub(super) fn logs(&self, logs: &[Log]) -> Map {
        let mut root = Map::default();
        match logs {
            [] => root.put("logs", Out::word("off")),
            [only] if is_usual(only) => {}
            logs => {
                let mut formats = Formats::default();
                let numbered = logs.iter().enumerate();
                let logs: Vec<Out> = numbered
                    .map(|(number, log)| self.log(number, log, &mut formats))
                    .collect();
                root.put_map("formats", formats.written());
                root.put_all("logs", logs);
            }
        }
        root
    }

    fn log<'l>(&self, number: usize, log: &'l Log, formats: &mut Formats<'l>) -> Out {
        let nowhere = Arc::new(Origin::new("configuration", 1, 1));
        let origin = log.origin.as_ref().unwrap_or(&nowhere);
        let remark = log.origin.as_ref().and_then(|origin| self.remark(origin));
        let mut map = Map::remarked(remark);
        if *log.name != *format!("logs[{number}]") {
            map.put("name", Out::text(&*log.name));
        }
        match &log.sink {
            Sink::Stdout => {}
            Sink::Stderr => map.put("to", Out::word("stderr")),
            Sink::File { path: file, rotate } => {
                let mut to = Map::default();
                to.put("file", path(file));
                if let Some(rotate) = rotate {
                    let mut map = Map::inline();
                    map.put("size", size(rotate.size));
                    map.put("keep", Out::word(rotate.keep));
                    to.put("rotate", Out::Map(map));
                }
                map.put("to", Out::Map(to));
            }
        }
        match &log.layout {
            Layout::Json => {}
            Layout::Text(text) => match text.name() {
                Some(preset) => map.put("format", Out::word(preset)),
                None => map.put(
                    "format",
                    formats.put(&log.name, Format::Text(text.written())),
                ),
            },
            Layout::Labels(labels) => {
                let label = |(name, text): &(Box<str>, TextFormat)| {
                    (name.clone(), text.written().to_owned())
                };
                let labels = labels.iter().map(label).collect();
                map.put("format", formats.put(&log.name, Format::Labels(labels)));
            }
            Layout::Mixer { instance, fields } => {
                let fields = self.fields(fields, origin);
                // The first part of what Mixer called it.
                let name = instance.split('.').next().unwrap_or_default();
                map.put(
                    "format",
                    formats.put(name, Format::Mixer { instance, fields }),
                );
            }
        }
        if log.level != Level::Info {
            map.put("level", Out::word(log.level.as_str()));
        }
        match log.overflow {
            Overflow::DropAndCount => {}
            Overflow::Refuse => map.put("overflow", Out::word("refuse")),
        }
        map.put_some("openTunnels", log.open_tunnels.map(duration));
        map.put_some("when", self.when(&log.filter, origin));
        map.put_some("unless", self.any_of(&log.filter.unless, origin));
        if map.is_empty() {
            // It is none without a word where others stand.
            map.put("to", Out::word("stdout"));
        }
        Out::Map(map)
    }

    fn fields(&self, fields: &[(Box<str>, Expr)], origin: &Origin) -> Fields {
        let field = |(name, expr): &(Box<str>, Expr)| (name.clone(), self.value(expr, origin));
        fields.iter().map(field).collect()
    }

    /// What is asked of the attempt and what of the request; the latter in a
    /// list of its own where there are several matchers.
    fn when(&self, filter: &LogFilter, origin: &Origin) -> Option<Out> {
        let mut map = Map::default();
        map.put_list("status", filter.statuses.iter().map(Out::word).collect());
        let decisions = filter.decisions.iter();
        let words = decisions.map(|decision| Out::word(decision.as_str()));
        map.put_list("decision", words.collect());
        if let Some(expr) = &filter.expr {
            map.put_some("record", self.condition(expr, origin));
        }
        if !filter.when.is_empty() && !filter.when.iter().any(can_hold) {
            self.unsayable(origin, "a log that tells nothing");
        }
        let lawful: Vec<_> = filter.when.iter().filter(|m| can_hold(m)).collect();
        match lawful.as_slice() {
            [only] => map.extend(self.spoken(only, origin)),
            [] => {}
            several => {
                let all = several.iter().map(|m| Out::Map(self.spoken(m, origin)));
                let all = Out::List(all.collect());
                if map.is_empty() {
                    return Some(all);
                }
                map.put("request", all);
            }
        }
        (!map.is_empty()).then_some(Out::Map(map))
    }
}

impl<'l> Formats<'l> {
    /// The name of a layout, if possible this one.
    fn put(&mut self, wanted: &str, format: Format<'l>) -> Out {
        if let Some((name, _)) = self.0.iter().find(|(_, known)| *known == format) {
            return Out::text(name.clone());
        }
        let numbered = (2..).map(|number: u32| format!("{wanted}-{number}"));
        let taken = |name: &String| {
            name.is_empty()
                || BUILT_IN.contains(&name.as_str())
                || self.0.iter().any(|(known, _)| known == name)
        };
        let mut all = std::iter::once(wanted.to_owned()).chain(numbered);
        let name = all.find(|name| !taken(name)).unwrap_or_default();
        self.0.push((name.clone(), format));
        Out::text(name)
    }

    fn written(self) -> Map {
        let mut map = Map::default();
        for (name, format) in self.0 {
            map.put(&name, Out::Map(format.written(&name)));
        }
        map
    }
}

impl Format<'_> {
    fn written(self, name: &str) -> Map {
        let texts = |fields: Fields| {
            let mut texts = Map::default();
            for (key, text) in fields {
                texts.put(&key, Out::Text(text));
            }
            texts
        };
        let mut map = Map::default();
        match self {
            Self::Mixer { instance, fields } => {
                map.put("layout", Out::word("mixer"));
                if name != instance {
                    map.put("instance", Out::text(instance));
                }
                map.put_map("fields", texts(fields));
            }
            Self::Text(text) => {
                map.put("layout", Out::word("text"));
                map.put("text", Out::text(text));
            }
            Self::Labels(labels) => {
                map.put("layout", Out::word("labels"));
                map.put_map("labels", texts(labels));
            }
        }
        map
    }
}

/// Whether a log is the one there is without a word.
fn is_usual(log: &Log) -> bool {
    let usual = every_attempt();
    let LogFilter {
        when,
        unless,
        statuses,
        decisions,
        expr,
    } = &log.filter;
    let asks = !when.is_empty()
        || !unless.is_empty()
        || !statuses.is_empty()
        || !decisions.is_empty()
        || expr.is_some();
    !asks
        && matches!(log.layout, Layout::Json)
        && log.name == usual.name
        && log.open_tunnels == usual.open_tunnels
        && (log.level, &log.sink, log.overflow) == (usual.level, &usual.sink, usual.overflow)
}
