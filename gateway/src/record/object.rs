//! One JSON object, written member by member into a line that has an end.
//!
//! Knows JSON and nothing of records. The bound on the whole object holds
//! whatever is written: text is cut when the room is used up.

use std::fmt;
use std::io::Write as _;

use conf::snapshot::{LINE_BYTES, Room};

use super::{escape, scalar};

/// Kept free of text for the names, numbers and addresses of a layout.
const FRAME_BYTES: usize = 2 * 1024;

/// An object under construction. Members' keys come complete, as made by
/// [`key!`](super::object::key) or by [`Object::named`].
#[derive(Debug)]
pub(crate) struct Object<'o> {
    pub(crate) out: &'o mut Vec<u8>,
    room: usize,
    /// How much of the room is kept for members that are still to come.
    kept: usize,
    /// How much of it for each.
    each: usize,
}

/// The key of a member as it stands in the line: `"name":`.
macro_rules! key {
    ($name:literal) => {
        concat!("\"", $name, "\":")
    };
}
pub(crate) use key;

impl<'o> Object<'o> {
    /// Begins an object at the end of `out`.
    pub(crate) fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self {
            out,
            room: LINE_BYTES - FRAME_BYTES,
            kept: 0,
            each: 0,
        }
    }

    /// The same, of members that are [`Object::named`]: as many as `room` was
    /// reckoned for.
    pub(crate) fn divided(out: &'o mut Vec<u8>, room: Room) -> Self {
        Self {
            room: room.texts,
            kept: room.members.saturating_mul(room.each),
            each: room.each,
            ..Self::begin(out)
        }
    }

    /// Ends it.
    pub(crate) fn end(self) {
        if self.out.last() == Some(&b',') {
            self.out.pop();
        }
        self.out.push(b'}');
    }

    /// A text of at most `limit` bytes as escaped, `null` when absent.
    pub(crate) fn text(&mut self, key: &'static str, value: Option<&[u8]>, limit: usize) {
        self.member(key, value, |object, text| object.quoted(text, limit));
    }

    /// A number, `null` when absent.
    pub(crate) fn number(&mut self, key: &'static str, value: Option<u64>) {
        self.member(key, value, |object, number| {
            scalar::decimal(object.out, number)
        });
    }

    /// A member written by `write`, `null` when absent.
    pub(crate) fn member<T>(
        &mut self,
        key: &'static str,
        value: Option<T>,
        write: impl FnOnce(&mut Self, T),
    ) {
        self.out.extend_from_slice(key.as_bytes());
        self.value(value, write);
    }

    /// A text whose room was reckoned with the names.
    pub(crate) fn reckoned(&mut self, key: &'static str, text: &str) {
        self.member(key, Some(text), |object, text| {
            object.between_quotes(|out| escape::json(out, text.as_bytes(), LINE_BYTES));
        });
    }

    /// A member whose name is not known beforehand. It has what was kept for it,
    /// and what is left by those before it: a caller's long text takes nothing
    /// from those behind it.
    pub(crate) fn named<T>(
        &mut self,
        name: &str,
        value: Option<T>,
        write: impl FnOnce(&mut Self, T),
    ) {
        self.kept = self.kept.saturating_sub(self.each);
        self.out.push(b'"');
        escape::json(self.out, name.as_bytes(), LINE_BYTES);
        self.out.extend_from_slice(b"\":");
        self.value(value, write);
    }

    fn value<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => {
                write(self, value);
                self.out.push(b',');
            }
            None => self.out.extend_from_slice(b"null,"),
        }
    }

    /// A string of at most `limit` bytes as escaped.
    pub(crate) fn quoted(&mut self, text: &[u8], limit: usize) {
        self.out.push(b'"');
        self.escaped(text, limit);
        self.out.push(b'"');
    }

    /// A string of what `write` appends, which needs no escaping and is short.
    pub(crate) fn between_quotes(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.out.push(b'"');
        write(self.out);
        self.out.push(b'"');
    }

    /// A number or a literal name.
    pub(crate) fn display(&mut self, value: &dyn fmt::Display) {
        // Writing to memory cannot fail.
        let _ = write!(self.out, "{value}");
    }

    /// The inside of a string, at most `limit` bytes as escaped.
    pub(crate) fn escaped(&mut self, text: &[u8], limit: usize) {
        let before = self.out.len();
        escape::json(
            self.out,
            text,
            limit.min(self.room.saturating_sub(self.kept)),
        );
        self.room -= self.out.len() - before;
    }
}
