//! Reads a map key by key, and refuses what nobody asked for.
//!
//! A key that no code takes is unknown: what an operator writes either has its
//! effect or is an error, never silence.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use policy::origin::Origin;

use crate::node::{Entry, Node, Value};
use crate::quantity;
use crate::report::Report;
use crate::spelling::{listed, nearest};

/// How keys and values of a map are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// The native format: one spelling each.
    Native,
    /// Protocol buffers in YAML, as Istio's kinds are written: keys in
    /// `camelCase` or `snake_case`, `null` as good as absent.
    Proto,
}

/// A map being read.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    dialect: Dialect,
    origin: &'a Origin,
    entries: &'a [Entry],
    /// Every key this kind of map has: those asked for.
    asked: RefCell<Vec<&'static str>>,
    pub(crate) report: &'a Report,
}

impl<'a> Fields<'a> {
    /// Reads `node` as a map by `read`, which must ask for every key there is,
    /// and reports the keys it did not ask for.
    pub(crate) fn read<T>(
        node: &'a Node,
        report: &'a Report,
        read: impl FnOnce(&Self) -> T,
    ) -> Option<T> {
        Self::read_in(Dialect::Native, node, report, read)
    }

    /// As [`Fields::read`], in the spellings of protocol buffers. Keys are asked
    /// for in `camelCase`.
    pub(crate) fn read_proto<T>(
        node: &'a Node,
        report: &'a Report,
        read: impl FnOnce(&Self) -> T,
    ) -> Option<T> {
        Self::read_in(Dialect::Proto, node, report, read)
    }

    /// As [`Fields::read_proto`], of a map that narrows something key by key: a
    /// key without a value is an error there. Kubernetes drops such a key, and
    /// with it what it was to exclude.
    pub(crate) fn read_restriction<T>(
        node: &'a Node,
        report: &'a Report,
        read: impl FnOnce(&Self) -> T,
    ) -> Option<T> {
        Self::read_proto(node, report, |fields| {
            fields.refuse_null_entries(|_| true);
            read(fields)
        })
    }

    /// Refuses `null` behind these keys, of a map whose others do well without a
    /// value: see [`Fields::read_restriction`].
    pub(crate) fn refuse_null(&self, keys: &[&'static str]) {
        self.refuse_null_entries(|entry| keys.iter().any(|key| self.is(entry, key)));
    }

    fn refuse_null_entries(&self, concerns: impl Fn(&Entry) -> bool) {
        let nothing = |entry: &&Entry| matches!(entry.node.value, Value::Nothing);
        for entry in self.entries.iter().filter(nothing).filter(|e| concerns(e)) {
            self.report.error(&entry.origin, no_value(&entry.key));
        }
    }

    fn read_in<T>(
        dialect: Dialect,
        node: &'a Node,
        report: &'a Report,
        read: impl FnOnce(&Self) -> T,
    ) -> Option<T> {
        let Value::Map(entries) = &node.value else {
            let kind = node.kind();
            report.error(
                &node.origin,
                format!("found {kind} where a map `key: value` belongs"),
            );
            return None;
        };
        let fields = Self {
            dialect,
            origin: &node.origin,
            entries,
            asked: RefCell::default(),
            report,
        };
        let value = read(&fields);
        fields.refuse_unknown();
        Some(value)
    }

    fn refuse_unknown(&self) {
        let asked = self.asked.borrow();
        let unknown = self
            .entries
            .iter()
            .filter(|entry| !asked.iter().any(|key| self.is(entry, key)));
        for Entry { key, origin, .. } in unknown {
            self.report.error(
                origin,
                match nearest(key, asked.iter().copied()) {
                    Some(meant) => format!("unknown field `{key}`: did you mean `{meant}`?"),
                    None => format!(
                        "unknown field `{key}`: write {}",
                        listed(asked.iter().copied())
                    ),
                },
            );
        }
    }

    /// Where the map begins.
    pub(crate) fn origin(&self) -> &'a Origin {
        self.origin
    }

