//! CEXL: what Mixer evaluated, and where we differ on purpose.

use super::super::Truth::{Absent, False, True};
use super::super::{Attribute, Expr, Fault, Map, Value};
use super::{Attempt, absent, answer, answered, compiled, give, sleep, string};

#[test]
fn evaluates_the_seeds_match_expressions() {
    answer(
        Expr::cexl,
        &sleep(),
        &[
            (
                r#"request.host.endsWith(".cnn.com") && context.reporter.uid.startsWith("kubernetes://istio-egressgateway")"#,
                True,
            ),
            (
                r#"request.host.endsWith("cnn.com") && request.path.startsWith("/politics") && context.reporter.uid.startsWith("kubernetes://istio-egressgateway")"#,
                True,
            ),
            (
                r#"request.host.endsWith("cnn.com") && context.reporter.uid.startsWith("kubernetes://istio-egressgateway") && request.path.startsWith("/politics") && source.principal != "cluster.local/ns/default/sa/politics""#,
                True,
            ),
            (
                r#"request.host.endsWith(".cnn.com") && source.principal != "cluster.local/ns/default/sa/sleep""#,
                False,
            ),
        ],
    );
}

#[test]
fn evaluates_the_seeds_log_fields() {
    let rows = [
        (r#"request.host | "unknown""#, string("edition.cnn.com")),
        (r#"request.path | "unknown""#, string("/politics?page=1")),
        ("response.code | 0", Value::Int(403)),
        ("response.size | 0", Value::Int(84)),
        (
            r#"source.principal | "unknown""#,
            string("cluster.local/ns/default/sa/sleep"),
        ),
    ];
    give(Expr::cexl, &answered(), &rows);
    let nobody = Attempt::default();
    give(
        Expr::cexl,
        &nobody,
        &[
            (r#"source.principal | "unknown""#, string("unknown")),
            ("response.code | 0", Value::Int(0)),
            (r#"response.duration | "0ms""#, Value::Duration(0)),
        ],
    );
}

#[test]
fn an_absent_principal_makes_the_answer_absent_and_not_false() {
    let rule = r#"request.host.endsWith(".cnn.com") && source.principal != "cluster.local/ns/default/sa/politics""#;
    let anonymous = Attempt::default().text(Attribute::RequestHost, "edition.cnn.com");
    answer(
        Expr::cexl,
        &anonymous,
        &[(rule, absent(Attribute::SourcePrincipal))],
    );
    let elsewhere = Attempt::default().text(Attribute::RequestHost, "example.com");
    answer(Expr::cexl, &elsewhere, &[(rule, False)]);
}

#[test]
fn the_bar_binds_tighter_than_comparisons_and_looser_than_calls() {
    answer(
        Expr::cexl,
        &Attempt::default(),
        &[
            (r#"request.host | "unknown" == "unknown""#, True),
            (r#"request.host | "unknown" != "x" && true"#, True),
            (r#"source.user | source.principal | "u" == "u""#, True),
            (r#"request.host | "a" + "b" == "ab""#, True),
            (
                r#"request.host == "x" | "y""#,
                absent(Attribute::RequestHost),
            ),
        ],
    );
}

#[test]
fn the_bar_takes_the_first_present_operand() {
    let attempt = sleep().text(Attribute::RequestReferer, "");
    give(
        Expr::cexl,
        &attempt,
        &[
            (r#"request.referer | "none""#, string("")),
            (r#"request.headers["x-none"] | "none""#, string("none")),
            (r#"request.headers["x-tenant"] | "none""#, string("acme")),
            (
                r#"request.headers["a"] | request.headers["x-tenant"] | "none""#,
                string("acme"),
            ),
            (r#"response.headers["a"] | "none""#, string("none")),
            (r#"request.headers[request.id] | "none""#, string("none")),
            (
                r#"(request.headers | emptyStringMap())["x-tenant"] | "none""#,
                string("acme"),
            ),
            (
                r#"(response.headers | emptyStringMap())["x-tenant"] | "none""#,
                string("none"),
            ),
            (
                r#"(response.headers | request.headers)["x-tenant"]"#,
                string("acme"),
            ),
            (r#"emptyStringMap()["x-tenant"] | "none""#, string("none")),
            (
                "response.headers | emptyStringMap()",
                Value::Map(Map::Empty),
            ),
            (r#""foo" | "bar""#, string("foo")),
            ("origin.ip | source.ip", Value::Ip([10, 1, 12, 3].into())),
            (
                r#"origin.ip | ip("10.1.12.4")"#,
                Value::Ip([10, 1, 12, 4].into()),
            ),
            (
                r#"ip(request.id | "5.6.7.8")"#,
                Value::Ip([5, 6, 7, 8].into()),
            ),
            (r#"toLower(request.id) | "none""#, string("none")),
        ],
    );
}

#[test]
fn the_bar_does_not_hide_a_failed_conversion() {
    let expr = compiled(Expr::cexl, r#"ip(request.host) | source.ip"#);
    assert_eq!(
        expr.eval(&sleep()),
        Err(Fault::NotA(super::Type::IpAddress))
    );
}

#[test]
fn a_missing_map_key_is_absent() {
    answer(
        Expr::cexl,
        &sleep(),
        &[
            (
                r#"request.headers["x-none"] == "a""#,
                absent(Attribute::RequestHeaders),
            ),
            (r#"emptyStringMap()["k"] == "a""#, Absent(Fault::NoEntry)),
        ],
    );
}

#[test]
fn header_names_have_no_case() {
    answer(
        Expr::cexl,
        &sleep().text(Attribute::RequestReferer, "X-TENANT"),
        &[
            (r#"request.headers["X-Tenant"] == "acme""#, True),
            (r#"request.headers[request.referer] == "acme""#, True),
            (r#"request.query_params["page"] == "1""#, True),
            (
                r#"request.query_params["Page"] == "1""#,
                absent(Attribute::RequestQueryParams),
            ),
        ],
    );
}

#[test]
fn a_literal_is_a_duration_only_beside_a_duration() {
    answer(
        Expr::cexl,
        &answered(),
        &[
            (r#"request.headers["x-count"] == "0""#, True),
            (r#"response.duration == "20ms""#, True),
            (r#""20ms" == response.duration"#, True),
            (r#"response.duration > "0""#, True),
            (r#""1h" > response.duration"#, True),
            (r#"response.duration | "1s" < "1s""#, True),
            (r#"connection.duration | "1s" == "1s""#, True),
            (r#"request.method == "10s""#, False),
        ],
    );
    give(
        Expr::cexl,
        &answered(),
        &[(
            r#"conditional(connection.mtls, response.duration, "1s")"#,
            Value::Duration(20_000_000),
        )],
    );
}

#[test]
fn conjunctions_and_disjunctions_do_not_absorb_failures() {
    answer(
        Expr::cexl,
        &sleep(),
        &[
            ("true || response.code == 1", True),
            (
                "response.code == 1 || true",
                absent(Attribute::ResponseCode),
            ),
            ("false && response.code == 1", False),
            (
                r#"response.code == 1 && request.method == "X""#,
                absent(Attribute::ResponseCode),
            ),
            (r#"request.method == "X" && response.code == 1"#, False),
            (
                "(response.code == 1 || true) && true",
                absent(Attribute::ResponseCode),
            ),
        ],
    );
}

#[test]
fn match_knows_a_star_at_either_end() {
    answer(
        Expr::cexl,
        &sleep(),
        &[
            (r#"match(request.host, "*.cnn.com")"#, True),
            (r#"match(request.host, "*.bbc.com")"#, False),
            (r#"match(request.host, "edition.*")"#, True),
            (r#"match(request.host, "edition.cnn.com")"#, True),
            (r#"match(request.host, "cnn")"#, False),
            (r#"match(request.host, "*")"#, True),
            (r#"match(request.id, "*")"#, absent(Attribute::RequestId)),
            (r#"match("*literal", "*lit*")"#, True),
            (
                r#"match(request.method, request.headers["x-tenant"])"#,
                False,
            ),
            (r#"match(request.method, request.method)"#, True),
        ],
    );
    let dynamic = sleep().text(Attribute::RequestReferer, "GE*");
    answer(
        Expr::cexl,
        &dynamic,
        &[("match(request.method, request.referer)", True)],
    );
}

#[test]
fn the_receiver_of_matches_is_the_pattern_and_searches() {
    answer(
        Expr::cexl,
        &sleep(),
        &[
            (r#""cnn".matches(request.host)"#, True),
            (r#""^cnn".matches(request.host)"#, False),
            (r#""ed.*com$".matches(request.host)"#, True),
            (r#""^\\w+$".matches("é")"#, False),
            (r#"`^\d+$`.matches("٣")"#, False),
            (r#""ab.*d".matches("abc")"#, False),
        ],
    );
}

#[test]
fn functions_give_what_mixers_gave() {
    give(
        Expr::cexl,
        &sleep(),
        &[
            (r#"toLower("ÄB")"#, string("äb")),
            (r#"size("äb")"#, Value::Int(3)),
            ("size(request.method)", Value::Int(3)),
            (
                r#"conditionalString(connection.mtls, "a", "b")"#,
                string("a"),
            ),
            (
                r#"conditional(connection.mtls, "a", request.id)"#,
                string("a"),
            ),
            (
                r#"timestamp("2015-01-02T15:04:35Z")"#,
                Value::Timestamp(1_420_211_075_000_000_000),
            ),
            (
                r#"ip("::ffff:10.1.12.3")"#,
                Value::Ip([10, 1, 12, 3].into()),
            ),
            (
                r#"request.method + "/" + request.host"#,
                string("GET/edition.cnn.com"),
            ),
            ("source.port + 2", Value::Int(40_002)),
            ("1.5 + 2.0", Value::Double(3.5)),
        ],
    );
}

#[test]
fn equality_is_that_of_the_type() {
    answer(
        Expr::cexl,
        &sleep(),
        &[
            (
                r#"dnsName("WWW.Example.com.") == dnsName("www.example.com")"#,
                True,
            ),
            (
                r#"dnsName("bücher.example") == dnsName("xn--bcher-kva.example")"#,
                True,
            ),
            (r#"dnsName("a.example") == dnsName("b.example")"#, False),
            (r#"email("a@EXAMPLE.com") == email("a@example.com")"#, True),
            (r#"email("A@example.com") == email("a@example.com")"#, False),
            (
                r#"uri("HTTP://User@Example.COM:80/A") == uri("http://User@example.com:80/A")"#,
                True,
            ),
            (
                r#"uri("http://example.com/A") == uri("http://example.com/a")"#,
                False,
            ),
            (
                r#"uri("http://example.com:80/") == uri("http://example.com/")"#,
                False,
            ),
            (r#"source.ip == ip("10.1.12.3")"#, True),
            (r#"source.ip == ip("::ffff:a01:c03")"#, True),
            (r#"request.method == "get""#, False),
            (
                r#"timestamp("2015-01-02T15:04:35Z") == timestamp("2015-01-02T16:04:35+01:00")"#,
                True,
            ),
            (r#"request.time < timestamp("2018-01-03T00:00:00Z")"#, True),
            (r#""a" < "b" && 1 < 2 && 1.5 >= 1.5"#, True),
            ("40000 == source.port", True),
            ("40001 > source.port", True),
        ],
    );
}

#[test]
fn an_address_that_arrives_as_ipv6_is_the_ipv4_address() {
    let mapped = Value::Ip(std::net::Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped().into());
    let attempt = Attempt::default().with(Attribute::SourceIp, mapped);
    answer(
        Expr::cexl,
        &attempt,
        &[(r#"source.ip == ip("10.0.0.1")"#, True)],
    );
}

#[test]
fn go_literals_are_read() {
    answer(
        Expr::cexl,
        &sleep(),
        &[
            (r#""a\tb\u0041\x41\101" == "a	bAAA""#, True),
            (r#"`a\tb` == "a\\tb""#, True),
            (r#"'G' + "ET" == request.method"#, True),
            ("TRUE && !False", True),
            ("! (1 == 2)", True),
            ("1e3 == 1000.0 && .5 == 0.5", True),
            ("true // a comment", True),
            ("true &&\n true", True),
        ],
    );
}

#[test]
fn a_constant_host_is_compared_in_canonical_form() {
    answer(
        Expr::cexl,
        &sleep(),
        &[
            (r#"request.host == "Edition.CNN.com""#, True),
            (r#"request.host != "EDITION.cnn.com.""#, False),
            (r#"request.host.endsWith(".CNN.com")"#, True),
            (r#"match(request.host, "*.CNN.com")"#, True),
            (r#"request.host.startsWith("EDITION")"#, True),
            (r#"request.host.endsWith(".")"#, False),
            (r#"request.host | "X" == "EDITION.cnn.com""#, False),
        ],
    );
    let idn = Attempt::default().text(Attribute::RequestHost, "xn--bcher-kva.example");
    answer(
        Expr::cexl,
        &idn,
        &[(r#"request.host == "Bücher.example""#, True)],
    );
}

#[test]
fn sums_out_of_range_are_absent() {
    let attempt = Attempt::default().with(Attribute::SourcePort, Value::Int(i64::MAX));
    answer(
        Expr::cexl,
        &attempt,
        &[("source.port + 1 == 0", Absent(Fault::Overflow))],
    );
}

#[test]
fn a_value_of_a_wrong_type_is_absent() {
    let attempt = Attempt::default().with(Attribute::RequestHost, Value::Int(1));
    answer(
        Expr::cexl,
        &attempt,
        &[(
            r#"request.host == "x""#,
            Absent(Fault::WrongType(super::Type::String)),
        )],
    );
}
