//! The parser's events made into a tree, within bounds.

use std::collections::HashMap;

use policy::origin::Origin;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};

use crate::node::{Entry, Node, Scalar, Value};
use crate::report::Report;

/// How deep values may nest.
const MAX_DEPTH: u32 = 64;
/// Values of one document, those that aliases repeat included: an alias of an
/// alias of an alias grows without bound ("billion laughs").
const MAX_VALUES: usize = 1_000_000;

/// Beyond it a place within a scalar is told as that of the scalar.
const MAX_COLUMN: usize = 1000;

/// Parsing cannot go on; why has been reported.
struct Stop;

/// Parses one document whose text begins at `start`.
pub(super) fn parse(text: &str, start: &Origin, report: &Report) -> Option<Node> {
    let mut builder = Builder {
        lines: text.lines().collect(),
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        values: 0,
        start,
        report,
    };
    builder.document().ok()
}

struct Builder<'a> {
    lines: Vec<&'a str>,
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    values: usize,
    start: &'a Origin,
    report: &'a Report,
}

impl<'a> Builder<'a> {
    fn document(&mut self) -> Result<Node, Stop> {
        loop {
            let (event, span) = self.next()?;
            let origin = self.origin(span.start);
            match event {
                Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
                Event::StreamEnd | Event::DocumentEnd => return Ok(nothing(origin)),
                event => {
                    let root = self.node(event, span, 0)?;
                    self.end()?;
                    return Ok(root);
                }
            }
        }
    }

    /// What stands behind the value must be the end, or it would be ignored.
    fn end(&mut self) -> Result<(), Stop> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentEnd | Event::Nothing, _) => {}
                (_, span) => {
                    let origin = self.origin(span.start);
                    return self.stop(
                        &origin,
                        "a second document begins here: write `---` above it",
                    );
                }
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => self.syntax_error(&error),
            None => self.stop(self.start, "the document breaks off"),
        }
    }

    fn origin(&self, mark: Marker) -> Origin {
        let above = self.start.line.saturating_sub(1);
        Origin {
            file: self.start.file.clone(),
            line: number(mark.line()).max(1).saturating_add(above),
            column: number(mark.col()).saturating_add(1),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: u32) -> Result<Node, Stop> {
        let origin = self.origin(span.start);
        self.count(1, &origin)?;
        if depth > MAX_DEPTH {
            return self.too_deep(&origin);
        }
        let (value, anchor, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (self.scalar(&text, style, span.start), anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => (self.list(depth)?, anchor, tag),
            Event::MappingStart(anchor, tag) => (self.map(depth)?, anchor, tag),
            Event::Alias(anchor) => return self.alias(anchor, &origin),
            _ => return self.stop(&origin, "a value belongs here"),
        };
        if let Some(tag) = tag {
            let tag = tag.suffix.trim_start_matches('!');
            self.report.error(
                &origin,
                format!("the tag `!{tag}` means nothing here: delete it"),
            );
        }
        let node = Node { origin, value };
        if anchor != 0 {
            self.count(size(&node), &node.origin)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    /// Only an unquoted scalar can say that there is nothing (YAML 1.2.2, 10.3.2).
    fn scalar(&self, text: &str, style: ScalarStyle, start: Marker) -> Value {
        let quote = match style {
            ScalarStyle::Plain if matches!(text, "" | "~" | "null" | "Null" | "NULL") => {
                return Value::Nothing;
            }
            ScalarStyle::SingleQuoted => "'",
            ScalarStyle::DoubleQuoted => "\"",
            ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => "",
        };
        let column = start.col().saturating_add(quote.len());
        let behind = self.behind(start).and_then(|line| line.strip_prefix(quote));
        let verbatim = behind.is_some_and(|behind| behind.starts_with(text));
        Value::Scalar(Scalar {
            text: text.into(),
            verbatim: verbatim.then(|| number(column).saturating_add(1)),
        })
    }

    /// What a line holds from a place on, unless the place is far to the right:
    /// finding it is no constant cost.
    fn behind(&self, mark: Marker) -> Option<&'a str> {
        let line = self.lines.get(mark.line().checked_sub(1)?)?;
        let (begin, _) = line.char_indices().take(MAX_COLUMN).nth(mark.col())?;
        line.get(begin..)
    }

    fn list(&mut self, depth: u32) -> Result<Value, Stop> {
        let mut nodes = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => {
                    nodes.shrink_to_fit();
                    return Ok(Value::List(nodes));
                }
                (event, span) => nodes.push(self.node(event, span, depth.saturating_add(1))?),
            }
        }
    }

    fn map(&mut self, depth: u32) -> Result<Value, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut known = Known::default();
        loop {
            let (key, origin) = match self.next()? {
                (Event::MappingEnd, _) => {
                    entries.shrink_to_fit();
                    return Ok(Value::Map(entries));
                }
                (event, span) => (self.key(event, span, depth)?, self.origin(span.start)),
            };
            let (event, span) = self.next()?;
            let mut node = self.node(event, span, depth.saturating_add(1))?;
            if matches!(node.value, Value::Nothing) {
                // An omitted value has no place of its own.
                node.origin = origin.clone();
            }
            let Some(key) = key else { continue };
            match known.line(&key, &entries) {
                None => entries.push(Entry { key, origin, node }),
                Some(first) => self.report.error(
                    &origin,
                    format!("`{key}` is given twice: it also stands in line {first}"),
                ),
            }
        }
    }

    /// A key, or nothing when it is not one word, which is reported.
    fn key(&mut self, event: Event<'a>, span: Span, depth: u32) -> Result<Option<Box<str>>, Stop> {
        let node = self.node(event, span, depth.saturating_add(1))?;
        match node.value {
            Value::Scalar(key) => Ok(Some(key.text)),
            Value::Nothing => {
                self.report
                    .error(&node.origin, "a key is missing before the `:`");
                Ok(None)
            }
            Value::List(_) | Value::Map(_) => {
                let message = "a key is one word: quote text that begins with `[`, `{` or `*`";
                self.report.error(&node.origin, message);
                Ok(None)
            }
        }
    }

    fn alias(&mut self, anchor: usize, origin: &Origin) -> Result<Node, Stop> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return self.stop(origin, "this alias stands within what it stands for");
        };
        self.count(size(&node), origin)?;
        Ok(node)
    }

    fn count(&mut self, values: usize, origin: &Origin) -> Result<(), Stop> {
        self.values = self.values.saturating_add(values);
        if self.values > MAX_VALUES {
            let message =
                format!("the document has more than {MAX_VALUES} values, aliases counted");
            return self.stop(origin, &message);
        }
        Ok(())
    }

    fn stop<T>(&self, origin: &Origin, message: &str) -> Result<T, Stop> {
        self.report.error(origin, message);
        Err(Stop)
    }

    fn syntax_error<T>(&self, error: &ScanError) -> Result<T, Stop> {
        let origin = self.within(self.origin(*error.marker()));
        let why = error.info();
        if why.contains("recursion limit") {
            return self.too_deep(&origin);
        }
        self.stop(
            &origin,
            &format!("this is not YAML ({why}): {}", advice(why)),
        )
    }

    /// Where something is still expected behind the end, the place is the end.
    fn within(&self, origin: Origin) -> Origin {
        let lines = (self.start.line..).zip(&self.lines);
        let Some((line, text)) = lines.last().filter(|(last, _)| *last < origin.line) else {
            return origin;
        };
        let column = number(text.chars().count()).saturating_add(1);
        Origin {
            line,
            column,
            ..origin
        }
    }

    fn too_deep<T>(&self, origin: &Origin) -> Result<T, Stop> {
        self.stop(
            origin,
            &format!("values nest deeper than {MAX_DEPTH}: write them flatter"),
        )
    }
}