    /// The entry of a key, key and all.
    pub(crate) fn entry(&self, key: &'static str) -> Option<&'a Entry> {
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(&key) {
            asked.push(key);
        }
        let mut written = self.entries.iter().filter(|entry| self.is(entry, key));
        let entry = written.next()?;
        if let Some(again) = written.next() {
            let (one, other) = (&entry.key, &again.key);
            let message = format!("`{one}` and `{other}` are one field: delete one of them");
            self.report.error(&again.origin, message);
        }
        if matches!(entry.node.value, Value::Nothing) {
            if self.dialect == Dialect::Proto {
                return None;
            }
            self.report.error(&entry.origin, no_value(key));
            return None;
        }
        Some(entry)
    }

    /// The value of a key. `key:` with nothing behind it is an error: it looks
    /// like a restriction and would be none.
    pub(crate) fn take(&self, key: &'static str) -> Option<&'a Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// Whether nothing is written in the map.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a key is there.
    pub(crate) fn has(&self, key: &str) -> bool {
        let nothing = |entry: &Entry| matches!(entry.node.value, Value::Nothing);
        let written = self.entries.iter().find(|entry| self.is(entry, key));
        written.is_some_and(|entry| self.dialect == Dialect::Native || !nothing(entry))
    }

    /// Whether an entry is that of a key.
    fn is(&self, entry: &Entry, key: &str) -> bool {
        *entry.key == *key || (self.dialect == Dialect::Proto && is_snake_case(&entry.key, key))
    }

    /// The value of a key that must be there; `example` shows how to write it.
    pub(crate) fn need(&self, key: &'static str, example: &str) -> Option<&'a Node> {
        if !self.has(key) {
            let message = format!("`{key}` is missing: write such as `{key}: {example}`");
            self.report.error(self.origin, message);
        }
        self.take(key)
    }

    /// Refuses a key whose time has not come.
    pub(crate) fn not_yet(&self, key: &'static str, instead: &str) {
        if let Some(entry) = self.entry(key) {
            let message = format!("not supported yet: `{key}`: {instead}");
            self.report.error(&entry.origin, message);
        }
    }

    /// A text.
    pub(crate) fn text(&self, key: &'static str) -> Option<&'a str> {
        text(self.take(key)?, self.report)
    }

    /// What `parse` makes of a text.
    pub(crate) fn parsed<T, E: Display>(
        &self,
        key: &'static str,
        parse: impl Fn(&'a str) -> Result<T, E>,
    ) -> Option<T> {
        parsed(self.take(key)?, self.report, parse)
    }

    /// A whole number within a range.
    pub(crate) fn number<T>(&self, key: &'static str, range: RangeInclusive<T>) -> Option<T>
    where
        T: FromStr + PartialOrd + Display,
    {
        number(self.take(key)?, self.report, range)
    }

    /// `true` or `false`.
    pub(crate) fn truth(&self, key: &'static str) -> Option<bool> {
        match self.dialect {
            Dialect::Native => self.choice(key, &[("true", true), ("false", false)]),
            // kubectl read YAML 1.1 when these kinds were young.
            Dialect::Proto => self.parsed(key, |text| match &*text.to_ascii_lowercase() {
                "true" | "yes" | "on" => Ok(true),
                "false" | "no" | "off" => Ok(false),
                _ => Err(format!("unknown word `{text}`: write `true` or `false`")),
            }),
        }
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        choice(self.take(key)?, self.report, words)
    }

    /// A duration longer than nothing.
    pub(crate) fn duration(&self, key: &'static str) -> Option<Duration> {
        self.parsed(key, positive_duration)
    }

    /// A size in bytes.
    pub(crate) fn size(&self, key: &'static str) -> Option<u64> {
        self.parsed(key, quantity::size)
    }

    /// The entries of a list, or one value for a list of one. An empty list is
    /// an error: it reads as "none" and would mean "all".
    pub(crate) fn many(&self, key: &'static str) -> &'a [Node] {
        let Some(entry) = self.entry(key) else {
            return &[];
        };
        let nodes = entry.node.one_or_many();
        if self.dialect == Dialect::Proto && !matches!(entry.node.value, Value::List(_)) {
            let kind = entry.node.kind();
            let message = format!("found {kind} where a list belongs: write `- ` before it");
            self.report.error(&entry.node.origin, message);
            return &[];
        }
        if nodes.is_empty() {
            let message = format!("`{key}` is an empty list: write an entry, or delete the key");
            self.report.error(&entry.origin, message);
        }
        nodes
    }
}

fn no_value(key: &str) -> String {
    format!("`{key}` has no value: write one, or delete the key")
}

/// Whether `written` is the `snake_case` of a key in `camelCase`.
fn is_snake_case(written: &str, key: &str) -> bool {
    let mut letters = written.chars();
    key.chars().all(|letter| match letter.is_ascii_uppercase() {
        false => letters.next() == Some(letter),
        true => letters.next() == Some('_') && letters.next() == Some(letter.to_ascii_lowercase()),
    }) && letters.next().is_none()
}

/// A duration longer than nothing.
pub(crate) fn positive_duration(text: &str) -> Result<Duration, String> {
    match quantity::duration(text)? {
        Duration::ZERO => Err(format!("`{text}` is no time at all: write such as `5s`")),
        duration => Ok(duration),
    }
}

/// The text of a scalar.
pub(crate) fn text<'a>(node: &'a Node, report: &Report) -> Option<&'a str> {
    match &node.value {
        Value::Scalar(scalar) => Some(&scalar.text),
        Value::Nothing | Value::List(_) | Value::Map(_) => {
            let kind = node.kind();
            report.error(
                &node.origin,
                format!("found {kind} where a single value belongs"),
            );
            None
        }
    }
}

/// What `parse` makes of the text of a scalar.
pub(crate) fn parsed<'a, T, E: Display>(
    node: &'a Node,
    report: &Report,
    parse: impl Fn(&'a str) -> Result<T, E>,
) -> Option<T> {
    match parse(text(node, report)?) {
        Ok(value) => Some(value),
        Err(error) => {
            report.error(&node.origin, error.to_string());
            None
        }
    }
}

/// A whole number within a range.
pub(crate) fn number<T>(node: &Node, report: &Report, range: RangeInclusive<T>) -> Option<T>
where
    T: FromStr + PartialOrd + Display,
{
    parsed(node, report, |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        // `+1` and `007` parse, but are not what anybody means to write.
        let plain = text.bytes().all(|b| b.is_ascii_digit());
        number
            .filter(|_| plain && (text.len() == 1 || !text.starts_with('0')))
            .ok_or_else(|| {
                let (least, most) = (range.start(), range.end());
                format!("`{text}` is no number from {least} to {most}: write one")
            })
    })
}

/// One of a few words.
pub(crate) fn choice<T: Copy>(node: &Node, report: &Report, words: &[(&str, T)]) -> Option<T> {
    parsed(node, report, |text| {
        let known = words.iter().find(|(word, _)| *word == text);
        known.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let known = listed(words.iter().map(|(word, _)| *word));
            format!("unknown word `{text}`: write {known}")
        })
    })
}
