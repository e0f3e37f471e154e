//! Every mistake, at its place and in its words.

use super::*;

/// The one problem of a list check with something wrong in it: the handler is
/// on line 5, the instance on line 10, the rule on line 15.
#[track_caller]
fn wrong(handler: (&str, &str), instance: (&str, &str), condition: &str) -> String {
    problem(&check(handler, instance, condition))
}

const LISTED: (&str, &str) = ("listentry", "{ value: request.path }");

#[test]
fn an_expression_is_wrong_at_its_character() {
    let condition = |text: &str| {
        wrong(
            ("denier", "{}"),
            ("checknothing", "{}"),
            &format!("'{text}'"),
        )
    };
    for (text, expected) in [
        (
            r#"request.hots == "x""#,
            "15:17 error: unknown attribute `request.hots`",
        ),
        (
            r#"request.host"#,
            "15:16 error: the condition is STRING where BOOL belongs: write a comparison",
        ),
        (
            r#"request.method == "GET" && response.code == 200"#,
            "15:44 error: `response.code` is not known when a request is checked: ask for another attribute",
        ),
        (
            r#"source.labels["app"] == "x""#,
            "15:17 error: `source.labels` is never known at this gateway: ask for another attribute",
        ),
        (
            r#"(request.api_key | "") == "x""#,
            "15:18 error: `request.api_key` is never known at this gateway: ask for another attribute",
        ),
        (
            r#"(connection.tls_version | "") == "TLSv1.2""#,
            "15:18 error: `connection.tls_version` is never known at this gateway: ask for another attribute",
        ),
        (
            r#"(source.address | "") == "192.0.2.1:80""#,
            "15:18 error: `source.address` is not known when a request is checked: ask for another attribute",
        ),
    ] {
        let told = condition(text);
        assert!(told.starts_with(expected), "{told}");
    }
    let value = wrong(
        ("listchecker", "{ overrides: [/a] }"),
        ("listentry", "{ value: response.code }"),
        "''",
    );
    assert_eq!(
        value,
        "10:16 error: the value is INT64 where STRING or IP_ADDRESS belongs: write such as `request.path`"
    );
    let value = wrong(
        ("listchecker", "{ overrides: [a] }"),
        ("listentry", "{ value: source.uid }"),
        "''",
    );
    assert_eq!(
        value,
        "10:16 error: `source.uid` is never known at this gateway: ask for another attribute"
    );
}

#[test]
fn a_log_that_cannot_be_written_as_told_is_an_error() {
    for (stdio, entry, expected) in [
        (
            "{ outputAsJson: false }",
            "{}",
            "5:9 error: lines are written as JSON: delete `outputAsJson`, or write native `logs` with `format: istio` for text",
        ),
        (
            "{ logStream: FILE }",
            "{}",
            "5:7 error: `outputPath` is missing: write such as `outputPath: /var/log/egress.log`",
        ),
        (
            "{ logStream: SYSLOG }",
            "{}",
            "5:20 error: unknown word `SYSLOG`: write `STDOUT`, `STDERR`, `FILE` or `ROTATED_FILE`",
        ),
        (
            "{ severityLevels: { info: 3 } }",
            "{}",
            "5:33 error: unknown word `3`: write `INFO`, `WARNING` or `ERROR`",
        ),
        (
            "{ outputPaht: /a }",
            "{}",
            "5:9 error: unknown field `outputPaht`: did you mean `outputPath`?",
        ),
        (
            "{}",
            "{ severity: 'conditional(response.code == 200, \"info\", \"error\")' }",
            "10:19 error: the severity depends on the request: write a constant such as `'\"info\"'`, and a rule for each severity",
        ),
        (
            "{}",
            "{ timestamp: response.time }",
            "10:20 error: lines carry the time at which the request began: write `request.time`",
        ),
        (
            "{}",
            "{ variables: { a: request.hots } }",
            "10:25 error: unknown attribute `request.hots`; write such as `request.host`",
        ),
        (
            "{}",
            "{ variables: [request.host] }",
            "10:20 error: found a list where a map `name: expression` belongs",
        ),
    ] {
        let told = wrong(("stdio", stdio), ("logentry", entry), "''");
        assert_eq!(told, expected, "{stdio} {entry}");
    }
    let told = wrong(
        (
            "stdio",
            "{ logStream: 3, outputPath: /a, maxDaysBeforeRotation: 3 }",
        ),
        ("logentry", "{}"),
        "''",
    );
    assert_eq!(
        told,
        "5:39 warning: files are rotated by their size alone: `maxDaysBeforeRotation` has no effect"
    );
    let twice = check(
        ("stdio", "{ logStream: 3, outputPath: /a }"),
        ("logentry", "{}"),
        "''",
    ) + "---\napiVersion: config.istio.io/v1alpha2\nkind: stdio\nmetadata: { name: other }\nspec: { logStream: 2, outputPath: /a }\n";
    assert_eq!(
        problem(&twice),
        "19:19 error: this file is rotated in another way by the handler at mixer.yaml:4: write the same rotation"
    );
}

