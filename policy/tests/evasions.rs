//! What a deny says cannot be got around by writing the request another way, and
//! what an allow says is not stretched by it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

#[path = "reference/asked.rs"]
mod asked;

use asked::{Asked, allowed, denied};
use policy::door::View;
use policy::pattern::{PathPattern, ValuePattern};
use policy::rule::{Matcher, NamedPattern};

fn path(pattern: PathPattern) -> Matcher {
    Matcher {
        paths: vec![pattern],
        ..Matcher::default()
    }
}

/// A deny of the path refuses these and not those; an allow takes the first only.
#[track_caller]
fn check_path(pattern: PathPattern, exact: &str, refused: &[&str], passed: &[&str]) {
    let matcher = path(pattern.clone());
    let to = |target| Asked {
        target,
        ..Asked::default()
    };
    let expected = [&exact]
        .into_iter()
        .chain(refused)
        .map(|target| (*target, true));
    for (target, expected) in expected.chain(passed.iter().map(|target| (*target, false))) {
        assert_eq!(
            denied(&matcher, to(target)),
            expected,
            "{pattern:?} {target}"
        );
        let permitted = allowed(&matcher, to(target));
        assert_eq!(permitted, target == exact, "allow {pattern:?} {target}");
    }
    let targets = Matcher {
        targets: matcher.paths,
        ..Matcher::default()
    };
    for target in refused {
        assert!(denied(&targets, to(target)), "target {pattern:?} {target}");
    }
}

#[test]
fn a_literal_behind_a_wildcard_is_found_on_both_sides_of_a_decoded_delimiter() {
    let template = PathPattern::template("/{*}/secret").unwrap();
    let evasions = [
        "/x%23/secret;v=1",
        "/x%3F/secret.",
        "/x%23/secret%3Fa",
        "/x%2523y/SECRET",
        "/x/secret%23/b",
    ];
    check_path(
        template,
        "/x/secret",
        &evasions,
        &["/x%23/secrets", "/x%3Fy"],
    );
    let suffix = PathPattern::parse("*/admin").unwrap();
    check_path(
        suffix,
        "/foo/admin",
        &[
            "/fo%23o/admin;x",
            "/fo%3Fo/Admin",
            "/admin%23x",
            "/%23/admin%3Fx%20",
        ],
        &["/admin/x", "/foo%23admin"],
    );
}

#[test]
fn a_literal_with_escapes_is_found_where_views_hold_none() {
    check_path(
        PathPattern::parse("/caf%C3%A9").unwrap(),
        "/caf%C3%A9",
        &[
            "/caf%C3%A9;x",
            "/caf%C3%A9.",
            "/CAF%C3%89",
            "/cafe%CC%81",
            "/caf%25C3%25A9",
        ],
        &["/cafe", "/caf%C3%A8", "/caf%C3%A9/x"],
    );
    check_path(
        PathPattern::parse("/my%20files/*").unwrap(),
        "/my%20files/a",
        &["/my%20files;x/a", "/My%20Files/a", "/my%2520files/a"],
        &["/my%20files", "/myfiles/a"],
    );
    check_path(
        PathPattern::parse("*/%C3%A9t%C3%A9").unwrap(),
        "/x/%C3%A9t%C3%A9",
        &["/x/%C3%89T%C3%89", "/%C3%A9t%C3%A9;x"],
        &["/x/ete"],
    );
    check_path(
        PathPattern::segment_prefix("/a%2Fb").unwrap(),
        "/a%2Fb/c",
        &["/a/b", "/a%252Fb/c", "/A%2FB;x"],
        &["/a%2Fbc", "/a"],
    );
    check_path(
        PathPattern::segment_prefix("/a%2F").unwrap(),
        "/a%2F/c",
        &["/a%2Fc", "/a/c"],
        &["/ac"],
    );
}

#[test]
fn templates_and_expressions_with_escapes_are_found_there_too() {
    check_path(
        PathPattern::template("/v1/{*}/caf%C3%A9/{**}").unwrap(),
        "/v1/x/caf%C3%A9/y",
        &[
            "/v1/x/CAF%C3%89/y",
            "/v1/x;a/caf%C3%A9;b/y",
            "/v1/%23/caf%C3%A9./y",
        ],
        &["/v1/x/cafe/y"],
    );
    check_path(
        PathPattern::regex("/(caf%C3%A9|th%C3%A9)(/.*)?").unwrap(),
        "/th%C3%A9/x",
        &["/TH%C3%89", "/caf%C3%A9;x", "/caf%C3%A9./y"],
        &["/the", "/th%C3%A9s"],
    );
    check_path(
        PathPattern::regex(".*%20x").unwrap(),
        "/a%20x",
        &["/a%20X;", "/a%2520x"],
        &["/ax", "/a%20xy"],
    );
}

