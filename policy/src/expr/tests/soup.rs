//! Properties: nothing a configuration or a request can say makes us panic,
//! and folding changes no answer.

use proptest::prelude::*;

use super::super::{Attribute, Expr, Node, Problem, Truth, Value};
use super::{Attempt, answered, sleep, string};

const TOKENS: &[&str] = &[
    "request.host",
    "request.headers",
    "source.port",
    "source.ip",
    "request.time",
    "response.duration",
    "connection.mtls",
    "request.id",
    "context.reporter.uid",
    "true",
    "false",
    "\"a\"",
    "\"10s\"",
    "'a'",
    "`a`",
    "1",
    "2.5",
    "9223372036854775807",
    "(",
    ")",
    "[",
    "]",
    ",",
    ".",
    "&&",
    "||",
    "==",
    "!=",
    "<",
    ">=",
    "+",
    "-",
    "|",
    "!",
    "?",
    ":",
    "in",
    "has(",
    "match(",
    ".startsWith(",
    ".matches(",
    "size(",
    "toLower(",
    "ip(",
    "cidr(",
    "timestamp(",
    "duration(",
    "conditional(",
    ".getHours()",
    ".size()",
    "emptyStringMap()",
    "\\",
    "\"",
    "é",
    "//",
];

fn survives(text: &str) {
    for compile in [Expr::cexl, Expr::cel] {
        match compile(text) {
            Ok(expr) => {
                for attempt in [Attempt::default(), sleep(), answered()] {
                    let _ = expr.eval(&attempt);
                    let _ = expr.test(&attempt);
                }
                let _ = expr.specialise(Attribute::RequestHost, &string("a"));
                let _ = expr.without(|node| matches!(node, Node::Compare(..)));
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                assert!(
                    (1..=text.chars().count() + 1).contains(&error.column),
                    "{text}"
                );
            }
        }
    }
}

/// A well-typed text of CEXL and CEL alike, of type BOOL.
fn boolean() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        Just("request.host"),
        Just("request.id"),
        Just("context.reporter.uid"),
        Just("request.headers[\"x-tenant\"]"),
        Just("request.headers[context.reporter.uid]"),
        Just("\"edition.cnn.com\""),
        Just("\"\""),
    ];
    let number = prop_oneof![
        Just("source.port"),
        Just("response.code"),
        Just("9223372036854775807"),
        Just("40000"),
    ];
    let leaf = prop_oneof![
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("connection.mtls".to_owned()),
        (text.clone(), "==|!=|<|>=", text.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        (text.clone(), text).prop_map(|(a, b)| format!("{a}.startsWith({b})")),
        (number.clone(), number.clone(), number)
            .prop_map(|(a, b, c)| format!("({a} + {b} == {c})")),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|v| format!("({})", v.join(" && "))),
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|v| format!("({})", v.join(" || "))),
            inner.clone().prop_map(|a| format!("!{a}")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("({a} == {b})")),
        ]
    })
}

/// The expression, unless a sum of constants in it is out of range.
fn typed(compile: super::Compile, text: &str) -> Option<Expr> {
    match compile(text) {
        Ok(expr) => Some(expr),
        Err(error) => {
            let problem = error.problem;
            assert!(
                matches!(problem, Problem::AlwaysFails(_)),
                "{text}: {problem}"
            );
            None
        }
    }
}

/// The tree read the plain way: a model of the evaluation, by definition only.
fn model(node: &Node, attempt: &Attempt) -> Option<bool> {
    match node {
        Node::And(logic, terms) => chain(*logic, terms, attempt, false),
        Node::Or(logic, terms) => chain(*logic, terms, attempt, true),
        Node::Not(of) => model(of, attempt).map(|truth| !truth),
        other => super::super::eval::truth(other, attempt).ok(),
    }
}

fn chain(
    logic: super::super::Logic,
    terms: &[Node],
    attempt: &Attempt,
    decisive: bool,
) -> Option<bool> {
    let truths: Vec<_> = terms.iter().map(|term| model(term, attempt)).collect();
    let first_odd = truths.iter().find(|truth| **truth != Some(!decisive));
    match logic {
        super::super::Logic::Strict => first_odd.copied().unwrap_or(Some(!decisive)),
        super::super::Logic::Absorbing if truths.contains(&Some(decisive)) => Some(decisive),
        super::super::Logic::Absorbing if truths.contains(&None) => None,
        super::super::Logic::Absorbing => Some(!decisive),
    }
}

