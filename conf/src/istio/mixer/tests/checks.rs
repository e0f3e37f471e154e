//! What is refused, how, and by which rule.

use policy::expr::{Attribute, Attributes, Known};
use policy::rule::{Effect, Matcher};

use super::*;

const NOT_FOR_POLITICS: &str = r#" && source.principal != "cluster.local/ns/default/sa/politics""#;

fn body(target: &str) -> Option<(u16, String)> {
    let body = format!(
        "PERMISSION_DENIED:path-checker.listchecker.istio-system:{target} is not whitelisted"
    );
    Some((403, body))
}

#[test]
fn document_004_lets_health_and_sport_through() {
    let text = format!("{LOGGING}{LIST}")
        + &seed_rule(
            "handle-cnn-access",
            ".cnn.com",
            "",
            &format!("{LOG_ACCESS}{CHECK}"),
        );
    let snapshot = snapshot(&text);
    let [rule] = snapshot.admission().rules() else {
        panic!("{:?}", snapshot.admission().rules())
    };
    assert_eq!(&*rule.name, "path-checker.listchecker.istio-system");
    let (line, _) = text.split_once("handle-cnn-access").unwrap();
    let place = (rule.origin.line, rule.origin.column);
    let last = u32::try_from(line.lines().count()).unwrap();
    assert_eq!(place, (last, 19));
    let [
        Matcher {
            expr: Some(expr),
            hosts,
            ..
        },
    ] = rule.matchers.as_slice()
    else {
        panic!("{rule:?}")
    };
    assert_eq!((expr.conjuncts().len(), hosts.len()), (1, 0));
    for who in [Some(SLEEP), Some(POLITICS), None] {
        for (host, target, expected) in [
            ("edition.cnn.com", "/politics", body("/politics")),
            ("edition.cnn.com", "/sport", None),
            ("edition.cnn.com", "/health", None),
            ("edition.cnn.com", "/health?x=1", body("/health?x=1")),
            ("edition.cnn.com", "/Health", body("/Health")),
            ("EDITION.cnn.com:80", "/politics", body("/politics")),
            ("a.example", "/politics", None),
        ] {
            let ask = Ask {
                who,
                host,
                target,
                ..ASK
            };
            assert_eq!(ask.refused(&snapshot), expected, "{who:?} {host} {target}");
        }
    }
    let (_, politics) = body("/politics").unwrap();
    assert_eq!(politics.len(), 84);
}

#[test]
fn document_004_exempts_politics_and_nobody_unknown() {
    let text = format!("{LOGGING}{LIST}")
        + &seed_rule("handle-politics", "cnn.com", NOT_FOR_POLITICS, LOG_ERROR)
        + &seed_rule(
            "handle-cnn-access",
            ".cnn.com",
            NOT_FOR_POLITICS,
            &format!("{LOG_ACCESS}{CHECK}"),
        );
    let snapshot = snapshot(&text);
    for (who, target, expected) in [
        (Some(SLEEP), "/politics", body("/politics")),
        (Some(SLEEP), "/sport", None),
        (Some(POLITICS), "/politics", None),
        (Some(POLITICS), "/anything", None),
        // Mixer did not check a caller whom it could not name.
        (None, "/politics", body("/politics")),
        (None, "/sport", None),
    ] {
        let ask = Ask { who, target, ..ASK };
        assert_eq!(ask.refused(&snapshot), expected, "{who:?} {target}");
    }
}

