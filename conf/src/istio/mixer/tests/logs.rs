//! What is told, in which form, to which sink.

use std::borrow::Cow;
use std::path::Path;

use policy::Outcome;
use policy::expr::{Attribute, Attributes, Value};

use super::*;
use crate::snapshot::{Layout, Level, Log, Rotate, Sink};

/// An attempt of which these texts are known.
struct Attempt(Vec<(Attribute, &'static str)>);

impl Attributes for Attempt {
    fn value(&self, attribute: Attribute) -> Option<Value<'_>> {
        let known = self.0.iter().find(|(name, _)| *name == attribute);
        known.map(|(_, text)| Value::String(Cow::Borrowed(*text)))
    }

    fn map_entry(&self, _: Attribute, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

fn selects(log: &Log, host: &'static str, path: &'static str, who: Option<&'static str>) -> bool {
    let mut known = vec![
        (Attribute::RequestHost, host),
        (Attribute::RequestPath, path),
    ];
    known.extend(who.map(|who| (Attribute::SourcePrincipal, who)));
    let outcome = Outcome {
        status: 200,
        allowed: true,
        shadow_denied: false,
        audited: false,
    };
    log.filter.selects(None, outcome, &Attempt(known))
}

/// The logs of one rule that tells an entry to `stdio`.
fn logs(stdio: &str, entry: &str) -> Vec<Log> {
    let text = check(("stdio", stdio), ("logentry", entry), "''");
    snapshot(&text).settings().logs.clone()
}

#[test]
fn document_004_tells_every_access_and_politics_as_an_error() {
    let text = LOGGING.to_owned()
        + &seed_rule(
            "handle-politics",
            "cnn.com",
            r#" && request.path.startsWith("/politics")"#,
            LOG_ERROR,
        )
        + &seed_rule("handle-cnn-access", ".cnn.com", "", LOG_ACCESS);
    assert_eq!(problems(&text), [""; 0]);
    let snapshot = snapshot(&text);
    let [error, access] = snapshot.settings().logs.as_slice() else {
        panic!("{:?}", snapshot.settings().logs)
    };
    assert_eq!((error.level, access.level), (Level::Error, Level::Info));
    assert_eq!(&*error.name, "handle-politics.rule.istio-system");
    let Layout::Mixer { instance, fields } = &access.layout else {
        panic!("{access:?}")
    };
    assert_eq!(&**instance, "egress-access.logentry.istio-system");
    let names: Vec<&str> = fields.iter().map(|(name, _)| &**name).collect();
    assert_eq!(
        names,
        [
            "destination",
            "path",
            "reporterUID",
            "responseCode",
            "responseSize",
            "sourcePrincipal"
        ]
    );
    for (host, path, of_error, of_access) in [
        ("edition.cnn.com", "/politics", true, true),
        ("edition.cnn.com", "/politics?x=1", true, true),
        ("edition.cnn.com", "/sport", false, true),
        // The document writes one rule without the dot.
        ("evilcnn.com", "/politics", true, false),
        ("a.example", "/politics", false, false),
    ] {
        let of = |log| selects(log, host, path, None);
        assert_eq!(
            (of(error), of(access)),
            (of_error, of_access),
            "{host} {path}"
        );
    }
}

#[test]
fn who_is_exempt_and_who_is_unknown_is_not_told() {
    let condition = r#" && source.principal != "cluster.local/ns/default/sa/politics""#;
    let text = LOGGING.to_owned() + &seed_rule("r", ".cnn.com", condition, LOG_ACCESS);
    let snapshot = snapshot(&text);
    let [log] = snapshot.settings().logs.as_slice() else {
        panic!("{:?}", snapshot.settings().logs)
    };
    for (who, told) in [(Some(SLEEP), true), (Some(POLITICS), false), (None, false)] {
        assert_eq!(selects(log, "edition.cnn.com", "/", who), told, "{who:?}");
    }
}

#[test]
fn a_severity_has_the_level_its_handler_gives_it() {
    let level = |stdio: &str, severity: &str| {
        logs(stdio, &format!("{{ severity: '\"{severity}\"' }}"))[0].level
    };
    for (severity, expected) in [
        ("info", Level::Info),
        ("WARNING", Level::Warn),
        ("warn", Level::Warn),
        ("err", Level::Error),
        ("FATAL", Level::Error),
        ("unheard of", Level::Info),
    ] {
        assert_eq!(level("{}", severity), expected, "{severity}");
    }
    let own = "{ severityLevels: { info: ERROR, mine: WARNING, error: 0 } }";
    assert_eq!(level(own, "info"), Level::Error);
    assert_eq!(level(own, "mine"), Level::Warn);
    assert_eq!(level(own, "error"), Level::Info);
    assert_eq!(level(own, "warning"), Level::Warn);
    assert_eq!(logs("{}", "{}")[0].level, Level::Info);
}

#[test]
fn lines_below_a_level_are_not_written() {
    let stdio = "{ outputLevel: WARNING }";
    let warning = logs(stdio, r#"{ severity: '"warning"' }"#);
    assert_eq!(warning[0].level, Level::Warn);
    let text = check(
        ("stdio", stdio),
        ("logentry", r#"{ severity: '"info"' }"#),
        "''",
    );
    let told = problem(&text);
    assert!(
        told.ends_with(
            "note: lines of level `info` are below the handler's `outputLevel`: none is written"
        ),
        "{told}"
    );
    // No rule tells anything, so every attempt is told as if there were none.
    let logs = snapshot(&text).settings().logs.clone();
    assert!(matches!(logs[0].layout, Layout::Json));
}

#[test]
fn lines_go_where_the_handler_says() {
    let file = |path: &str, rotate| Sink::File {
        path: Path::new(path).to_owned(),
        rotate,
    };
    let megabytes = |n: u64, keep| {
        Some(Rotate {
            size: n * 1024 * 1024,
            keep,
        })
    };
    for (stdio, expected) in [
        ("{}", Sink::Stdout),
        ("{ log_stream: STDOUT }", Sink::Stdout),
        ("{ logStream: 1 }", Sink::Stderr),
        (
            "{ log_stream: FILE, output_path: /var/log/a }",
            file("/var/log/a", None),
        ),
        (
            "{ log_stream: ROTATED_FILE, outputPath: /a }",
            file("/a", megabytes(100, 1000)),
        ),
        (
            "{ logStream: 3, outputPath: /a, max_megabytes_before_rotation: 5, maxRotatedFiles: 7 }",
            file("/a", megabytes(5, 7)),
        ),
    ] {
        assert_eq!(logs(stdio, "{}")[0].sink, expected, "{stdio}");
    }
}

#[test]
fn a_rule_of_a_namespace_tells_of_its_own_callers() {
    let object = |kind: &str, spec: &str| {
        format!(
            "---\napiVersion: config.istio.io/v1alpha2\nkind: {kind}\nmetadata: {{ name: x, namespace: default }}\nspec: {spec}\n"
        )
    };
    let text = object("stdio", "{}")
        + &object("logentry", "{}")
        + &object(
            "rule",
            "{ actions: [{ handler: x.stdio, instances: [x.logentry] }] }",
        );
    let snapshot = snapshot(&text);
    let log = &snapshot.settings().logs[0];
    let outcome = Outcome {
        status: 200,
        allowed: true,
        shadow_denied: false,
        audited: false,
    };
    for (who, told) in [
        (Some(SLEEP), true),
        (Some("cluster.local/ns/other/sa/sleep"), false),
        (None, false),
    ] {
        let selected = Ask { who, ..ASK }.of(&snapshot, |raw| {
            let request = snapshot.admission().canonicalise(raw).unwrap();
            log.filter.selects(Some(&request), outcome, &request)
        });
        assert_eq!(selected, told, "{who:?}");
    }
}

#[test]
fn what_only_reports_elsewhere_is_passed_over() {
    let rule = |actions: &str| {
        format!(
            "apiVersion: config.istio.io/v1alpha2\nkind: rule\nmetadata: {{ name: r, namespace: istio-system }}\nspec: {{ actions: [{actions}] }}\n"
        )
    };
    for action in [
        "{ handler: handler.prometheus, instances: [requestcount.metric] }",
        "{ handler: handler.kubernetesenv.istio-system, instances: [attributes.kubernetes] }",
        "{ handler: prometheus, instances: [requestcount.metric] }",
    ] {
        let text = rule(action)
            + "---\napiVersion: config.istio.io/v1alpha2\nkind: handler\nmetadata: { name: prometheus, namespace: istio-system }\nspec: { compiledAdapter: prometheus, params: { metrics: [] } }\n";
        let told = problem(&text);
        assert!(told.starts_with("4:30 note: `"), "{told}");
        assert!(
            told.ends_with("` only reports, in a way unknown here: passed over"),
            "{told}"
        );
        assert_eq!(snapshot(&text).admission().rules().len(), 0);
    }
    // Metrics told to `stdio` are no lines of ours, the entries beside them are.
    let text = check(("stdio", "{}"), ("logentry", "{}"), "''")
        .replace("[i.logentry]", "[m.metric, i.logentry]");
    assert_eq!(snapshot(&text).settings().logs.len(), 1);
    assert!(problem(&text).contains("`m.metric` only reports"));
}
