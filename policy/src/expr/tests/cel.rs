//! The CEL subset, as Telemetry filters and native `expr:` use it.

use super::super::Truth::{Absent, False, True};
use super::super::{Attribute, Expr, Fault, Value};
use super::{Attempt, absent, answer, answered, give, sleep, string};

/// The attempt at a given time.
fn at(nanos: i128) -> Attempt {
    Attempt::default().with(Attribute::RequestTime, Value::Timestamp(nanos))
}

const HOUR: i128 = 3_600_000_000_000;

#[test]
fn evaluates_telemetry_filters() {
    answer(
        Expr::cel,
        &answered().with(Attribute::ResponseFlags, Value::Int(0)),
        &[
            ("response.code >= 400", True),
            ("response.code >= 500 || response.flags != 0", False),
            ("connection.mtls && request.url_path.contains('lit')", True),
            (
                "!has(request.useragent) || !(request.useragent.startsWith('kube-probe'))",
                True,
            ),
            (
                "request.method in ['GET', \"HEAD\"] && response.code in [403, 404]",
                True,
            ),
            ("has(response.code) && !has(xds.route_name)", True),
        ],
    );
}

#[test]
fn the_night_rule_of_the_native_format_knows_the_hour() {
    let night = "request.time.getHours() >= 22 || request.time.getHours() < 6";
    answer(Expr::cel, &at(23 * HOUR), &[(night, True)]);
    answer(Expr::cel, &at(5 * HOUR + HOUR / 2), &[(night, True)]);
    answer(Expr::cel, &at(6 * HOUR), &[(night, False)]);
    answer(Expr::cel, &at(22 * HOUR - 1), &[(night, False)]);
    let nobody = Attempt::default();
    answer(
        Expr::cel,
        &nobody,
        &[(night, absent(Attribute::RequestTime))],
    );
}

#[test]
fn the_calendar_is_utc_and_numbered_as_in_cel() {
    // 2018-01-02T15:04:05.25Z, a Tuesday.
    give(
        Expr::cel,
        &sleep(),
        &[
            ("request.time.getFullYear()", Value::Int(2018)),
            ("request.time.getMonth()", Value::Int(0)),
            ("request.time.getDate()", Value::Int(2)),
            ("request.time.getDayOfMonth()", Value::Int(1)),
            ("request.time.getDayOfWeek()", Value::Int(2)),
            ("request.time.getDayOfYear()", Value::Int(1)),
            ("request.time.getHours()", Value::Int(15)),
            ("request.time.getMinutes()", Value::Int(4)),
            ("request.time.getSeconds()", Value::Int(5)),
            ("request.time.getMilliseconds()", Value::Int(250)),
            (
                "timestamp('2024-12-31T23:59:59.9Z').getDayOfYear()",
                Value::Int(365),
            ),
            (
                "timestamp('1969-12-31T23:30:00Z').getHours()",
                Value::Int(23),
            ),
        ],
    );
}

#[test]
fn a_time_outside_the_calendar_is_absent() {
    answer(
        Expr::cel,
        &at(i128::MAX),
        &[("request.time.getHours() == 0", Absent(Fault::Overflow))],
    );
}

#[test]
fn conjunctions_and_disjunctions_absorb_failures_on_either_side() {
    answer(
        Expr::cel,
        &sleep(),
        &[
            ("response.code == 1 || connection.mtls", True),
            ("connection.mtls || response.code == 1", True),
            ("response.code == 1 && !connection.mtls", False),
            ("!connection.mtls && response.code == 1", False),
            (
                "response.code == 1 && connection.mtls",
                absent(Attribute::ResponseCode),
            ),
            (
                "response.code == 1 || request.id == 'a'",
                absent(Attribute::ResponseCode),
            ),
            ("response.code == 1 || true", True),
        ],
    );
}

#[test]
fn presence_is_of_attributes_maps_and_entries() {
    answer(
        Expr::cel,
        &sleep(),
        &[
            ("has(request.host)", True),
            ("has(request.id)", False),
            ("has(request.headers)", True),
            ("has(response.headers)", False),
            ("has(request.headers.host)", False),
            ("has(request.headers['x-tenant'])", True),
            ("has(request.headers['X-Tenant'])", True),
            ("'x-tenant' in request.headers", True),
            ("'x-none' in request.headers", False),
            (
                "'x-none' in response.headers",
                absent(Attribute::ResponseHeaders),
            ),
            (
                "request.id in request.headers",
                absent(Attribute::RequestId),
            ),
            (
                "'page' in request.query_params && request.query_params.page == '1'",
                True,
            ),
        ],
    );
}

#[test]
fn addresses_are_looked_for_in_networks() {
    answer(
        Expr::cel,
        &sleep(),
        &[
            ("source.ip in cidr('10.0.0.0/8')", True),
            ("source.ip in cidr('10.1.12.77/24')", True),
            ("source.ip in cidr('192.168.0.0/16')", False),
            ("source.ip in cidr('::ffff:10.0.0.0/104')", True),
            ("source.ip in cidr('::/0')", False),
            (
                "source.ip in [cidr('192.168.0.0/16'), ip('10.1.12.3')]",
                True,
            ),
            ("cidr('10.0.0.0/8').containsIP(source.ip)", True),
            (
                "ip(request.headers['x-tenant']) in cidr('0.0.0.0/0')",
                Absent(Fault::NotA(super::Type::IpAddress)),
            ),
            (
                "origin.ip in cidr('0.0.0.0/0')",
                absent(Attribute::OriginIp),
            ),
        ],
    );
}

#[test]
fn times_and_durations_add_up() {
    answer(
        Expr::cel,
        &answered(),
        &[
            ("response.duration < duration('1s')", True),
            (
                "request.time + duration('1h') > timestamp('2018-01-02T16:00:00Z')",
                True,
            ),
            (
                "request.time - timestamp('2018-01-02T15:04:05Z') == duration('250ms')",
                True,
            ),
            ("duration('1m') - duration('1s') == duration('59s')", True),
            ("-duration('1s') < duration('0')", True),
            ("-source.port == -40000", True),
            ("5 - 3 - 1 == 1", True),
            ("-9223372036854775808 < 0", True),
        ],
    );
}

#[test]
fn texts_and_choices() {
    give(
        Expr::cel,
        &sleep(),
        &[
            ("'äB'.lowerAscii()", string("äb")),
            ("'äb'.size()", Value::Int(2)),
            ("size(request.method)", Value::Int(3)),
            ("has(request.id) ? request.id : 'none'", string("none")),
            (
                "connection.mtls ? 1 : has(request.id) ? 2 : 3",
                Value::Int(1),
            ),
            ("request.method + '!'", string("GET!")),
        ],
    );
    answer(
        Expr::cel,
        &sleep(),
        &[
            ("request.path.matches('^/pol')", True),
            ("request.path.matches('tic')", True),
            ("request.host in ['Edition.CNN.com.', 'x']", True),
            ("(has(request.id) ? request.id : 'none') == 'none'", True),
        ],
    );
}

#[test]
fn cel_literals_are_read() {
    answer(
        Expr::cel,
        &sleep(),
        &[
            (r#"r'a\d' == "a\\d""#, True),
            (r#"'''a'b''' == "a'b""#, True),
            ("\"\"\"a\nb\"\"\" == 'a\\nb'", True),
            (r"'\x41\u00e4\101' == 'AäA'", True),
            (r"'\xe4' == 'ä'", True),
        ],
    );
}
