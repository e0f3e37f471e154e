//! Reads a pattern as RE2 reads it and writes the same language in the syntax
//! of `regex-syntax`, piece by piece, remembering where each piece came from.
//!
//! A pattern is read alone, before anything is put around it: `a)|(b` is
//! refused here, although it would be valid, and unanchored, inside `(?:…)`.

use super::class;
use super::cursor::Cursor;
use super::escape::{self, Escape};
use super::group::{self, Opening};
use crate::pattern::PatternError;

/// RE2's own limit on `{n,m}`.
const MAX_COUNT: u32 = 1000;

/// A translated pattern.
#[derive(Debug, Default)]
pub(super) struct Translation {
    pub(super) text: String,
    /// Where pieces begin: (translated, as written), ascending.
    marks: Vec<(usize, usize)>,
}

impl Translation {
    /// The offset in the pattern as written of the piece that holds an offset
    /// of the translation.
    pub(super) fn origin(&self, offset: usize) -> usize {
        let after = self.marks.partition_point(|&(out, _)| out <= offset);
        let mark = after.checked_sub(1).and_then(|ix| self.marks.get(ix));
        mark.map_or(0, |&(_, written)| written)
    }
}

/// Writes a character that stands for itself, inside brackets or outside.
pub(super) fn push_char(out: &mut String, c: char) {
    if regex_syntax::is_meta_character(c) {
        out.push('\\');
    }
    out.push(c);
}

/// What stands before a repetition operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    Item,
    Repetition,
}

struct Scanner<'a> {
    cursor: Cursor<'a>,
    out: Translation,
    /// Where the groups now open began.
    open: Vec<usize>,
    before: Before,
}

/// Translates a pattern.
pub(super) fn translate(pattern: &str) -> Result<Translation, PatternError> {
    let mut scanner = Scanner {
        cursor: Cursor::new(pattern),
        out: Translation::default(),
        open: Vec::new(),
        before: Before::Nothing,
    };
    while let Some(c) = scanner.cursor.peek() {
        scanner.piece(c)?;
    }
    match scanner.open.last() {
        Some(&start) => Err(PatternError::at(
            start,
            r"`(` is never closed; write `\(` for the character",
        )),
        None => Ok(scanner.out),
    }
}

impl Scanner<'_> {
    fn piece(&mut self, c: char) -> Result<(), PatternError> {
        let start = self.cursor.at();
        self.out.marks.push((self.out.text.len(), start));
        self.cursor.bump();
        match c {
            '\\' => self.escape(start),
            '[' => {
                self.before = Before::Item;
                class::translate(&mut self.cursor, start, &mut self.out.text)
            }
            '(' => self.open(start),
            ')' => self.close(start),
            '|' => {
                self.out.text.push('|');
                self.before = Before::Nothing;
                Ok(())
            }
            '*' | '+' | '?' => self.repetition(start),
            '{' => self.braces(start),
            '^' | '$' | '.' => {
                self.verbatim(c);
                Ok(())
            }
            _ => {
                self.literal(c);
                Ok(())
            }
        }
    }

    fn literal(&mut self, c: char) {
        push_char(&mut self.out.text, c);
        self.before = Before::Item;
    }

    fn verbatim(&mut self, c: char) {
        self.out.text.push(c);
        self.before = Before::Item;
    }

    fn escape(&mut self, start: usize) -> Result<(), PatternError> {
        match escape::read(&mut self.cursor, start)? {
            Escape::Char(c) => self.literal(c),
            Escape::Set(set) => self.item(&set),
            Escape::Assertion(assertion) => self.item(assertion),
            Escape::Quote => self.quote(),
        }
        Ok(())
    }

    fn item(&mut self, text: &str) {
        self.out.text.push_str(text);
        self.before = Before::Item;
    }

    /// Everything up to `\E`, or to the end, stands for itself.
    fn quote(&mut self) {
        while !self.cursor.eat(r"\E") {
            let Some(c) = self.cursor.bump() else { break };
            self.literal(c);
        }
    }

    fn open(&mut self, start: usize) -> Result<(), PatternError> {
        match group::read(&mut self.cursor, start)? {
            Opening::Group(text) => {
                self.out.text.push_str(&text);
                self.open.push(start);
            }
            Opening::Flags(text) => self.out.text.push_str(&text),
        }
        self.before = Before::Nothing;
        Ok(())
    }

    fn close(&mut self, start: usize) -> Result<(), PatternError> {
        if self.open.pop().is_none() {
            return Err(PatternError::at(
                start,
                r"`)` closes no group; write `\)` for the character",
            ));
        }
        self.out.text.push(')');
        self.before = Before::Item;
        Ok(())
    }

    /// `{n}`, `{n,}`, `{n,m}` repeat; any other brace is a character in RE2.
    fn braces(&mut self, start: usize) -> Result<(), PatternError> {
        let Some((length, least, most)) = counts(self.cursor.rest()) else {
            self.literal('{');
            return Ok(());
        };
        self.cursor.while_some(length, |_| true);
        let valid = |count: &str| count.parse().is_ok_and(|n: u32| n <= MAX_COUNT);
        let ordered = most.is_none_or(|most| number(least) <= number(most));
        if !valid(least) || !most.is_none_or(valid) || !ordered {
            return Err(PatternError::at(
                start,
                format!(
                    "`{}` is not a repetition; counts ascend and end at {MAX_COUNT}",
                    self.cursor.since(start)
                ),
            ));
        }
        self.repetition(start)
    }

    /// A repetition operator, read from `start` on, and its `?`.
    fn repetition(&mut self, start: usize) -> Result<(), PatternError> {
        let operator = self.cursor.since(start);
        match self.before {
            Before::Nothing => {
                return Err(PatternError::at(
                    start,
                    format!("`{operator}` has nothing to repeat; to match anything write `.*`"),
                ));
            }
            Before::Repetition => {
                return Err(PatternError::at(
                    start,
                    format!(
                        "`{operator}` repeats a repetition; RE2 has no possessive or double operators, write a group `(?:…)`"
                    ),
                ));
            }
            Before::Item => {}
        }
        self.out.text.push_str(operator);
        if self.cursor.eat("?") {
            self.out.text.push('?');
        }
        self.before = Before::Repetition;
        Ok(())
    }
}

fn number(digits: &str) -> Option<u32> {
    digits.parse().ok()
}

/// Reads `n}`, `n,}` or `n,m}`: its length, `n`, and `m` if bounded.
fn counts(rest: &str) -> Option<(usize, &str, Option<&str>)> {
    let (body, _) = rest.split_once('}')?;
    let (least, most) = match body.split_once(',') {
        None => (body, Some(body)),
        Some((least, "")) => (least, None),
        Some((least, most)) => (least, Some(most)),
    };
    let both = is_count(least) && most.is_none_or(is_count);
    both.then_some((body.len() + 1, least, most))
}

/// RE2 reads no leading zeros.
fn is_count(text: &str) -> bool {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits && (text == "0" || !text.starts_with('0'))
}
