//! What a backslash means in RE2, and which of its meanings elsewhere
//! (Perl, ECMAScript, Rust) are refused here.

use super::cursor::Cursor;
use crate::pattern::PatternError;

/// One escape, read.
#[derive(Debug)]
pub(super) enum Escape {
    /// One character, itself.
    Char(char),
    /// A set of characters, in the target syntax; valid inside brackets too.
    Set(String),
    /// An empty-width assertion, in the target syntax.
    Assertion(&'static str),
    /// The beginning of quoted text.
    Quote,
}

/// Reads what follows a backslash that stood at `start`.
pub(super) fn read(cursor: &mut Cursor<'_>, start: usize) -> Result<Escape, PatternError> {
    let Some(letter) = cursor.bump() else {
        return Err(PatternError::at(
            start,
            r"the pattern ends in a lone `\`; write `\\`",
        ));
    };
    let found = match letter {
        'A' => Escape::Assertion(r"\A"),
        'z' => Escape::Assertion(r"\z"),
        // ASCII in RE2, Unicode in the target unless told so.
        'b' => Escape::Assertion(r"(?-u:\b)"),
        'B' => Escape::Assertion(r"(?-u:\B)"),
        'Q' => Escape::Quote,
        'd' | 'D' | 's' | 'S' | 'w' | 'W' => Escape::Set(ascii_set(letter).into()),
        'p' | 'P' => Escape::Set(unicode_set(cursor, start, letter)?),
        'a' => Escape::Char('\x07'),
        'f' => Escape::Char('\x0c'),
        'n' => Escape::Char('\n'),
        'r' => Escape::Char('\r'),
        't' => Escape::Char('\t'),
        'v' => Escape::Char('\x0b'),
        'x' => Escape::Char(hexadecimal(cursor, start)?),
        '0'..='7' => Escape::Char(octal(cursor, start, letter)?),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => Escape::Char(c),
        _ => return Err(unknown(cursor, start, letter)),
    };
    Ok(found)
}

/// RE2's sets are ASCII, and its `\s` knows no vertical tab.
fn ascii_set(letter: char) -> &'static str {
    match letter {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        's' => r"[\t\n\x0c\r ]",
        'S' => r"[^\t\n\x0c\r ]",
        'w' => "[0-9A-Za-z_]",
        _ => "[^0-9A-Za-z_]",
    }
}

/// `\pN`, `\p{Greek}`, `\P{^Greek}`: general categories and scripts only.
fn unicode_set(
    cursor: &mut Cursor<'_>,
    start: usize,
    letter: char,
) -> Result<String, PatternError> {
    let name = if cursor.eat("{") {
        cursor.until("}")
    } else {
        Some(cursor.while_some(1, |c| c.is_ascii_uppercase()))
    };
    let name = name.unwrap_or_default();
    let (caret, name) = match name.strip_prefix('^') {
        Some(name) => (true, name),
        None => (false, name),
    };
    let negated = caret != (letter == 'P');
    let sign = if negated { 'P' } else { 'p' };
    match name {
        "Any" => Ok(format!(r"\{sign}{{Any}}")),
        // Unassigned characters are no part of RE2's C, but of the target's.
        "C" => Ok(format!(
            r"[{}\p{{Cc}}\p{{Cf}}\p{{Co}}]",
            if negated { "^" } else { "" }
        )),
        _ if is_category(name) => Ok(format!(r"\{sign}{{gc={name}}}")),
        _ if is_script(name) => Ok(format!(r"\{sign}{{sc={name}}}")),
        _ => Err(PatternError::at(
            start,
            format!(
                "`{}` names no set RE2 knows; write a category (`\\pL`, `\\p{{Lu}}`) or a script (`\\p{{Greek}}`)",
                cursor.since(start)
            ),
        )),
    }
}

fn is_category(name: &str) -> bool {
    const CATEGORIES: [&str; 34] = [
        "Cc", "Cf", "Co", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N", "Nd",
        "Nl", "No", "P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So",
        "Z", "Zl", "Zp", "Zs",
    ];
    CATEGORIES.contains(&name)
}

/// Scripts are spelled like `Greek` and `Old_Italic`; the parser of the
/// translated text knows which exist.
fn is_script(name: &str) -> bool {
    let capital = name.starts_with(|c: char| c.is_ascii_uppercase());
    capital && name.len() > 2 && name.chars().all(|c| c.is_ascii_alphabetic() || c == '_')
}

/// `\x7F` or `\x{10FFFF}`.
fn hexadecimal(cursor: &mut Cursor<'_>, start: usize) -> Result<char, PatternError> {
    let digits = if cursor.eat("{") {
        cursor.until("}")
    } else {
        Some(cursor.while_some(2, |c| c.is_ascii_hexdigit())).filter(|digits| digits.len() == 2)
    };
    digits
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .and_then(char::from_u32)
        .ok_or_else(|| {
            PatternError::at(
                start,
                r"not a character; write two digits `\x7E` or a code point `\x{7E}`",
            )
        })
}

/// `\0`, `\012`, `\12`; a single digit other than 0 is a back-reference.
fn octal(cursor: &mut Cursor<'_>, start: usize, first: char) -> Result<char, PatternError> {
    let more = cursor.while_some(2, |c| ('0'..='7').contains(&c));
    if first != '0' && more.is_empty() {
        return Err(back_reference(start));
    }
    u32::from_str_radix(&format!("{first}{more}"), 8)
        .ok()
        .and_then(char::from_u32)
        .ok_or_else(|| PatternError::at(start, r"not a character; write it as `\x{…}`"))
}

pub(super) fn back_reference(start: usize) -> PatternError {
    PatternError::at(
        start,
        "back-references are not supported by RE2; write the repeated text out",
    )
}

fn unknown(cursor: &Cursor<'_>, start: usize, letter: char) -> PatternError {
    let written = cursor.since(start);
    let advice = match letter {
        '8' | '9' | 'k' | 'g' => return back_reference(start),
        'Z' => r"write `\z`".to_owned(),
        'C' => "it would match half a character; write `.`".to_owned(),
        'E' => r"it ends a quotation that no `\Q` began".to_owned(),
        'u' | 'U' => r"write a code point as `\x{…}`".to_owned(),
        'h' => r"write `[\t ]`".to_owned(),
        _ => format!(r"write `{letter}` for the letter, `\\` for a backslash"),
    };
    PatternError::at(start, format!("RE2 has no `{written}`; {advice}"))
}
