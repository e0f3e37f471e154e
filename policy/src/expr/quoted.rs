//! String literals: Go's for CEXL, CEL's own for CEL.
//!
//! Escapes that denote bytes are refused beyond ASCII in CEXL, because a value
//! is text: a byte that is no text must not match by accident.

use super::Dialect;
use super::error::Problem;

/// How a string literal ends and what it may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quote {
    close: &'static str,
    escapes: bool,
    lines: bool,
}

impl Quote {
    const fn new(close: &'static str) -> Self {
        Self {
            close,
            escapes: true,
            lines: false,
        }
    }

    const fn raw(self) -> Self {
        Self {
            escapes: false,
            ..self
        }
    }

    const fn lines(self) -> Self {
        Self {
            lines: true,
            ..self
        }
    }

    /// The quote the text opens with, and the text behind it.
    pub(super) fn opening(text: &str, dialect: Dialect) -> Result<Option<(Self, &str)>, Problem> {
        let opens = |(open, quote): &(&str, Self)| Some((*quote, text.strip_prefix(open)?));
        match dialect {
            Dialect::Cexl => Ok(GO.iter().find_map(opens)),
            Dialect::Cel if opens_bytes(text) => Err(Problem::Unsupported {
                what: "a literal of bytes",
                instead: "a string without the prefix `b`",
            }),
            Dialect::Cel => Ok(CEL.iter().find_map(opens)),
        }
    }
}

const GO: [(&str, Quote); 3] = [
    ("\"", Quote::new("\"")),
    ("`", Quote::new("`").raw().lines()),
    ("'", Quote::new("'")),
];

const CEL: [(&str, Quote); 12] = [
    ("\"\"\"", Quote::new("\"\"\"").lines()),
    ("'''", Quote::new("'''").lines()),
    ("\"", Quote::new("\"")),
    ("'", Quote::new("'")),
    ("r\"\"\"", Quote::new("\"\"\"").raw().lines()),
    ("r'''", Quote::new("'''").raw().lines()),
    ("r\"", Quote::new("\"").raw()),
    ("r'", Quote::new("'").raw()),
    ("R\"\"\"", Quote::new("\"\"\"").raw().lines()),
    ("R'''", Quote::new("'''").raw().lines()),
    ("R\"", Quote::new("\"").raw()),
    ("R'", Quote::new("'").raw()),
];

fn opens_bytes(text: &str) -> bool {
    let prefix = text.trim_start_matches(['b', 'B', 'r', 'R']);
    let letters = text.len() - prefix.len();
    let bytes = text
        .bytes()
        .take(letters)
        .any(|c| c.eq_ignore_ascii_case(&b'b'));
    bytes && letters <= 2 && prefix.starts_with(['"', '\''])
}

/// Reads up to the closing quote: the text meant, and what follows.
pub(super) fn quoted(
    body: &str,
    quote: Quote,
    dialect: Dialect,
) -> Result<(String, &str), Problem> {
    let mut text = String::new();
    let mut rest = body;
    loop {
        if let Some(tail) = rest.strip_prefix(quote.close) {
            return one_character(text, quote, dialect).map(|text| (text, tail));
        }
        let (next, tail) = character(rest, quote, dialect)?;
        text.push(next);
        rest = tail;
    }
}

/// In Go single quotes hold one character.
fn one_character(text: String, quote: Quote, dialect: Dialect) -> Result<String, Problem> {
    if dialect == Dialect::Cexl && quote.close == "'" && text.chars().count() != 1 {
        return Err(Problem::Unsupported {
            what: "a text in single quotes",
            instead: "double quotes",
        });
    }
    Ok(text)
}

fn character(rest: &str, quote: Quote, dialect: Dialect) -> Result<(char, &str), Problem> {
    let mut characters = rest.chars();
    match characters.next() {
        None => Err(Problem::Unterminated),
        Some('\n' | '\r') if !quote.lines => Err(Problem::Unterminated),
        Some('\\') if quote.escapes => escape(characters.as_str(), dialect),
        Some(plain) => Ok((plain, characters.as_str())),
    }
}

fn escape(rest: &str, dialect: Dialect) -> Result<(char, &str), Problem> {
    let mut characters = rest.chars();
    let letter = characters.next().ok_or(Problem::Unterminated)?;
    let tail = characters.as_str();
    let plain = match letter {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '\\' | '"' | '\'' => letter,
        '?' | '`' if dialect == Dialect::Cel => letter,
        'x' | 'X' => return code(tail, 16, 2, dialect),
        'u' => return code(tail, 16, 4, Dialect::Cel),
        'U' => return code(tail, 16, 8, Dialect::Cel),
        '0'..='3' => return code(rest, 8, 3, dialect),
        _ => return Err(Problem::Escape(format!("\\{letter}"))),
    };
    Ok((plain, tail))
}

/// A character by its number. In CEXL the short forms are bytes: ASCII only.
fn code(text: &str, radix: u32, digits: usize, dialect: Dialect) -> Result<(char, &str), Problem> {
    let refused = || Problem::Escape(text.chars().take(digits).collect());
    let (number, tail) = text.split_at_checked(digits).ok_or_else(refused)?;
    if !number.chars().all(|c| c.is_digit(radix)) {
        return Err(refused());
    }
    let code = u32::from_str_radix(number, radix).map_err(|_| refused())?;
    let character = char::from_u32(code).ok_or_else(refused)?;
    match dialect {
        Dialect::Cexl if !character.is_ascii() => Err(refused()),
        _ => Ok((character, tail)),
    }
}