#[test]
fn a_handler_that_cannot_be_honoured_is_an_error() {
    for (kind, spec, expected) in [
        (
            "listchecker",
            "{ providerUrl: 'ftp://a.example', refreshInterval: 1s, ttl: 300s }",
            "5:22 error: no URL of a list: write such as `https://lists.example/topics.txt`, without user, password or fragment",
        ),
        (
            "listchecker",
            "{ blacklist: true }",
            "5:7 error: the list has no entries: write them under `overrides`",
        ),
        (
            "listchecker",
            "{ overrides: [] }",
            "5:9 error: `overrides` is an empty list: write an entry, or delete the key",
        ),
        (
            "listchecker",
            "{ overrides: [/a], entryType: GLOB }",
            "5:37 error: unknown word `GLOB`: write `STRINGS`, `CASE_INSENSITIVE_STRINGS`, `IP_ADDRESSES` or `REGEX`",
        ),
        (
            "listchecker",
            "{ overrides: [/a], cachingInterval: soon }",
            "5:43 error: `soon` is no duration: write such as `500ms`, `3s` or `1h30m`",
        ),
        (
            "denier",
            "{ status: { message: no } }",
            "5:17 error: a `status` without `code` denies nothing: write such as `code: 7`",
        ),
        (
            "denier",
            "{ status: { code: 7, details: [] } }",
            "5:28 error: `details` cannot be honoured: nobody would read them: delete it",
        ),
        (
            "handler",
            "{ params: {} }",
            "5:7 error: `compiledAdapter` is missing: write such as `compiledAdapter: listchecker`",
        ),
        (
            "handler",
            "{ compiledAdapter: memquota, params: {} }",
            "5:26 error: the adapter `memquota` cannot be honoured: write `stdio`, `listchecker` or `denier`",
        ),
        (
            "handler",
            "{ compiledAdapter: denier }",
            "5:7 error: `params` is missing: write `params: {}` for what is usual",
        ),
        (
            "handler",
            "{ adapter: mine, connection: { address: 'a:1' } }",
            "5:24 error: an adapter in another process cannot be asked: use `compiledAdapter: listchecker` or `denier`, or an AuthorizationPolicy of action CUSTOM",
        ),
    ] {
        assert_eq!(wrong((kind, spec), LISTED, "''"), expected, "{kind} {spec}");
    }
}

#[test]
fn an_instance_that_cannot_be_honoured_is_an_error() {
    for (spec, expected) in [
        (
            "{ compiledTemplate: quota, params: {} }",
            "10:27 error: the template `quota` cannot be honoured: write `logentry`, `listentry` or `checknothing`",
        ),
        (
            "{ params: {} }",
            "10:7 error: `compiledTemplate` is missing: write such as `compiledTemplate: listentry`",
        ),
        (
            "{ compiledTemplate: listentry, params: {} }",
            "10:46 error: `value` is missing: write such as `value: request.path`",
        ),
        (
            "{ compiledTemplate: checknothing, attributeBindings: { a: b } }",
            "10:41 error: attributes cannot be bound here: delete `attributeBindings`",
        ),
    ] {
        assert_eq!(
            wrong(("denier", "{}"), ("instance", spec), "''"),
            expected,
            "{spec}"
        );
    }
}