#[test]
fn a_denier_answers_as_it_is_told() {
    let denied = |spec: &str| {
        let text = check(
            ("denier", spec),
            ("checknothing", "{}"),
            r#"request.method == "POST""#,
        );
        let snapshot = snapshot(&text);
        assert_eq!(ASK.refused(&snapshot), None, "{spec}");
        Ask {
            method: "POST",
            ..ASK
        }
        .refused(&snapshot)
        .unwrap()
    };
    for (spec, status, body) in [
        ("{}", 400, "FAILED_PRECONDITION:h.denier.istio-system:"),
        (
            "{ status: { code: 7, message: Not allowed }, valid_duration: 5s, validUseCount: 3 }",
            403,
            "PERMISSION_DENIED:h.denier.istio-system:Not allowed",
        ),
        (
            "{ status: { code: NOT_FOUND } }",
            404,
            "NOT_FOUND:h.denier.istio-system:",
        ),
        (
            "{ status: { code: 16 } }",
            401,
            "UNAUTHENTICATED:h.denier.istio-system:",
        ),
        (
            "{ status: { code: 8 } }",
            429,
            "RESOURCE_EXHAUSTED:h.denier.istio-system:",
        ),
        (
            "{ status: { code: 1 } }",
            499,
            "CANCELLED:h.denier.istio-system:",
        ),
    ] {
        assert_eq!(denied(spec), (status, body.to_owned()), "{spec}");
    }
}

#[test]
fn the_newer_spellings_say_the_same() {
    let text = "
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: { name: whitelist, namespace: istio-system }
spec: { compiledAdapter: listchecker, params: { overrides: [v1], blacklist: false } }
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: { name: method, namespace: istio-system }
spec: { compiledTemplate: listentry, params: { value: 'request.headers[\"x-version\"] | \"\"' } }
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: { name: never, namespace: istio-system }
spec: { adapter: denier, params: { status: { code: 7, message: no } } }
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: { name: nothing, namespace: istio-system }
spec: { template: checknothing }
---
apiVersion: config.istio.io/v1alpha2
kind: checknothing
metadata: { name: bare, namespace: istio-system }
spec:
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: { name: r, namespace: istio-system }
spec: { actions: [{ handler: whitelist, instances: [method] }] }
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: { name: s, namespace: istio-system }
spec: { match: 'request.method == \"PUT\"', actions: [{ handler: never.handler.istio-system, instances: [nothing.instance, bare.checknothing] }] }
";
    let snapshot = snapshot(text);
    let names: Vec<_> = snapshot
        .admission()
        .rules()
        .iter()
        .map(|r| &*r.name)
        .collect();
    let never = "never.handler.istio-system";
    assert_eq!(names, ["whitelist.handler.istio-system", never, never]);
    let refused = Ask {
        header: Header("x-version", "v2"),
        ..ASK
    }
    .refused(&snapshot);
    let body = "PERMISSION_DENIED:whitelist.handler.istio-system:v2 is not whitelisted";
    assert_eq!(refused, Some((403, body.to_owned())));
    let ask = Ask {
        header: Header("x-version", "v1"),
        ..ASK
    };
    assert_eq!(ask.refused(&snapshot), None);
    let put = Ask {
        method: "PUT",
        ..ask
    }
    .refused(&snapshot);
    assert_eq!(
        put,
        Some((
            403,
            "PERMISSION_DENIED:never.handler.istio-system:no".to_owned()
        ))
    );
}

#[test]
fn rules_of_a_namespace_concern_its_own_callers() {
    let object = |kind: &str, spec: &str| {
        format!(
            "---\napiVersion: config.istio.io/v1alpha2\nkind: {kind}\nmetadata: {{ name: x, namespace: default }}\nspec: {spec}\n"
        )
    };
    let text = object("denier", "{}")
        + &object("checknothing", "{}")
        + &object(
            "rule",
            "{ actions: [{ handler: x.denier, instances: [x.checknothing] }] }",
        );
    let snapshot = snapshot(&text);
    for (who, refused) in [
        (Some(SLEEP), true),
        (Some("cluster.local/ns/other/sa/sleep"), false),
        (Some("elsewhere/ns/default/sa/sleep"), false),
        // Nobody can say that he is not one of them.
        (None, true),
    ] {
        let ask = Ask { who, ..ASK };
        assert_eq!(ask.refused(&snapshot).is_some(), refused, "{who:?}");
    }
}

