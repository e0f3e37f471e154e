//! The texts of an expression's conjuncts, so that what is left of it can be
//! written down again after some were taken away.

use super::lexer::{Lexeme, Token, lexemes};
use super::{Dialect, Expr, Node, Value};

/// The text without the conjuncts that were taken. Where texts and conjuncts
/// do not correspond it stays whole, and says more than is asked.
pub(super) fn left(expr: &Expr, taken: &[bool]) -> Box<str> {
    let mut taken = taken.iter();
    let mut kept = Vec::new();
    for piece in of(&expr.text, expr.dialect) {
        let Ok(compiled) = Expr::compiled(piece, expr.dialect) else {
            return expr.text.clone();
        };
        let own = match compiled.node.literal() {
            Some(Value::Bool(true)) => 0,
            _ => compiled.conjuncts().len(),
        };
        let verdicts: Vec<bool> = taken.by_ref().take(own).copied().collect();
        if verdicts.len() < own {
            return expr.text.clone();
        }
        if verdicts.contains(&false) {
            kept.push(piece);
        }
    }
    match taken.next() {
        None => joined(&kept),
        Some(_) => expr.text.clone(),
    }
}

/// The text without the conjuncts of which is known that they hold; `whole` is
/// what the expression has become, `specialised` what it makes of a conjunct.
pub(super) fn unsettled(
    expr: &Expr,
    whole: &Node,
    specialised: impl Fn(&Node) -> Node,
) -> Box<str> {
    if let Some(Value::Bool(settled)) = whole.literal() {
        return settled.to_string().into();
    }
    let holds = |piece: &&str| {
        let compiled = Expr::compiled(piece, expr.dialect);
        compiled.is_ok_and(|c| specialised(&c.node).literal() == Some(&Value::Bool(true)))
    };
    let mut kept = of(&expr.text, expr.dialect);
    kept.retain(|piece| !holds(piece));
    joined(&kept)
}

fn joined(pieces: &[&str]) -> Box<str> {
    // A comment reaches to the end of its line.
    let between = match pieces.iter().any(|piece| piece.contains("//")) {
        true => "\n&& ",
        false => " && ",
    };
    match pieces {
        [] => "true".into(),
        pieces => pieces.join(between).into(),
    }
}

/// The texts between the `&&` at the top, parentheses around all of them
/// taken off.
fn of(text: &str, dialect: Dialect) -> Vec<&str> {
    let mut found = Vec::new();
    if let Ok(lexemes) = lexemes(text, dialect) {
        split(text, &lexemes, &mut found);
    }
    found
}

fn split<'t>(text: &'t str, lexemes: &[Lexeme], found: &mut Vec<&'t str>) {
    let mut cuts = Vec::new();
    let mut depth = 0_usize;
    for (index, lexeme) in lexemes.iter().enumerate() {
        match lexeme.token {
            Token::Sign("(" | "[") => depth += 1,
            Token::Sign(")" | "]") => depth = depth.saturating_sub(1),
            // They bind less tightly than `&&`.
            Token::Sign("||" | "?") if depth == 0 => {
                cuts.clear();
                break;
            }
            Token::Sign("&&") if depth == 0 => cuts.push(index),
            _ => {}
        }
    }
    let ends = cuts
        .iter()
        .copied()
        .chain([lexemes.len().saturating_sub(1)]);
    let mut start = 0;
    for end in ends {
        let Some(piece) = lexemes.get(start..=end) else {
            return;
        };
        start = end + 1;
        match inside(piece) {
            Some(inside) => split(text, inside, found),
            None => found.extend(written(text, piece)),
        }
    }
}

/// What stands within parentheses around the whole piece, whose last lexeme is
/// what follows it.
fn inside(piece: &[Lexeme]) -> Option<&[Lexeme]> {
    let [open, within @ .., close, _] = piece else {
        return None;
    };
    let (opens, closes) = (Token::Sign("("), Token::Sign(")"));
    if open.token != opens || close.token != closes {
        return None;
    }
    let mut depth = 0_usize;
    for lexeme in within {
        match lexeme.token {
            Token::Sign("(") => depth += 1,
            Token::Sign(")") => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    piece.get(1..piece.len().checked_sub(1)?)
}

fn written<'t>(text: &'t str, piece: &[Lexeme]) -> Option<&'t str> {
    let (first, last) = (piece.first()?, piece.last()?);
    Some(text.get(first.at..last.at)?.trim_end())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::super::Attribute;
    use super::*;

    #[test]
    fn conjuncts_are_what_stands_between_the_outermost_ands() {
        for (text, pieces) in [
            ("true", &["true"][..]),
            (
                r#"request.host == "a && b" && (request.method == "GET")"#,
                &[r#"request.host == "a && b""#, r#"request.method == "GET""#],
            ),
            ("((a && b) && c) && (d || e)", &["a", "b", "c", "d || e"]),
            ("(a) && (b) || c", &["(a) && (b) || c"]),
            ("(a || b) && f(c && d)", &["a || b", "f(c && d)"]),
            ("(a) == (b) && c", &["(a) == (b)", "c"]),
        ] {
            assert_eq!(of(text, Dialect::Cexl), pieces, "{text}");
        }
    }

    #[test]
    fn what_is_left_is_written_as_it_was() {
        let text = r#"request.host == "a" && (request.method == "GET" && request.size > 1)"#;
        let expr = Expr::cexl(text).unwrap();
        let mut number = 0;
        let rest = expr.without(|_| {
            number += 1;
            number == 2
        });
        assert_eq!(rest.text(), r#"request.host == "a" && request.size > 1"#);
        let again = Expr::cexl(rest.text()).unwrap();
        assert_eq!(format!("{:?}", again.node()), format!("{:?}", rest.node()));
        assert_eq!(expr.without(|_| true).text(), "true");
        assert_eq!(
            expr.without(|_| false).text(),
            r#"request.host == "a" && request.method == "GET" && request.size > 1"#
        );
    }

    #[test]
    fn what_is_known_to_hold_is_left_out() {
        let uid = Attribute::ContextReporterUid;
        let expr = |text: &str| {
            let value = Value::String(Cow::Borrowed("kubernetes://a.b"));
            Expr::cexl(text).unwrap().specialise(uid, &value)
        };
        let starts = r#"context.reporter.uid.startsWith("kubernetes://a")"#;
        assert_eq!(
            expr(&format!(r#"{starts} && request.method == "GET""#)).text(),
            r#"request.method == "GET""#
        );
        assert_eq!(expr(starts).text(), "true");
        assert_eq!(
            expr(r#"context.reporter.uid == "x" && request.size > 1"#).text(),
            "false"
        );
    }
}