/// What to do about the mistakes people make.
fn advice(why: &str) -> &'static str {
    match why {
        _ if why.contains("tab") => "indent with spaces",
        _ if why.contains("anchor") => "quote a text that begins with `*` or `&`",
        _ if why.contains("mapping values") => {
            "quote a text that holds `: `, or mend the indentation"
        }
        _ if why.contains("escape") => "use single quotes for a text with backslashes",
        _ if why.contains("quoted scalar") => "close the quotes",
        _ if why.contains("flow") || why.contains("bracket") => {
            "close the bracket, or quote the text"
        }
        _ if why.contains("unexpected character") => "quote the text",
        _ => "mend the indentation, or quote the text",
    }
}

fn nothing(origin: Origin) -> Node {
    Node {
        origin,
        value: Value::Nothing,
    }
}

/// The keys of a map while it is read. Most maps have few, which are gone
/// through; a table of the others keeps a map of a million from taking an hour.
#[derive(Default)]
struct Known(HashMap<Box<str>, u32>);

impl Known {
    const FEW: usize = 16;

    /// The line where `key` stands among `entries` already.
    fn line(&mut self, key: &str, entries: &[Entry]) -> Option<u32> {
        let tabled = self.0.len();
        if entries.len().saturating_sub(tabled) > Self::FEW {
            let rest = entries.iter().skip(tabled);
            self.0
                .extend(rest.map(|entry| (entry.key.clone(), entry.origin.line)));
        }
        let rest = entries.iter().skip(self.0.len());
        let mut same = rest.filter(|entry| *entry.key == *key);
        let found = same.next().map(|entry| entry.origin.line);
        found.or_else(|| self.0.get(key).copied())
    }
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn size(node: &Node) -> usize {
    let within: usize = match &node.value {
        Value::Nothing | Value::Scalar(_) => 0,
        Value::List(nodes) => nodes.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|entry| size(&entry.node)).sum(),
    };
    within.saturating_add(1)
}
