//! The grammar of CEXL, the expressions of Mixer's kinds (Istio up to 1.4).
//!
//! Mixer called Go's own parser, so the levels are Go's: `|` and `+` bind
//! tighter than the comparisons, and these tighter than `&&`. `!` is ours.

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
    let Token::Sign(sign) = token else {
        return None;
    };
    Some(match *sign {
        "||" => (Infix::Or, 1),
        "&&" => (Infix::And, 2),
        "==" => (Infix::Equal, 3),
        "!=" => (Infix::NotEqual, 3),
        "<" => (Infix::Less, 3),
        "<=" => (Infix::LessOrEqual, 3),
        ">" => (Infix::Greater, 3),
        ">=" => (Infix::GreaterOrEqual, 3),
        "+" => (Infix::Add, 4),
        "|" => (Infix::Default, 4),
        _ => return None,
    })
}

fn expression(parser: &mut Parser) -> Parsed {
    parser.chain(1)
}

fn prefixed(parser: &mut Parser) -> Parsed {
    let at = parser.at();
    if !parser.take("!") {
        return parser.operand();
    }
    let operand = parser.nested(prefixed)?;
    Syntax::new(at, Kind::Not(Box::new(operand)))
}

/// Mixer took `true` and `false` in any case.
fn boolean(word: &str) -> Option<bool> {
    match word {
        _ if word.eq_ignore_ascii_case("true") => Some(true),
        _ if word.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn foreign(sign: &str) -> Option<&'static str> {
    match sign {
        "?" => Some("`conditional(condition, one, other)`"),
        "-" => Some("the comparison so that it needs no `-`, which Mixer did not have"),
        _ => None,
    }
}
