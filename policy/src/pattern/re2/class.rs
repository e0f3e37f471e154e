//! Bracket expressions. RE2 reads `&&`, `--`, `~~` and an inner `[` as plain
//! characters where the target syntax reads set operations, so every character
//! is read here and written escaped.

use super::cursor::Cursor;
use super::escape::{self, Escape};
use super::scan::push_char;
use crate::pattern::PatternError;

/// One member of a bracket expression.
enum Member {
    Char(char),
    Set(String),
}

/// Reads a bracket expression whose `[` stood at `start` and writes it to `out`.
pub(super) fn translate(
    cursor: &mut Cursor<'_>,
    start: usize,
    out: &mut String,
) -> Result<(), PatternError> {
    out.push_str(if cursor.eat("^") { "[^" } else { "[" });
    // A `]` that stands first is a member.
    let mut first = true;
    while first || cursor.peek() != Some(']') {
        item(cursor, start, out)?;
        first = false;
    }
    cursor.bump();
    out.push(']');
    Ok(())
}

/// A named set, an escape, a range or a character.
fn item(cursor: &mut Cursor<'_>, start: usize, out: &mut String) -> Result<(), PatternError> {
    if let Some(named) = posix(cursor)? {
        out.push_str(named);
        return Ok(());
    }
    let place = cursor.at();
    let low = match member(cursor, start)? {
        Member::Set(set) => {
            out.push_str(&set);
            return Ok(());
        }
        Member::Char(low) => low,
    };
    push_char(out, low);
    if !begins_range_end(cursor.rest()) {
        return Ok(());
    }
    cursor.bump();
    match member(cursor, start)? {
        Member::Char(high) if low <= high => {
            out.push('-');
            push_char(out, high);
            Ok(())
        }
        _ => Err(PatternError::at(
            place,
            format!(
                "`{}` is not a range; write its lower end first, and a `-` that stands for itself last",
                cursor.since(place)
            ),
        )),
    }
}

/// A `-` makes a range unless the bracket closes behind it.
fn begins_range_end(rest: &str) -> bool {
    rest.strip_prefix('-')
        .is_some_and(|rest| !rest.starts_with(']'))
}

fn member(cursor: &mut Cursor<'_>, start: usize) -> Result<Member, PatternError> {
    let place = cursor.at();
    match cursor.bump() {
        None => Err(PatternError::at(
            start,
            r"`[` is never closed; write `\[` for the character",
        )),
        Some('\\') => match escape::read(cursor, place)? {
            Escape::Char(c) => Ok(Member::Char(c)),
            Escape::Set(set) => Ok(Member::Set(set)),
            Escape::Assertion(_) | Escape::Quote => Err(PatternError::at(
                place,
                format!("`{}` has no meaning inside `[…]`", cursor.since(place)),
            )),
        },
        Some(c) => Ok(Member::Char(c)),
    }
}

/// `[:alpha:]` or `[:^alpha:]`; without a `:]` further on, `[` is a character.
fn posix<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a str>, PatternError> {
    const NAMES: [&str; 14] = [
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
        "space", "upper", "word", "xdigit",
    ];
    let place = cursor.at();
    let mut ahead = cursor.clone();
    if !ahead.eat("[:") {
        return Ok(None);
    }
    let Some(name) = ahead.until(":]") else {
        return Ok(None);
    };
    if !NAMES.contains(&name.strip_prefix('^').unwrap_or(name)) {
        return Err(PatternError::at(
            place,
            format!(
                "`[:{name}:]` is not a set; the sets are {}",
                NAMES.join(", ")
            ),
        ));
    }
    *cursor = ahead;
    Ok(Some(cursor.since(place)))
}