#[test]
fn a_rule_that_cannot_be_honoured_is_an_error() {
    let rule = |spec: &str| {
        let spec = format!("spec: {spec}\n");
        let text = check(("denier", "{}"), ("checknothing", "{}"), "''");
        let (others, _) = text.rsplit_once("spec:").unwrap();
        problem(&format!("{others}{spec}"))
    };
    let action = "actions: [{ handler: h.denier, instances: [i.checknothing] }]";
    for (spec, expected) in [
        (
            "{}".to_owned(),
            "15:7 error: `actions` is missing: write such as `actions: [{ handler: …, instances: […] }]`",
        ),
        (
            format!("{{ sampling: {{}}, {action} }}"),
            "15:9 error: `sampling` cannot be honoured: every attempt is told and checked: delete it",
        ),
        (
            format!("{{ requestHeaderOperations: [], {action} }}"),
            "15:9 error: `requestHeaderOperations` cannot be honoured: write `headers` in a VirtualService",
        ),
        (
            format!("{{ response_header_operations: [], {action} }}"),
            "15:9 error: `responseHeaderOperations` cannot be honoured: write `headers` in a VirtualService",
        ),
        (
            "{ actions: [{ handler: h.denier }] }".to_owned(),
            "15:19 error: `instances` is missing: write such as `instances: [a.listentry]`",
        ),
        (
            "{ actions: [{ instances: [i.checknothing] }] }".to_owned(),
            "15:19 error: `handler` is missing: write such as `handler: a.listchecker`",
        ),
        (
            "{ actions: [{ handler: g.denier, instances: [i.checknothing] }] }".to_owned(),
            "15:30 error: no handler is named `g.denier`: write one, or its full name such as `NAME.listchecker.NAMESPACE`",
        ),
        (
            "{ actions: [{ handler: h.denier, instances: [j.checknothing] }] }".to_owned(),
            "15:52 error: no instance is named `j.checknothing`: write one, or its full name such as `NAME.listentry.NAMESPACE`",
        ),
        (
            "{ actions: [{ handler: h.memquota, instances: [i.checknothing] }] }".to_owned(),
            "15:30 error: no handler is named `h.memquota`: write one, or its full name such as `NAME.listchecker.NAMESPACE`",
        ),
        (
            "{ actions: [{ handler: h.denier, instances: [m.metric] }] }".to_owned(),
            "15:52 error: `h.denier.istio-system` takes nothing like `m.metric`: write a logentry for stdio, a listentry for listchecker, a checknothing for denier",
        ),
    ] {
        assert_eq!(rule(&spec), expected, "{spec}");
    }
    let misfit = wrong(
        ("listchecker", "{ overrides: [/a] }"),
        ("checknothing", "{}"),
        "''",
    );
    assert!(
        misfit.contains(
            "error: `h.listchecker.istio-system` takes nothing like `i.checknothing.istio-system`"
        ),
        "{misfit}"
    );
}

#[test]
fn one_mistake_is_told_once_and_by_no_one_else() {
    // What names a wrong handler is not wrong for that.
    let told = wrong(
        ("listchecker", "{ overrides: [/a], blacklist: maybe }"),
        LISTED,
        "''",
    );
    assert_eq!(
        told,
        "5:37 error: unknown word `maybe`: write `true` or `false`"
    );
    let text = check(("denier", "{}"), ("checknothing", "{}"), "''").replacen(
        "name: r,",
        "annotations: { policy.istio.io/lang: CEL }, name: r,",
        1,
    );
    assert!(
        problem(&text)
            .contains("error: expressions in `CEL` cannot be honoured: write them in CEXL")
    );
}

#[test]
fn an_entry_that_could_never_match_is_an_error() {
    for (list, value, expected) in [
        (
            "overrides: [health]",
            "request.path",
            "`health` is no path, and lists are compared letter for letter: write such as `/health`",
        ),
        (
            "overrides: [/a/../b]",
            "request.path",
            "`/a/../b`: the path holds a `.` or `..` segment: send the resolved path",
        ),
        (
            "overrides: ['/a?b']",
            "request.url_path",
            "`/a?b` has a query, which `request.url_path` has not: write `request.path` as the value",
        ),
        (
            "overrides: ['*.cnn.com']",
            "request.host",
            "`*.cnn.com` would be compared letter for letter: write `entryType: REGEX`",
        ),
        (
            "overrides: [x], entryType: IP_ADDRESSES",
            "source.ip",
            "`x` is no address and no range of them: write such as `10.0.0.0/8`",
        ),
        (
            "overrides: ['a*'], blacklist: false",
            "source.namespace",
            "`a*` is no namespace: write its name",
        ),
        (
            "overrides: ['a)|(b'], entryType: REGEX",
            "request.path",
            "`)` closes no group; write `\\)` for the character",
        ),
        (
            "overrides: ['('], entryType: REGEX",
            "request.method",
            "`(` is never closed; write `\\(` for the character",
        ),
        (
            "overrides: [x], entryType: REGEX",
            "source.ip",
            "an address is no text to search: write `entryType: IP_ADDRESSES`",
        ),
    ] {
        let value = format!("{{ value: '{value}' }}");
        let text = check(
            ("listchecker", &format!("{{ {list} }}")),
            ("listentry", &value),
            "''",
        );
        let column = text.lines().nth(4).unwrap().find('[').unwrap() + 2;
        assert_eq!(
            problem(&text),
            format!("5:{column} error: {expected}"),
            "{list}"
        );
    }
}
