//! The grammar of the CEL subset: Telemetry filters and native `expr:`.
//!
//! There are no macros and no comprehensions, so the cost of an expression is
//! linear in its text.

use super::lexer::Token;
use super::parser::{Grammar, Parsed, Parser};
use super::syntax::{Infix, Kind, Syntax};

pub(super) static GRAMMAR: Grammar = Grammar {
    infix,
    expression,
    prefixed,
    boolean,
    foreign,
};

fn infix(token: &Token) -> Option<(Infix, u8)> {
    let sign = match token {
        Token::Sign(sign) => sign,
        Token::Name(word) if word == "in" => "in",
        _ => return None,
    };
    Some(match sign {
        "||" => (Infix::Or, 1),
        "&&" => (Infix::And, 2),
        "==" => (Infix::Equal, 3),
        "!=" => (Infix::NotEqual, 3),
        "<" => (Infix::Less, 3),
        "<=" => (Infix::LessOrEqual, 3),
        ">" => (Infix::Greater, 3),
        ">=" => (Infix::GreaterOrEqual, 3),
        "in" => (Infix::In, 3),
        "+" => (Infix::Add, 4),
        "-" => (Infix::Subtract, 4),
        _ => return None,
    })
}

/// `condition ? one : other`, or a chain without it.
fn expression(parser: &mut Parser) -> Parsed {
    let condition = parser.chain(1)?;
    let at = parser.at();
    if !parser.take("?") {
        return Ok(condition);
    }
    let one = parser.chain(1)?;
    parser.expect(":", "`:` and the other value")?;
    let other = parser.nested(expression)?;
    Syntax::new(at, Kind::Choose(Box::new([condition, one, other])))
}

fn prefixed(parser: &mut Parser) -> Parsed {
    let at = parser.at();
    if parser.take("!") {
        let operand = parser.nested(prefixed)?;
        return Syntax::new(at, Kind::Not(Box::new(operand)));
    }
    if parser.take("-") {
        return negated(parser, at);
    }
    if parser.take("[") {
        let items = parser.list("]", "`,` or `]`")?;
        let list = Syntax::new(at, Kind::List(items))?;
        return parser.selected(list);
    }
    parser.operand()
}

/// The sign belongs to the number, or the least integer could not be written.
fn negated(parser: &mut Parser, at: usize) -> Parsed {
    if let Token::Int(number) = parser.token() {
        let number = i128::from(*number);
        return parser.integer(-number);
    }
    let operand = parser.nested(prefixed)?;
    Syntax::new(at, Kind::Negate(Box::new(operand)))
}

fn boolean(word: &str) -> Option<bool> {
    match word {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn foreign(sign: &str) -> Option<&'static str> {
    (sign == "|").then_some("`has(attribute) ? attribute : value`")
}
