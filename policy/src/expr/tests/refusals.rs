//! What does not compile: where it is, and that the message says what to write.

use super::super::{Expr, NESTING, Problem, TEXT_BYTES};
use super::Compile;

/// Each text is refused at its column with a message that contains the words.
fn refuse(compile: Compile, rows: &[(&str, usize, &str)]) {
    for (text, column, words) in rows {
        match compile(text) {
            Ok(expr) => panic!("`{text}` compiled to {:?}", expr.node()),
            Err(error) => {
                let message = error.problem.to_string();
                assert_eq!(error.column, *column, "{text}: {message}");
                assert!(message.contains(words), "{text}: {message}");
            }
        }
    }
}

#[test]
fn cexl_is_refused_with_a_column_and_a_spelling() {
    refuse(
        Expr::cexl,
        &[
            ("", 1, "found the end; write an expression"),
            ("a = 2", 3, "write `==`"),
            ("true & false", 6, "write `&&`"),
            ("(source.port/2) == 30", 13, "`/`"),
            ("@23", 1, "`@`"),
            ("request.hots == \"x\"", 1, "`request.host`"),
            (
                "true && request.header[\"a\"] == \"b\"",
                9,
                "`request.headers`",
            ),
            (
                "request.headers.host == \"x\"",
                1,
                "request.headers[\"host\"]",
            ),
            ("true == source.port", 6, "`==` cannot join BOOL and INT64"),
            ("3.14 == source.port", 6, "operands of one type"),
            ("source.port == \"x\"", 13, "`==`"),
            ("source.ip == \"10.0.0.1\"", 11, "ip(\"…\")"),
            ("source.ip < source.ip", 11, "another operator"),
            ("request.headers == request.headers", 17, "STRING_MAP"),
            ("request.host + 1", 14, "`+`"),
            ("response.duration + \"1s\" == \"1s\"", 19, "`+`"),
            ("response.duration == \"soon\"", 22, "`soon` is no DURATION"),
            (
                "match(request.host, 1)",
                21,
                "found INT64 where STRING belongs",
            ),
            ("match(request.host)", 1, "match(text, pattern)"),
            ("request.path.matches(\"/x.*\")", 1, "the pattern first"),
            ("matches(\"aaa\")", 1, "\"pattern\".matches(text)"),
            ("\"aaa\".matches(23)", 15, "found INT64"),
            ("startsWith(\"aaa\")", 1, "text.startsWith(prefix)"),
            ("request.host.contains(\"a\")", 14, "\"part\".matches(text)"),
            ("reverse(request.host)", 1, "unknown function `reverse`"),
            ("ip(2)", 4, "found INT64"),
            ("ip(\"10.1.12\")", 4, "`10.1.12` is no IP_ADDRESS"),
            ("timestamp(\"242233\")", 11, "2018-01-02T15:04:05Z"),
            ("\"(\".matches(request.host)", 1, "`(` is refused"),
            ("\"a\" == 'bc'", 8, "double quotes"),
            ("\"open", 1, "closing quote"),
            ("\"a\\qb\" == \"a\"", 1, "`\\q`"),
            ("\"\\xff\" == \"a\"", 1, "no escape"),
            ("99999999999999999999 == 1", 1, "64 bits"),
            ("9223372036854775808 == 1", 1, "64 bits"),
            ("12ab == 1", 1, "`12ab`"),
            ("9223372036854775807 + 1 == 1", 21, "out of range"),
            ("-1 == source.port", 1, "`-`"),
            ("true ? 1 : 2", 6, "conditional("),
            ("request.host == \"x\" &&", 23, "found the end"),
            ("(true", 6, "write `)`"),
            ("true true", 6, "an operator or the end"),
            ("request.headers[\"a\"", 20, "write `]`"),
            ("!request.host", 2, "found STRING where BOOL belongs"),
            ("request.host && true", 1, "found STRING where BOOL belongs"),
            (
                "request.host == \"edition.cnn.com:443\"",
                14,
                "without port",
            ),
            ("request.host.endsWith(\":443\")", 14, "without port"),
            ("\"ä\" == request.hosts", 8, "`request.host`"),
            ("request. == \"a\"", 10, "a name behind `.`"),
            ("request.host.endsWith(\"x\").y == \"a\"", 28, "whole name"),
        ],
    );
}

