use std::sync::Arc;

use super::*;

/// The keys of a matcher that asks only this, as operators write them.
fn keys(expr: Expr) -> [Vec<String>; 3] {
    let matcher = Matcher {
        expr: Some(Arc::new(expr)),
        ..Matcher::default()
    };
    let keys = Keys::of(&matcher);
    let told = |all: &[HostPattern]| all.iter().map(|key| format!("{key:?}")).collect();
    let paths = keys.paths.iter().map(|key| format!("{key:?}"));
    let from = keys.from.iter().map(|key| format!("{key:?}"));
    [told(&keys.hosts), from.collect(), paths.collect()]
}

#[test]
fn what_pins_a_host_a_caller_or_a_path_is_a_key() {
    for (text, hosts, from, paths) in [
        (
            r#"request.host.endsWith(".cnn.com") && request.path.startsWith("/politics") && source.principal != "x""#,
            &[r#"Subdomains("cnn.com")"#][..],
            &[][..],
            &[r#"Prefix("/politics")"#][..],
        ),
        (
            r#"request.host == "a.x" && source.principal == "p" && request.path == "/a""#,
            &[r#"Exact("a.x")"#],
            &[r#"Name(Exact("p"))"#],
            &[r#"Exact("/a")"#],
        ),
        (
            r#"match(request.host, "*.x") && (source.user | "none") == "p""#,
            &[r#"Subdomains("x")"#],
            &[r#"Name(Exact("p"))"#],
            &[],
        ),
        (
            r#"request.host == "a" || request.host == "b" || request.host.endsWith("c")"#,
            &[r#"Exact("a")"#, r#"Exact("b")"#, r#"Suffix("c")"#],
            &[],
            &[],
        ),
        (
            r#"request.method == "GET" && request.url_path == "/a""#,
            &[],
            &[],
            &[r#"Exact("/a")"#],
        ),
    ] {
        let told = |all: &[&str]| all.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        let expected = [told(hosts), told(from), told(paths)];
        assert_eq!(keys(Expr::cexl(text).unwrap()), expected, "{text}");
    }
    let listed = Expr::cel(r#"request.host in ["a", "b"] && request.path in ["/a"]"#).unwrap();
    let [hosts, _, paths] = keys(listed);
    assert_eq!((hosts.len(), paths.len()), (2, 1));
}

#[test]
fn what_does_not_follow_is_no_key() {
    for text in [
        r#"request.host != "a""#,
        r#"request.host.startsWith("a")"#,
        r#"request.host.endsWith("")"#,
        r#"request.path == "/a?x=1""#,
        r#"request.path.endsWith("c")"#,
        r#"(source.principal | "none") == "none""#,
        r#"(source.principal | source.user) == "p""#,
        r#"request.host == "a" || request.method == "GET""#,
        r#"request.host == "a" || source.principal == "p""#,
        // The absent term hides the host behind it.
        r#"request.host == "a" || request.useragent == "x" && request.host == "b""#,
        r#"!(request.host == "a")"#,
    ] {
        let nothing: [Vec<String>; 3] = Default::default();
        assert_eq!(keys(Expr::cexl(text).unwrap()), nothing, "{text}");
    }
}

#[test]
fn what_is_written_stays_and_lists_that_multiply_do_not() {
    let many = |what: &str, begin: &str| {
        let all: Vec<String> = (0..80).map(|n| format!("\"{begin}{n}\"")).collect();
        format!("{what} in [{}]", all.join(", "))
    };
    let text = format!(
        "{} && {}",
        many("request.host", "h"),
        many("request.path", "/")
    );
    let [hosts, _, paths] = keys(Expr::cel(&text).unwrap());
    assert_eq!((hosts.len(), paths.len()), (80, 0));
    let matcher = Matcher {
        hosts: vec![HostPattern::Any],
        expr: Some(Arc::new(Expr::cexl(r#"request.host == "a""#).unwrap())),
        ..Matcher::default()
    };
    assert_eq!(Keys::of(&matcher).hosts.as_ref(), [HostPattern::Any]);
}
