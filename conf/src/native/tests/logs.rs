//! Formats and logs.

use std::path::Path;

use super::*;
use crate::snapshot::{Layout, Level, Log, Overflow, Rotate, Sink};

fn logs(text: &str) -> Vec<Log> {
    settings(text).logs
}

/// The one problem of a log, written from column 5 of line 4 on.
#[track_caller]
fn wrong(text: &str) -> String {
    problem(&format!("logs:\n  - {text}\n"))
}

#[test]
fn without_a_word_every_attempt_is_one_json_line_on_standard_output() {
    let logs = logs("");
    let [log] = logs.as_slice() else {
        panic!("{logs:?}")
    };
    assert!(matches!(log.layout, Layout::Json) && !log.filter.asks_request());
    assert_eq!(
        (&log.sink, log.overflow),
        (&Sink::Stdout, Overflow::DropAndCount)
    );
}

#[test]
fn a_log_says_what_how_and_where_to() {
    let logs = logs("logs:
  - { name: denied, to: { file: log/denied.log, rotate: { size: 100MiB, keep: 3 } }, when: { decision: [deny, audit], status: '4xx' }, overflow: refuse }
  - { to: stderr, format: istio, level: error, when: [{ path: /a }, { path: /b }], unless: { from: ns:a } }
  - { format: envoy-2018, when: { path: /a, status: 200 } }
");
    let file = Sink::File {
        path: Path::new("etc/log/denied.log").to_owned(),
        rotate: Some(Rotate {
            size: 104_857_600,
            keep: 3,
        }),
    };
    assert_eq!(
        (&*logs[0].name, &logs[0].sink, logs[0].overflow),
        ("denied", &file, Overflow::Refuse)
    );
    assert_eq!(
        (
            logs[0].filter.decisions.len(),
            logs[0].filter.statuses.len(),
            logs[0].filter.when.len()
        ),
        (2, 1, 0)
    );
    assert_eq!(
        (&*logs[1].name, &logs[1].sink, logs[1].level),
        ("logs[1]", &Sink::Stderr, Level::Error)
    );
    assert_eq!(
        (logs[1].filter.when.len(), logs[1].filter.unless.len()),
        (2, 1)
    );
    let preset = |log: &Log| match &log.layout {
        Layout::Text(format) => format.name(),
        _ => None,
    };
    assert_eq!(
        (preset(&logs[1]), preset(&logs[2])),
        (Some("istio"), Some("envoy-2018"))
    );
    assert_eq!(
        (logs[2].filter.when.len(), logs[2].filter.statuses.len()),
        (1, 1)
    );
}

#[test]
fn mixers_fields_are_sorted_by_name() {
    let logs = logs(
        "formats: { m: { layout: mixer, fields: { z: request.host | \"-\", a: response.code | 0 } } }\nlogs: [{ format: m }]\n",
    );
    let Layout::Mixer { instance, fields } = &logs[0].layout else {
        panic!("{logs:?}")
    };
    let names: Vec<_> = fields.iter().map(|(name, _)| &**name).collect();
    assert_eq!((&**instance, names), ("m", vec!["a", "z"]));
}

#[test]
fn a_log_that_cannot_be_meant_is_refused() {
    assert_eq!(
        wrong("to: file"),
        "4:9 error: unknown word `file`: write `stdout` or `stderr`"
    );
    assert_eq!(
        wrong("to: { rotate: { size: 1MiB } }"),
        "4:9 error: `file` is missing: write such as `file: /var/log/egress/access.log`"
    );
    assert_eq!(
        wrong("to: { file: a, rotate: { size: 1KiB } }"),
        "4:36 error: `1KiB` is too small: write at least `64KiB`"
    );
    assert_eq!(
        wrong("to: { file: a, rotate: {} }"),
        "4:28 error: `size` is missing: write such as `size: 100MiB`"
    );
    assert_eq!(
        wrong("format: jsn"),
        "4:13 error: unknown format `jsn`: did you mean `json`?"
    );
    assert_eq!(
        wrong("format: text"),
        "4:13 error: unknown format `text`: write `json`, `envoy-2018`, `istio-1.1` or `istio`"
    );
    assert_eq!(
        wrong("when: { status: 9xx }"),
        "4:21 error: `9xx` is no set of statuses: write `200`, `4xx` or `>=500`"
    );
    assert_eq!(
        wrong("when: { decision: no }"),
        "4:23 error: `no` is no decision: write `allow`, `deny`, `shadow-deny` or `audit`"
    );
    assert_eq!(
        wrong("when: {}"),
        "4:11 error: a `when` that asks nothing: delete it, or write what it asks"
    );
    assert_eq!(
        wrong("when: { statu: 200 }"),
        "4:13 error: unknown field `statu`: did you mean `status`?"
    );
    assert_eq!(
        wrong("when: [{ path: /a, status: 200 }, { path: /b }]"),
        "4:24 error: `status` stands only in a log, in a `when` that is one map: write another log"
    );
    assert_eq!(
        wrong("unless: { decision: deny }"),
        "4:15 error: `decision` stands only in a log, in a `when` that is one map: write another log"
    );
    assert_eq!(
        wrong("level: debug"),
        "4:12 error: unknown word `debug`: write `info`, `warn` or `error`"
    );
    assert_eq!(
        wrong("overflow: block"),
        "4:15 error: unknown word `block`: write `drop` or `refuse`"
    );
}

#[test]
fn logs_of_one_sink_agree_on_it() {
    let text = "logs:\n  - to: { file: a.log }\n  - to: { file: a.log, rotate: { size: 1MiB } }\n  - to: { file: b.log, rotate: { size: 1MiB } }\n";
    assert_eq!(
        problem(text),
        "5:5 error: this file is rotated in another way at etc/egress.yaml:4: write the same `rotate`"
    );
    let text = "logs:\n  - { to: stdout }\n  - { to: stdout, overflow: refuse }\n  - { to: stderr, overflow: refuse }\n";
    assert_eq!(
        problem(text),
        "5:5 error: this sink has another `overflow` at etc/egress.yaml:4: write the same"
    );
}

#[test]
fn a_format_that_cannot_be_meant_is_refused() {
    let wrong = |text: &str| problem(&format!("formats:\n  {text}\n"));
    assert_eq!(
        wrong("json: { layout: json }"),
        "4:3 error: `json` is a format already: write another name"
    );
    assert_eq!(
        wrong("m: { layout: mixr }"),
        "4:16 error: unknown word `mixr`: write `json`, `envoy-2018`, `istio-1.1`, `istio`, `mixer`, `text` or `labels`"
    );
    assert_eq!(
        wrong("m: { fields: { a: request.host } }"),
        "4:6 error: `layout` is missing: write such as `layout: mixer`"
    );
    assert_eq!(
        wrong("m: { layout: json, instance: x }"),
        "4:22 error: `instance` has no effect here: only `layout: mixer` asks for it"
    );
    assert_eq!(
        wrong("m: { layout: mixer, fields: { a: request.hst } }"),
        "4:36 error: unknown attribute `request.hst`; write such as `request.host`"
    );
    assert_eq!(
        wrong("m: { layout: mixer, fields: [a] }"),
        "4:31 error: found a list where a map `name: expression` belongs"
    );
}

#[test]
fn a_log_asks_the_record_and_several_requests() {
    let logs = logs(
        "logs:
  - when: { status: 4xx, record: response.code >= 400, request: [{ path: /a }, { path: /b }] }
  - when: { record: { mixer: 'response.size > 1024 && request.size > 1' }, path: /a }
",
    );
    let asked = |log: &Log| (log.filter.expr.is_some(), log.filter.when.len());
    assert_eq!((asked(&logs[0]), asked(&logs[1])), ((true, 2), (true, 1)));
    assert_eq!(
        wrong("when: { path: /a, request: [{ path: /b }] }"),
        "4:23 error: `request` holds all that is asked of the request: write the other keys within it"
    );
    assert_eq!(
        wrong("when: { record: response.code }"),
        "4:21 error: the condition is INT64 where BOOL belongs: write a comparison"
    );
    assert_eq!(
        wrong("unless: { record: response.code >= 400 }"),
        "4:15 error: `record` stands only in a log, in a `when` that is one map: write another log"
    );
}

#[test]
fn logs_are_turned_off_by_a_word_of_their_own() {
    assert_eq!(logs("logs: off\n").len(), 0);
    assert_eq!(
        problem("logs: none\n"),
        "3:7 error: found a single value where a map `key: value` belongs"
    );
}

/// A line has an end: rather than leave fields out it is not begun.
#[test]
fn a_line_that_could_not_tell_all_its_fields_is_refused() {
    let fields = |number: usize| {
        let field = |number| format!("      field{number:03}: request.path\n");
        let fields: String = (0..number).map(field).collect();
        format!(
            "defaults: {{ policy: allow }}\nformats:\n  ours:\n    layout: mixer\n    fields:\n{fields}logs:\n  - {{ name: mine, format: ours }}\n"
        )
    };
    assert_eq!(logs(&fields(100)).len(), 1);
    let refused = compiled(&[document(&fields(200))]).unwrap_err();
    let expected = "209:5 error: a line of the log `mine` would be longer than 16384 bytes: write fewer fields, or shorter names";
    assert_eq!(refused, [expected]);
}