#[test]
fn cel_is_refused_with_a_column_and_a_spelling() {
    refuse(
        Expr::cel,
        &[
            (
                "request.host | 'a'",
                14,
                "has(attribute) ? attribute : value",
            ),
            ("match(request.host, '*a')", 1, "text.startsWith(prefix)"),
            ("toLower(request.host)", 1, "text.lowerAscii()"),
            ("'a'.matches(request.host)", 13, "the pattern last"),
            ("response.duration < '1s'", 19, "duration(\"…\")"),
            ("source.ip in ['10.0.0.0/8']", 15, "cidr(\"10.0.0.0/8\")"),
            ("source.ip in cidr('10.0.0.0')", 14, "no network"),
            ("source.ip in cidr('10.0.0.0/40')", 14, "no network"),
            ("cidr('10.0.0.0/8')", 1, "source.ip in cidr("),
            ("request.host in [request.id]", 18, "must be a constant"),
            ("['a'] == ['a']", 1, "value in [one, other]"),
            ("has('a')", 1, "has(request.useragent)"),
            (
                "has(request.time + duration('1s'))",
                1,
                "has(request.useragent)",
            ),
            (
                "request.time.getHours('UTC') == 1",
                14,
                "request.time.getHours()",
            ),
            (
                "request.method.getHours() == 1",
                1,
                "found STRING where TIMESTAMP belongs",
            ),
            (
                "connection.mtls ? 1 : 'a'",
                23,
                "found STRING where INT64 belongs",
            ),
            ("b'abc' == 'a'", 1, "without the prefix `b`"),
            ("response.code == 200u", 18, "`200u`"),
            ("request.method == null", 19, "unknown attribute `null`"),
            ("TRUE", 1, "unknown attribute `TRUE`"),
            (
                "['GET'].exists(m, m == request.method)",
                9,
                "value in [one, other]",
            ),
            ("-request.host == 'a'", 1, "found STRING"),
            ("{'a': 'b'}", 1, "`{`"),
            ("request.host in ['a:80']", 14, "without port"),
            (
                "response.grpc_status == 0",
                22,
                "cannot join STRING and INT64",
            ),
        ],
    );
}

#[test]
fn a_text_over_the_limit_is_refused() {
    let fits = format!("true{}", " ".repeat(TEXT_BYTES - 4));
    assert!(Expr::cexl(&fits).is_ok());
    let error = Expr::cexl(&format!("{fits} ")).map(|_| ());
    let problem = error.expect_err("too long").problem;
    assert_eq!(problem, Problem::TooLong(TEXT_BYTES + 1));
}

#[test]
fn nesting_over_the_limit_is_refused_in_every_form() {
    let deep = |open: &str, inner: &str, close: &str| {
        let text = |n: usize| format!("{}{inner}{}", open.repeat(n), close.repeat(n));
        for compile in [Expr::cexl as Compile, Expr::cel] {
            assert!(compile(&text(NESTING / 4)).is_ok(), "{open}{inner}{close}");
            let problem = compile(&text(NESTING + 1)).expect_err("too deep").problem;
            assert_eq!(problem, Problem::TooDeep, "{open}{inner}{close}");
        }
    };
    deep("(", "true", ")");
    deep("!", "true", "");
    deep("", "1", " + 1");
    deep("true == (", "true", ")");
    deep("request.headers[", "\"a\"", "]");
}

#[test]
fn the_deepest_expression_is_compiled_and_evaluated() {
    let text = format!("{}true{}", "(!".repeat(31), ")".repeat(31));
    assert!(Expr::cel(&text).is_ok());
    let ternaries = format!("{}2", "request.host == 'a' ? 1 : ".repeat(NESTING - 4));
    assert!(Expr::cel(&ternaries).is_ok());
}

#[test]
fn a_long_chain_is_not_deep() {
    let text = vec!["request.host == \"a.example\""; 100].join(" || ");
    let expr = Expr::cexl(&text).expect("a chain of a hundred");
    assert_eq!(expr.test(&super::sleep()), super::Truth::False,);
}

#[test]
fn a_pattern_too_large_is_refused() {
    let error = Expr::cexl("\"((a{100}){100}){100}\".matches(request.host)");
    let problem = error.expect_err("too large").problem;
    assert!(matches!(problem, Problem::Pattern { .. }), "{problem}");
}

#[test]
fn the_error_shows_its_column() {
    let error = Expr::cexl("true && request.hots").expect_err("unknown");
    assert_eq!(
        error.to_string(),
        "column 9: unknown attribute `request.hots`; write such as `request.host`"
    );
}
