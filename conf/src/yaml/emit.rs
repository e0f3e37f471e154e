//! A tree into text, as a person would write it: in blocks, lists of words on
//! one line, quotes only where YAML or its readers need them.
//!
//! What is written reads as the same tree, whatever the texts hold: a property
//! test holds it against the parser.

use std::fmt::Write as _;

/// Wider lines are broken up where they can be.
const WIDTH: usize = 100;

/// Something to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Out {
    /// A word of ours, a number, a pattern: what some other reader takes it
    /// for makes no difference.
    Word(String),
    /// A text, which every reader must take for one.
    Text(String),
    /// A list.
    List(Vec<Out>),
    /// A map.
    Map(Map),
}

/// A map to write, in the order of its making.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Map {
    remark: Option<String>,
    inline: bool,
    pairs: Vec<(String, Out)>,
}

impl Out {
    /// A word or number.
    pub(crate) fn word(word: impl ToString) -> Self {
        Self::Word(word.to_string())
    }

    /// A text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// `{ key: value }` on one line, if there is room.
    pub(crate) fn one(key: &str, value: Out) -> Self {
        Self::Map(Map {
            remark: None,
            inline: true,
            pairs: vec![(key.to_owned(), value)],
        })
    }

    /// The only entry alone, several as a list; nothing for none.
    pub(crate) fn some_of(mut entries: Vec<Out>) -> Option<Self> {
        match entries.len() {
            0 => None,
            1 => entries.pop(),
            _ => Some(Self::List(entries)),
        }
    }

    /// On one line, if it may stand there.
    fn flow(&self) -> Option<String> {
        match self {
            Self::Word(text) => Some(quoted(text, Where::Flow, false)),
            Self::Text(text) => Some(quoted(text, Where::Flow, true)),
            Self::List(entries) => {
                let entries: Option<Vec<_>> = entries.iter().map(Self::flow).collect();
                Some(format!("[{}]", entries?.join(", ")))
            }
            Self::Map(map) if map.inline => {
                let pair = |(key, value): &(String, Out)| {
                    Some(format!(
                        "{}: {}",
                        quoted(key, Where::Flow, false),
                        value.flow()?
                    ))
                };
                let pairs: Option<Vec<_>> = map.pairs.iter().map(pair).collect();
                Some(format!("{{ {} }}", pairs?.join(", ")))
            }
            Self::Map(_) => None,
        }
    }
}

impl Map {
    /// With a remark above it, where it stands in a list.
    pub(crate) fn remarked(remark: Option<String>) -> Self {
        Self {
            remark,
            ..Self::default()
        }
    }

    /// On one line, if there is room.
    pub(crate) fn inline() -> Self {
        Self {
            inline: true,
            ..Self::default()
        }
    }

    /// Whether a key is there.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.pairs.iter().any(|(known, _)| known == key)
    }

    /// `key: [{ word: a }, { word: b }]` becomes `word: [a, b]`, for words that
    /// may stand in the key's place.
    pub(crate) fn shorten(&mut self, key: &str, words: &[&str]) {
        let Some(pair) = self.pairs.iter_mut().find(|(known, _)| known == key) else {
            return;
        };
        let entries = match &pair.1 {
            Out::List(entries) => entries.as_slice(),
            only => std::slice::from_ref(only),
        };
        for word in words {
            let within = entries.iter().map(|entry| match entry {
                Out::Map(Map { pairs, .. }) => match pairs.as_slice() {
                    [(known, value)] if known == word => Some(value.clone()),
                    _ => None,
                },
                Out::Word(_) | Out::Text(_) | Out::List(_) => None,
            });
            if let Some(value) = within.collect::<Option<_>>().and_then(Out::some_of) {
                *pair = ((*word).to_owned(), value);
                return;
            }
        }
    }

    /// Adds a value.
    pub(crate) fn put(&mut self, key: &str, value: Out) {
        self.pairs.push((key.to_owned(), value));
    }

    /// Adds a value, if there is one.
    pub(crate) fn put_some(&mut self, key: &str, value: Option<Out>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// Adds a map that says something.
    pub(crate) fn put_map(&mut self, key: &str, map: Map) {
        if !map.is_empty() {
            self.put(key, Out::Map(map));
        }
    }

    /// Adds entries, a single one without brackets.
    pub(crate) fn put_list(&mut self, key: &str, entries: Vec<Out>) {
        self.put_some(key, Out::some_of(entries));
    }

    /// Adds entries as a list, if there are any.
    pub(crate) fn put_all(&mut self, key: &str, entries: impl IntoIterator<Item = Out>) {
        let entries: Vec<Out> = entries.into_iter().collect();
        if !entries.is_empty() {
            self.put(key, Out::List(entries));
        }
    }

    /// Adds the pairs of another map.
    pub(crate) fn extend(&mut self, other: Map) {
        self.pairs.extend(other.pairs);
    }

    /// Whether it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

/// The text of a document, its sections apart.
pub(crate) fn document(root: &Map) -> String {
    let mut out = String::new();
    for (number, pair) in root.pairs.iter().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        write_pair(&mut out, pair, 0);
    }
    out
}

fn write_pair(out: &mut String, (key, value): &(String, Out), indent: usize) {
    let key = quoted(key, Where::Block, false);
    out.push_str(&key);
    out.push(':');
    let used = indent + key.chars().count() + 2;
    if let Some(line) = on_the_line(value, used, indent) {
        let _ = writeln!(out, " {line}");
        return;
    }
    match value {
        Out::Map(map) => {
            let _ = write!(out, "\n{:1$}", "", indent + 2);
            write_pairs(out, map, indent + 2);
        }
        Out::List(entries) => {
            out.push('\n');
            write_list(out, entries, indent + 2);
        }
        Out::Word(_) | Out::Text(_) => {}
    }
}