fn known(truth: Truth) -> Option<bool> {
    match truth {
        Truth::True => Some(true),
        Truth::False => Some(false),
        Truth::Absent(_) => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn token_soup_never_panics(tokens in prop::collection::vec(prop::sample::select(TOKENS), 0..24)) {
        survives(&tokens.join(" "));
        survives(&tokens.concat());
    }

    #[test]
    fn random_text_never_panics(text in "\\PC{0,80}", wild in any::<String>()) {
        survives(&text);
        survives(&wild);
    }

    #[test]
    fn random_escapes_never_panic(body in "[\\\\xuU0-9a-fé\"'`]{0,16}") {
        survives(&format!("\"{body}\" == \"a\""));
        survives(&format!("r'{body}' == '{body}'"));
    }

    #[test]
    fn random_times_never_panic(text in "[0-9TZ:+.-]{0,40}", nanos in any::<i128>()) {
        survives(&format!("timestamp(\"{text}\").getHours() == 1"));
        survives(&format!("response.duration == \"{text}ms\""));
        let attempt = Attempt::default().with(Attribute::RequestTime, Value::Timestamp(nanos));
        let text = "(request.time + duration('2562047h') - request.time).getHours() == 1";
        prop_assert!(Expr::cel(text).is_err());
        for field in ["getFullYear", "getDayOfYear", "getDayOfWeek", "getMilliseconds"] {
            let expr = super::compiled(Expr::cel, &format!("request.time.{field}()"));
            let value = expr.eval(&attempt);
            prop_assert!(!matches!(value, Ok(Value::Int(number)) if number < 0));
        }
    }

    #[test]
    fn evaluation_follows_its_definition(text in boolean()) {
        for compile in [Expr::cexl as super::Compile, Expr::cel] {
            let Some(expr) = typed(compile, &text) else { continue };
            for attempt in [Attempt::default(), sleep(), answered()] {
                prop_assert_eq!(known(expr.test(&attempt)), model(expr.node(), &attempt));
            }
        }
    }

    #[test]
    fn what_can_be_read_in_one_way_only_is_answered_as_ever(text in boolean()) {
        for compile in [Expr::cexl as super::Compile, Expr::cel] {
            let Some(expr) = typed(compile, &text) else { continue };
            for attempt in [Attempt::default(), sleep(), answered()] {
                prop_assert_eq!(expr.test_readings(&attempt), expr.test_apart(&attempt));
            }
        }
    }

    #[test]
    fn a_known_value_changes_no_answer(text in boolean()) {
        for compile in [Expr::cexl as super::Compile, Expr::cel] {
            let Some(expr) = typed(compile, &text) else { continue };
            for attempt in [Attempt::default(), sleep(), answered()] {
                let uid = Attribute::ContextReporterUid;
                let attempt = attempt.text(uid, "x-tenant");
                let folded = expr.specialise(uid, &string("x-tenant"));
                let (plain, folded) = (known(expr.test(&attempt)), known(folded.test(&attempt)));
                // A false conjunct may outweigh a failure before it.
                prop_assert!(plain == folded || (plain, folded) == (None, Some(false)));
            }
        }
    }

    #[test]
    fn calendar_and_timestamps_agree(days in -719_000_i64..2_900_000, second in 0_i64..86_400) {
        let nanos = i128::from(days * 86_400 + second) * 1_000_000_000;
        let attempt = Attempt::default().with(Attribute::RequestTime, Value::Timestamp(nanos));
        let field = |name: &str| {
            let expr = super::compiled(Expr::cel, &format!("request.time.{name}()"));
            match expr.eval(&attempt) {
                Ok(Value::Int(number)) => number,
                other => panic!("{name}: {other:?}"),
            }
        };
        let text = format!(
            "timestamp('{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z')",
            field("getFullYear"), field("getMonth") + 1, field("getDate"),
            field("getHours"), field("getMinutes"), field("getSeconds"),
        );
        let expr = super::compiled(Expr::cel, &text);
        prop_assert_eq!(expr.eval(&attempt), Ok(Value::Timestamp(nanos)));
    }
}
