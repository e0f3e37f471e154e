//! Text to tokens, for both dialects.
//!
//! They differ in their strings only (see `quoted`). What neither dialect has
//! is refused here with the spelling that exists.

use super::error::{Located, Problem};
use super::quoted::{Quote, quoted};
use super::{Dialect, TEXT_BYTES};

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// An identifier or a keyword.
    Name(String),
    /// A string, without its quotes and escapes.
    Text(String),
    /// A number without point; its sign is a token of its own.
    Int(u64),
    /// A number with a point or an exponent.
    Double(f64),
    /// An operator or a bracket.
    Sign(&'static str),
    /// The end of the text.
    End,
}

impl Token {
    /// The token as an error shows it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Name(name) => format!("`{name}`"),
            Self::Text(_) => "a string".to_owned(),
            Self::Int(number) => format!("`{number}`"),
            Self::Double(number) => format!("`{number}`"),
            Self::Sign(sign) => format!("`{sign}`"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// A token and the byte offset of its start.
#[derive(Debug, Clone)]
pub(super) struct Lexeme {
    pub(super) at: usize,
    pub(super) token: Token,
}

/// Operators and brackets, longer ones first.
const SIGNS: [&str; 20] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "|", "+", "-", "!", "?", ":", ".", ",", "(", ")",
    "[", "]",
];

/// Splits the text; the last lexeme is [`Token::End`].
pub(super) fn lexemes(text: &str, dialect: Dialect) -> Result<Vec<Lexeme>, Located> {
    if text.len() > TEXT_BYTES {
        return Err(Problem::TooLong(text.len()).at(0));
    }
    let mut lexemes = Vec::new();
    let mut rest = text;
    loop {
        rest = after_blanks(rest);
        let at = text.len() - rest.len();
        let (token, tail) = token(rest, dialect).map_err(|problem| problem.at(at))?;
        rest = tail;
        let ended = token == Token::End;
        lexemes.push(Lexeme { at, token });
        if ended {
            return Ok(lexemes);
        }
    }
}

/// Skips white space and comments (`//` to the end of the line).
fn after_blanks(text: &str) -> &str {
    let mut rest = text.trim_start();
    while let Some(comment) = rest.strip_prefix("//") {
        rest = comment
            .split_once('\n')
            .map_or("", |(_, next)| next)
            .trim_start();
    }
    rest
}

type Read<'t> = Result<(Token, &'t str), Problem>;

fn token(rest: &str, dialect: Dialect) -> Read<'_> {
    let Some(first) = rest.chars().next() else {
        return Ok((Token::End, rest));
    };
    if let Some((quote, body)) = Quote::opening(rest, dialect)? {
        let (text, tail) = quoted(body, quote, dialect)?;
        return Ok((Token::Text(text), tail));
    }
    if first.is_ascii_digit() || starts_with_fraction(rest) {
        return number(rest);
    }
    if is_word(first) {
        let (name, tail) = split(rest, is_word);
        return Ok((Token::Name(name.to_owned()), tail));
    }
    sign(rest).ok_or_else(|| unknown_sign(first))
}

fn sign(rest: &str) -> Option<(Token, &str)> {
    SIGNS
        .iter()
        .find_map(|sign| Some((Token::Sign(sign), rest.strip_prefix(sign)?)))
}

fn unknown_sign(sign: char) -> Problem {
    let expected = match sign {
        '=' => "`==`",
        '&' => "`&&`",
        '*' | '/' | '%' => "`+` or a comparison, the only arithmetic there is",
        '{' | '}' => "`m[\"key\"]` on a map of the vocabulary",
        _ => "ASCII text, or quote it",
    };
    Problem::Unexpected {
        found: format!("`{}`", sign.escape_default()),
        expected,
    }
}

fn number(rest: &str) -> Read<'_> {
    let (digits, tail) = split(rest, |c| c.is_ascii_digit());
    let (fraction, tail) = fraction(tail);
    let (exponent, tail) = exponent(tail);
    let (junk, _) = split(tail, is_word);
    let written = format!("{digits}{fraction}{exponent}{junk}");
    let token = if fraction.is_empty() && exponent.is_empty() {
        written.parse().ok().map(Token::Int)
    } else {
        written
            .parse()
            .ok()
            .filter(|d: &f64| d.is_finite())
            .map(Token::Double)
    };
    token
        .map(|token| (token, tail))
        .ok_or(Problem::Number(written))
}

/// A point with digits behind it; a point before a name selects a member.
fn fraction(text: &str) -> (&str, &str) {
    if !starts_with_fraction(text) {
        return ("", text);
    }
    split_at(
        text,
        1 + digits_in(text.strip_prefix('.').unwrap_or_default()),
    )
}

fn exponent(text: &str) -> (&str, &str) {
    let Some(power) = text.strip_prefix(['e', 'E']) else {
        return ("", text);
    };
    let signed = power.strip_prefix(['+', '-']).unwrap_or(power);
    let length = text.len() - signed.len() + digits_in(signed);
    split_at(text, length)
}

fn starts_with_fraction(text: &str) -> bool {
    text.strip_prefix('.')
        .is_some_and(|tail| digits_in(tail) > 0)
}

fn digits_in(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    split_at(text, end)
}

fn split_at(text: &str, end: usize) -> (&str, &str) {
    text.split_at_checked(end).unwrap_or((text, ""))
}