/// Pairs, of which the first goes on where the text ends.
fn write_pairs(out: &mut String, map: &Map, indent: usize) {
    for (number, pair) in map.pairs.iter().enumerate() {
        if number > 0 {
            let _ = write!(out, "{:indent$}", "");
        }
        write_pair(out, pair, indent);
    }
}

fn write_list(out: &mut String, entries: &[Out], indent: usize) {
    for entry in entries {
        if let Out::Map(Map {
            remark: Some(remark),
            ..
        }) = entry
        {
            let _ = writeln!(out, "{:indent$}# {}", "", one_line(remark));
        }
        let _ = write!(out, "{:indent$}- ", "");
        if let Some(line) = on_the_line(entry, indent + 2, indent) {
            let _ = writeln!(out, "{line}");
            continue;
        }
        match entry {
            Out::Map(map) => write_pairs(out, map, indent + 2),
            // A list in a list does not occur; it would still read the same.
            Out::List(_) | Out::Word(_) | Out::Text(_) => {
                let _ = writeln!(out, "{}", entry.flow().unwrap_or_default());
            }
        }
    }
}

/// What stands behind a key or a dash, unless it needs lines of its own.
fn on_the_line(value: &Out, used: usize, indent: usize) -> Option<String> {
    match value {
        Out::Word(text) => Some(quoted(text, Where::Block, false)),
        Out::Text(text) => {
            Some(literal(text, indent + 2).unwrap_or_else(|| quoted(text, Where::Block, true)))
        }
        Out::Map(map) if map.pairs.is_empty() => Some("{}".to_owned()),
        Out::List(entries) if entries.is_empty() => Some("[]".to_owned()),
        Out::List(_) | Out::Map(_) => {
            let line = value.flow()?;
            // An entry that is long of itself gains nothing from a new line.
            let alone = matches!(value, Out::Map(_));
            (alone || used + line.chars().count() <= WIDTH).then_some(line)
        }
    }
}

/// A text of several lines, letter for letter under `|`.
fn literal(text: &str, indent: usize) -> Option<String> {
    let (lines, chomp) = match text.strip_suffix('\n') {
        Some(lines) => (lines, ""),
        None => (text, "-"),
    };
    let plain = |line: &str| {
        line.is_empty() || (line.chars().all(is_plain) && !line.trim_matches(' ').is_empty())
    };
    let several = lines.contains('\n');
    let begins = !lines.starts_with([' ', '\n']) && !lines.ends_with('\n');
    if !several || !begins || !lines.split('\n').all(plain) {
        return None;
    }
    let mut block = format!("|{chomp}");
    for line in lines.split('\n') {
        block.push('\n');
        if !line.is_empty() {
            let _ = write!(block, "{:indent$}{line}", "");
        }
    }
    Some(block)
}

/// Whether brackets and commas have a meaning.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    Block,
    Flow,
}

/// The text, in quotes where it needs them.
fn quoted(text: &str, place: Where, is_text: bool) -> String {
    if reads_as_itself(text, place) && !(is_text && is_taken_for_another(text)) {
        return text.to_owned();
    }
    let printable = text.chars().all(is_plain);
    if printable && text.contains(['"', '\\']) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_plain(c) => out.push(c),
            c => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
        }
    }
    out.push('"');
    out
}

/// Whether a character stands for itself and shows itself.
fn is_plain(c: char) -> bool {
    c == ' ' || c.is_ascii_graphic() || (!c.is_ascii() && c.is_alphanumeric())
}

/// Whether a plain scalar is this text (YAML 1.2.2, 7.3.3).
fn reads_as_itself(text: &str, place: Where) -> bool {
    let indicator = [
        '-', '?', ':', ',', '[', ']', '{', '}', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@',
        '`', ' ',
    ];
    let nothing = matches!(text, "" | "~" | "null" | "Null" | "NULL");
    // Readers take a last ` -` of a list in brackets for the beginning of an entry.
    let flow =
        place == Where::Flow && (text.contains([',', '[', ']', '{', '}']) || text.ends_with(" -"));
    let key = text.contains(": ") || text.ends_with([':', ' ']) || text.contains(" #");
    !nothing
        && !flow
        && !key
        && !text.starts_with(indicator)
        && !text.starts_with("...")
        && text.chars().all(is_plain)
}

/// Whether some reader takes the plain scalar for a number or a truth.
fn is_taken_for_another(text: &str) -> bool {
    let words = ["true", "false", "yes", "no", "on", "off", "y", "n"];
    let sexagesimal = |b: u8| b.is_ascii_digit() || b == b':' || b == b'.';
    words.iter().any(|word| word.eq_ignore_ascii_case(text))
        || text.replace('_', "").parse::<f64>().is_ok()
        || ["0x", "0o", "0b", "."]
            .iter()
            .any(|sign| text.starts_with(sign))
        || (text.contains(':') && text.bytes().all(sexagesimal))
        || is_date(text)
}

fn is_date(text: &str) -> bool {
    let year = text.split('-').next().unwrap_or_default();
    year.len() == 4 && year.len() < text.len() && year.bytes().all(|b| b.is_ascii_digit())
}

fn one_line(remark: &str) -> String {
    let shown = |c: char| if is_plain(c) { c } else { ' ' };
    remark.chars().map(shown).collect()
}

#[cfg(test)]
#[path = "emit_tests.rs"]
mod tests;