#[test]
fn the_first_of_several_failing_checks_answers() {
    let text = check(
        ("denier", "{ status: { code: 5 } }"),
        ("listentry", "{ value: request.path }"),
        r#"request.host == "edition.cnn.com""#,
    ) + "---
apiVersion: config.istio.io/v1alpha2
kind: listchecker
metadata: { name: l, namespace: istio-system }
spec: { overrides: [/x] }
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: { name: later, namespace: istio-system }
spec: { actions: [{ handler: l.listchecker, instances: [i.listentry] }] }
";
    let snapshot = snapshot(&text);
    assert_eq!(ASK.refused(&snapshot).unwrap().0, 404);
    let other = Ask {
        host: "a.example",
        ..ASK
    };
    assert_eq!(other.refused(&snapshot).unwrap().0, 403);
    assert!(
        snapshot
            .admission()
            .rules()
            .iter()
            .all(|r| matches!(r.effect, Effect::Deny(_)))
    );
}

#[test]
fn a_rule_about_another_reporter_says_nothing_here() {
    for condition in [
        r#"context.reporter.uid.startsWith("kubernetes://istio-ingressgateway")"#,
        r#"source.labels["app"] == "x" && context.reporter.kind == "inbound""#,
    ] {
        let text = check(
            ("denier", "{}"),
            ("checknothing", "{}"),
            &format!("'{condition}'"),
        );
        let told = problem(&text);
        let expected = "note: this rule says nothing to `kubernetes://istio-egressgateway-747b6764b8-44rrh.istio-system`: passed over";
        assert!(told.ends_with(expected), "{told}");
        assert_eq!(snapshot(&text).admission().rules().len(), 0);
    }
}

/// Mixer's `request.headers` held them; here they are matched as what is sent.
#[test]
fn pseudo_headers_are_what_a_request_says_in_canonical_form() {
    for (condition, target, refused) in [
        (
            r#"request.headers[":authority"] == "EDITION.cnn.com""#,
            "/",
            true,
        ),
        (
            r#"request.headers[":Authority"].endsWith(".cnn.com")"#,
            "/",
            true,
        ),
        (
            r#"request.headers[":authority"] == "www.cnn.com""#,
            "/",
            false,
        ),
        (
            r#"(request.headers[":path"] | "") == "/politics?x=1""#,
            "/politics?x=1",
            true,
        ),
        (
            r#"(request.headers[":path"] | "") == "/politics""#,
            "/politics?x=1",
            false,
        ),
        (r#"request.headers[":method"] == "GET""#, "/", true),
        // A name that only the request gives.
        (
            r#"(request.headers[request.headers["x"]] | "") == "GET""#,
            "/",
            true,
        ),
    ] {
        let text = check(
            ("denier", "{}"),
            ("checknothing", "{}"),
            &format!("'{condition}'"),
        );
        let ask = Ask {
            target,
            header: Header("x", ":method"),
            ..ASK
        };
        let told = ask.refused(&snapshot(&text));
        assert_eq!(told.is_some(), refused, "{condition}: {told:?}");
    }
}

/// What a check may ask is known to it, or a refusal would be one of nothing.
#[test]
fn what_is_said_to_be_known_is_known() {
    let ask = Ask {
        target: "/a?b",
        server_name: Some("edition.cnn.com"),
        ..ASK
    };
    // Folded when it is read, and fields that a request may have or not.
    let excepted = [
        Attribute::ContextReporterUid,
        Attribute::RequestUserAgent,
        Attribute::RequestReferer,
        Attribute::RequestId,
    ];
    let snapshot = snapshot(LIST);
    ask.of(&snapshot, |raw| {
        let request = snapshot.admission().canonicalise(raw).unwrap();
        for attribute in Attribute::ALL {
            let is_meant = attribute.known() == Known::Deciding && !excepted.contains(attribute);
            if is_meant {
                assert!(request.value(*attribute).is_some(), "{}", attribute.name());
            }
        }
    });
}
