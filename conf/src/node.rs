//! What a document says, before it means anything: a tree in which every value
//! knows its place. Knows no YAML and no configuration.

use policy::origin::Origin;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Its first character.
    pub(crate) origin: Origin,
    /// What it is.
    pub(crate) value: Value,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Nothing was written, or `null`, or `~`.
    Nothing,
    /// Text, number or truth: which of them, the reader decides.
    Scalar(Scalar),
    /// `[a, b]`.
    List(Vec<Node>),
    /// `{a: b}`; no key stands in it twice.
    Map(Vec<Entry>),
}

/// A single value.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    /// What is meant: without quotes, escapes resolved.
    pub(crate) text: Box<str>,
    /// The column where the text begins, when it stands in the file letter for
    /// letter.
    pub(crate) verbatim: Option<u32>,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The key.
    pub(crate) key: Box<str>,
    /// Where the key stands.
    pub(crate) origin: Origin,
    /// What stands behind it.
    pub(crate) node: Node,
}

impl Node {
    /// What kind of value it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Nothing => "nothing",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// The place of a character of a scalar, counted from 0, or else the scalar's.
    pub(crate) fn place_of(&self, character: usize) -> Origin {
        let column = match &self.value {
            Value::Scalar(scalar) => scalar.verbatim,
            Value::Nothing | Value::List(_) | Value::Map(_) => None,
        };
        let shift = u32::try_from(character).unwrap_or(u32::MAX);
        Origin {
            column: column.map_or(self.origin.column, |column| column.saturating_add(shift)),
            ..self.origin.clone()
        }
    }

    /// The text of a single value.
    pub(crate) fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            Value::Nothing | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The value of a key, if this is a map that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|e| &*e.key == key).map(|e| &e.node),
            Value::Nothing | Value::Scalar(_) | Value::List(_) => None,
        }
    }

    /// The entries of a list, or the value itself: most keys take one or many.
    pub(crate) fn one_or_many(&self) -> &[Node] {
        match &self.value {
            Value::List(nodes) => nodes,
            Value::Nothing | Value::Scalar(_) | Value::Map(_) => std::slice::from_ref(self),
        }
    }
}