#[test]
fn what_a_view_drops_from_a_segment_a_literal_keeps() {
    check_path(
        PathPattern::parse("/report;admin").unwrap(),
        "/report;admin",
        &["/REPORT;Admin"],
        &["/report", "/report;user"],
    );
    check_path(
        PathPattern::parse("*%3Bv=1").unwrap(),
        "/a%3Bv=1",
        &["/A%3BV=1", "/a;v=1"],
        &["/a", "/a;v=2"],
    );
}

#[test]
fn a_target_is_found_whichever_way_its_query_is_written() {
    let target = |pattern| Matcher {
        targets: vec![pattern],
        ..Matcher::default()
    };
    let plain = |text| target(PathPattern::parse(text).unwrap());
    for (matcher, sent, denies, allows) in [
        (plain("/a?x=1"), "/a?x=1", true, true),
        (plain("/a?x=1"), "/A;b?%78=%31", true, false),
        (plain("/a?x=1"), "/a?x=%32", false, false),
        (plain("/a?x=b%20c"), "/a?x=b%20c", true, true),
        (plain("/a?x=b%20c"), "/a?x=%62%20C", true, false),
        (plain("*=b%20c"), "/a?x=%62%20C", true, false),
        (
            target(PathPattern::regex(".*[?&]role=ad%6Din(&.*)?").unwrap()),
            "/?a&role=%61dmin",
            true,
            false,
        ),
    ] {
        let asked = Asked {
            target: sent,
            ..Asked::default()
        };
        assert_eq!(denied(&matcher, asked), denies, "{matcher:?} {sent}");
        assert_eq!(allowed(&matcher, asked), allows, "{matcher:?} {sent}");
    }
}

#[test]
fn no_caller_chooses_his_port_at_a_gateway() {
    let ports = |ports: &[u16]| Matcher {
        ports: ports.to_vec(),
        ..Matcher::default()
    };
    let to = |authority, view| Asked {
        authority,
        view,
        ..Asked::default()
    };
    // (host, view, port, a deny of it holds, an allow of it holds)
    for (authority, view, port, denies, allows) in [
        ("api.example", View::Gateway, 443, true, true),
        ("api.example:443", View::Gateway, 443, true, true),
        ("api.example:80", View::Gateway, 443, true, false),
        ("api.example:80", View::Gateway, 80, true, false),
        ("api.example", View::Gateway, 80, false, false),
        ("api.example:80", View::Mesh, 443, false, false),
        ("api.example:80", View::Mesh, 80, true, true),
        ("api.example", View::Mesh, 443, true, true),
    ] {
        let (matcher, asked) = (ports(&[port]), to(authority, view));
        assert_eq!(
            denied(&matcher, asked),
            denies,
            "{authority} {view:?} {port}"
        );
        assert_eq!(
            allowed(&matcher, asked),
            allows,
            "{authority} {view:?} {port}"
        );
    }
    let named = Matcher {
        host_ports: vec![80],
        ..Matcher::default()
    };
    for (authority, view, denies, allows) in [
        ("api.example:80", View::Gateway, true, true),
        ("api.example", View::Gateway, false, false),
        ("api.example:80", View::Mesh, true, true),
    ] {
        let asked = to(authority, view);
        assert_eq!(denied(&named, asked), denies, "{authority} {view:?}");
        assert_eq!(allowed(&named, asked), allows, "{authority} {view:?}");
    }
    let listener = Matcher {
        host_ports: vec![443],
        ..Matcher::default()
    };
    assert!(denied(&listener, to("api.example:80", View::Gateway)));
    assert!(!allowed(&listener, to("api.example:80", View::Gateway)));
    let both = ports(&[80, 443]);
    assert!(allowed(&both, to("api.example:80", View::Gateway)));
}

#[test]
fn cookies_are_judged_as_they_are_sent() {
    let cookie = |pattern| Matcher {
        headers: vec![NamedPattern {
            name: "cookie".into(),
            pattern,
        }],
        ..Matcher::default()
    };
    let with = |fields| Asked {
        fields,
        ..Asked::default()
    };
    let crumbs = with(&[("cookie", "role=admin"), ("cookie", "debug=1")]);
    let joined = with(&[("cookie", "role=admin; debug=1")]);
    let regex = |text| ValuePattern::regex(text).unwrap();
    let together = cookie(regex(".*role=admin; *debug=1.*"));
    let crumb = cookie(regex("debug=1"));
    let not = |text| cookie(ValuePattern::Not(Box::new(regex(text))));
    for (matcher, denies, allows) in [
        (&together, true, true),
        (&crumb, true, false),
        (&not(".*debug=1"), false, false),
        (&not("debug=1"), true, false),
    ] {
        assert_eq!(denied(matcher, crumbs), denies, "{matcher:?}");
        assert_eq!(allowed(matcher, crumbs), allows, "{matcher:?}");
    }
    assert!(denied(&together, joined) && !denied(&crumb, joined));
}
