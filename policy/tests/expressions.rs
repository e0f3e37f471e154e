//! What an expression says that refuses cannot be got around by writing the request
//! another way; where it permits, it means the request as it is sent.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

#[path = "reference/asked.rs"]
mod asked;

use std::sync::Arc;

use asked::{Asked, Fields, allowed, denied, destination, upstream};
use policy::door::View;
use policy::expr::{Attribute, Expr, Readings};
use policy::rule::Matcher;
use policy::{Admission, AdmissionSpec, RawRequest};

fn expr(text: &str) -> Matcher {
    Matcher {
        expr: Some(Arc::new(Expr::cel(text).unwrap())),
        ..Matcher::default()
    }
}

#[test]
fn an_expression_that_refuses_sees_every_value_of_a_name() {
    let role = |text: &str, values: &[&str]| {
        let fields: Vec<_> = values.iter().map(|value| ("x-role", *value)).collect();
        let asked = Asked {
            fields: &fields,
            ..Asked::default()
        };
        let matcher = expr(text);
        (denied(&matcher, asked), allowed(&matcher, asked))
    };
    let is_admin = r#"request.headers["x-role"] == "admin""#;
    for (text, values, expected) in [
        (is_admin, &["admin"][..], (true, true)),
        (is_admin, &["user"], (false, false)),
        (is_admin, &["user", "admin"], (true, false)),
        (is_admin, &["admin", "user"], (true, false)),
        (is_admin, &["a", "b", "c", "admin"], (true, false)),
        (is_admin, &["a", "b", "c"], (false, false)),
        (is_admin, &["a"; 32], (false, false)),
        // Too many to look through.
        (is_admin, &["a"; 33], (true, false)),
        (
            r#"request.headers["x-role"] == "a,b""#,
            &["a", "b"],
            (true, true),
        ),
        (
            r#"request.headers["x-role"] != "user""#,
            &["user"],
            (false, false),
        ),
        (
            r#"request.headers["x-role"].startsWith("adm")"#,
            &["user", "admin"],
            (true, false),
        ),
    ] {
        assert_eq!(role(text, values), expected, "{text} {values:?}");
    }
    // No order of values hides what holds together.
    let both = r#"request.headers["x-role"] == "admin" && request.headers["x-debug"] == "1""#;
    let fields = [
        ("x-role", "user"),
        ("x-role", "admin"),
        ("x-debug", "1"),
        ("x-debug", "0"),
    ];
    let asked = Asked {
        fields: &fields,
        ..Asked::default()
    };
    assert!(denied(&expr(both), asked) && !allowed(&expr(both), asked));
    let either = format!(r#"({both}) || request.method == "PUT""#);
    assert!(denied(&expr(&either), asked) && !allowed(&expr(&either), asked));
    let cookies = [("cookie", "role=admin"), ("cookie", "debug=1")];
    for (text, allows) in [
        (
            r#"request.headers["cookie"] == "role=admin; debug=1""#,
            true,
        ),
        (r#"request.headers["cookie"] == "debug=1""#, false),
    ] {
        let asked = Asked {
            fields: &cookies,
            ..Asked::default()
        };
        assert!(denied(&expr(text), asked), "{text}");
        assert_eq!(allowed(&expr(text), asked), allows, "{text}");
    }
}

#[test]
fn an_expression_that_refuses_reads_a_query_as_origins_do() {
    let admin = r#"request.query_params["admin"] == "1""#;
    let many = format!("/?{}admin=1", "admin=0&".repeat(40));
    for (text, target, denies, allows) in [
        (admin, "/?admin=1", true, true),
        (admin, "/?admin=0", false, false),
        (admin, "/?admin=0&admin=1", true, false),
        (admin, "/?%61dmin=1", true, false),
        (admin, "/?admin=%31", true, false),
        (admin, "/?admin=0&%61dmin=0&adm%69n=%31", true, false),
        (admin, "/?admin=0&other=1&b=%31", false, false),
        (admin, &many, true, false),
        (admin, "/?admin=%FF", true, false),
        (
            r#"request.query_params["q"] == "a b""#,
            "/?q=a+b",
            true,
            false,
        ),
        (
            r#"request.query_params["q"] == "a%20b""#,
            "/?q=0&q=a%20b",
            true,
            false,
        ),
        (
            r#"request.query.contains("admin=1")"#,
            "/?x&%61dmin=%31",
            true,
            false,
        ),
        (r#"request.path == "/a?x=1""#, "/a?%78=1", true, false),
        (r#"request.path == "/a?x=1""#, "/a?X=%31", true, false),
    ] {
        let asked = Asked {
            target,
            ..Asked::default()
        };
        assert_eq!(denied(&expr(text), asked), denies, "{text} {target}");
        assert_eq!(allowed(&expr(text), asked), allows, "{text} {target}");
    }
}

#[test]
fn an_expression_that_refuses_sees_a_path_as_origins_might() {
    let secret = r#"request.url_path == "/xSecret""#;
    for (text, target, denies, allows) in [
        (secret, "/xSecret", true, true),
        (secret, "/xSecret;a", true, false),
        (secret, "/XSECRET", true, false),
        (secret, "/xsecret%3Fa", true, false),
        (secret, "/xsecrets", false, false),
        (r#"request.path == "/xsecret""#, "/xsecret;a", true, false),
        (
            r#"request.path.startsWith("/Pay")"#,
            "/PAY;x?y",
            true,
            false,
        ),
        (
            r#"request.path in ["/A", "/caf%C3%A9"]"#,
            "/caf%C3%A9.",
            true,
            false,
        ),
        (
            r#"request.url_path.endsWith("/admin")"#,
            "/x%23/admin;a",
            true,
            false,
        ),
        (
            r#"request.url_path.matches("^/Caf%C3%A9/[A-Z]+$")"#,
            "/caf%C3%A9;x/y",
            true,
            false,
        ),
        (r#"request.path == "/a%3Fb""#, "/a%3FB", true, false),
        (r#"request.path == "/a%3Fb""#, "/A?b", true, false),
        (
            r#"request.url_path == "/a;b" || request.path == "/c.""#,
            "/a",
            false,
            false,
        ),
        // What is let through by its negation, stays so.
        (r#"request.url_path != "/a;B""#, "/a;B", false, false),
        (
            r#"!(request.path in ["/c.", "/a;b=1/d?X=%41"])"#,
            "/a;b=1/d?X=%41",
            false,
            false,
        ),
        (r#"request.url_path != "/API""#, "/API", false, false),
        (
            r#"!request.url_path.startsWith("/API")"#,
            "/API/x",
            false,
            false,
        ),
        (
            r#"!request.url_path.matches("^/API/[A-Z]*$")"#,
            "/API/X",
            false,
            false,
        ),
        (
            r#"!(request.path in ["/caf%C3%A9"])"#,
            "/caf%C3%A9",
            false,
            false,
        ),
    ] {
        let asked = Asked {
            target,
            ..Asked::default()
        };
        assert_eq!(denied(&expr(text), asked), denies, "{text} {target}");
        assert_eq!(allowed(&expr(text), asked), allows, "{text} {target}");
    }
}

#[test]
fn a_request_that_can_be_read_in_one_way_only_is_read_once() {
    let admission = Admission::compile(AdmissionSpec {
        destinations: vec![destination()],
        upstreams: vec![upstream()],
        ..AdmissionSpec::default()
    })
    .unwrap();
    let caller = admission.caller(None, [192, 0, 2, 1].into());
    let readings = |target: &str, fields: &[(&str, &str)]| {
        let raw = RawRequest {
            method: b"GET",
            authority: b"api.example",
            target: target.as_bytes(),
            headers: &Fields(fields),
            caller: &caller,
            server_name: None,
            view: View::Gateway,
            port: 443,
            time: 0,
        };
        let request = admission.canonicalise(raw).unwrap();
        let mut readings = 0;
        let told = request.each(&mut |attributes, _| {
            readings += 1;
            attributes.map_entry(Attribute::RequestHeaders, "x-role");
            attributes.map_entry(Attribute::RequestQueryParams, "a");
            attributes.value(Attribute::RequestPath);
            false
        });
        (readings, told.is_ok())
    };
    let one = [("x-role", "user"), ("x-other", "a"), ("x-other", "b")];
    assert_eq!(readings("/a/b?a=1&b=2&b=3", &one), (1, true));
    assert_eq!(readings("/a/b", &[]), (1, true));
    // As it is; first and second; in the path's two views.
    let two = [("x-role", "user"), ("x-role", "admin")];
    assert_eq!(readings("/a", &two), (3, true));
    assert_eq!(readings("/A%3Fb", &two), (5, true));
    assert_eq!(readings("/a?a=%31", &[]), (3, true));
    // Bounded, whatever a caller sends.
    let many = [("x-role", "a"); 100];
    let target = format!("/A%23b%3F?{}", "a=%31&".repeat(1000));
    let (most, told) = readings(&target, &many);
    assert!(most <= 33 && !told, "{most}");
}
