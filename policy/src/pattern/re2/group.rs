//! What may follow `(`: a group, a named group, flags; and everything of other
//! dialects that RE2 leaves out because it cannot be matched in linear time.

use super::cursor::Cursor;
use super::escape::back_reference;
use crate::pattern::PatternError;

/// How a parenthesis opened.
#[derive(Debug)]
pub(super) enum Opening {
    /// A group to be closed, in the target syntax.
    Group(String),
    /// Flags for the rest of the group around, in the target syntax.
    Flags(String),
}

/// Reads what follows a `(` that stood at `start`.
pub(super) fn read(cursor: &mut Cursor<'_>, start: usize) -> Result<Opening, PatternError> {
    if !cursor.eat("?") {
        return Ok(Opening::Group("(".to_owned()));
    }
    refuse_other_dialects(cursor.rest(), start)?;
    if cursor.eat("P<") || cursor.eat("<") {
        name(cursor, start)?;
        return Ok(Opening::Group("(".to_owned()));
    }
    flags(cursor, start)
}

fn refuse_other_dialects(rest: &str, start: usize) -> Result<(), PatternError> {
    const REFUSED: [(&str, &str); 8] = [
        ("=", LOOK_AHEAD),
        ("!", LOOK_AHEAD),
        ("<=", LOOK_BEHIND),
        ("<!", LOOK_BEHIND),
        (">", "atomic groups are not supported by RE2; write `(?:…)`"),
        ("#", "comments are not supported by RE2; leave it out"),
        ("|", "branch resets are not supported by RE2; write `(?:…)`"),
        (
            "P>",
            "recursion is not supported by RE2; write the group out",
        ),
    ];
    if rest.starts_with("P=") {
        return Err(back_reference(start));
    }
    let refused = REFUSED.iter().find(|(begin, _)| rest.starts_with(begin));
    refused.map_or(Ok(()), |&(_, why)| Err(PatternError::at(start, why)))
}

const LOOK_AHEAD: &str = "ECMAScript look-ahead is not supported by RE2; \
    write the wanted texts out, or allow the whole and deny the part in a rule of its own";
const LOOK_BEHIND: &str = "look-behind is not supported by RE2; \
    write the wanted texts out, or allow the whole and deny the part in a rule of its own";

/// A group's name says nothing about what matches, so it is read and left out.
fn name(cursor: &mut Cursor<'_>, start: usize) -> Result<(), PatternError> {
    let name = cursor.until(">").unwrap_or_default();
    let valid = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if valid {
        return Ok(());
    }
    Err(PatternError::at(
        start,
        "a group is named in letters, digits and `_`: `(?P<name>…)`",
    ))
}

/// `(?i)`, `(?s-i:`: RE2 knows i, m, s and U.
fn flags(cursor: &mut Cursor<'_>, start: usize) -> Result<Opening, PatternError> {
    let mut on = String::new();
    let mut off = String::new();
    let mut negated = false;
    loop {
        match cursor.bump() {
            Some(flag @ ('i' | 'm' | 's' | 'U')) => {
                on.retain(|c| c != flag);
                off.retain(|c| c != flag);
                let side = if negated { &mut off } else { &mut on };
                side.push(flag);
            }
            Some('-') if !negated => negated = true,
            Some(end @ (':' | ')')) if !negated || !off.is_empty() => {
                return Ok(opening(&on, &off, end));
            }
            _ => return Err(unknown_flag(cursor, start)),
        }
    }
}

fn opening(on: &str, off: &str, end: char) -> Opening {
    let minus = if off.is_empty() { "" } else { "-" };
    match end {
        ':' => Opening::Group(format!("(?{on}{minus}{off}:")),
        _ if on.is_empty() && off.is_empty() => Opening::Flags(String::new()),
        _ => Opening::Flags(format!("(?{on}{minus}{off})")),
    }
}

fn unknown_flag(cursor: &Cursor<'_>, start: usize) -> PatternError {
    PatternError::at(
        start,
        format!(
            "`{}` is not RE2; its groups are `(…)`, `(?:…)`, `(?P<name>…)` and its flags i, m, s, U",
            cursor.since(start)
        ),
    )
}
