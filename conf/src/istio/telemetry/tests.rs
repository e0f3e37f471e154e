//! Telemetry, from YAML to logs.

use crate::snapshot::{Layout, Sink};
use crate::{Environment, Snapshot, SourceFile, compile};

const NATIVE: &str = "version: 1\nlisteners: [{ port: 443 }]\n";

fn compiled(objects: &str) -> Result<Snapshot, Vec<String>> {
    let files = [
        SourceFile::new("native.yaml", NATIVE),
        SourceFile::new("istio.yaml", objects),
    ];
    compile(&files, &Environment::default()).map_err(|problems| {
        let told = problems.iter().map(|problem| {
            let (line, column) = (problem.origin.line, problem.origin.column);
            format!("{line}:{column} {}: {}", problem.severity, problem.message)
        });
        told.collect()
    })
}

/// Name, sink, form and whether there is a filter, of every log.
fn logs(objects: &str) -> Vec<String> {
    let snapshot = compiled(objects).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let told = snapshot.settings().logs.iter().map(|log| {
        let sink = match &log.sink {
            Sink::Stdout => "stdout".to_owned(),
            Sink::Stderr => "stderr".to_owned(),
            Sink::File { path, .. } => path.display().to_string(),
        };
        let layout = match &log.layout {
            Layout::Json => "json".to_owned(),
            Layout::Mixer { .. } => "mixer".to_owned(),
            Layout::Text(format) => format.name().unwrap_or(format.written()).to_owned(),
            Layout::Labels(labels) => format!(
                "{:?}",
                labels.iter().map(|(name, _)| name).collect::<Vec<_>>()
            ),
        };
        let filter = if log.filter.expr.is_some() {
            " filtered"
        } else {
            ""
        };
        format!("{} {sink} {layout}{filter}", log.name)
    });
    told.collect()
}

fn telemetry(metadata: &str, spec: &str) -> String {
    format!(
        "apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {metadata}\nspec: {spec}\n---\n"
    )
}

const MESH: &str = "apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  meshNetworks: 'networks: {}'
  mesh: |-
    accessLogFile: /dev/stdout
    accessLogFormat: '%RESPONSE_CODE%'
    defaultConfig: { discoveryAddress: istiod.istio-system.svc:15012 }
    extensionProviders:
    - name: file
      envoyFileAccessLog: { path: /var/log/egress.log, logFormat: { labels: { z: '%DURATION%', a: '%REQ(:PATH)%' } } }
    - name: errors
      envoyFileAccessLog: { path: /dev/stderr, logFormat: { text: \"%ROUTE_NAME%\\n\" } }
    - name: otel
      opentelemetry: { service: otel.observability.svc, port: 4317 }
---
";

const HERE: &str = "{ name: t, namespace: istio-system, labels: {} }";

/// What decides about policy and is not so here, at its place and in its words.
#[test]
fn a_mesh_config_that_says_otherwise_of_policy_is_an_error() {
    let mesh = |config: &str| {
        format!(
            "apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {{ name: o, namespace: istio-system }}
spec: {{ meshConfig: {{ {config} }} }}
"
        )
    };
    for (config, expected) in [
        (
            "rootNamespace: mesh-root",
            "4:38 error: the root namespace is `istio-system` here: write `gateway: { rootNamespace: mesh-root }` in a native document",
        ),
        (
            "trustDomain: corp.example",
            "4:36 error: `corp.example` is no name of the mesh's own trust domain here, which is `cluster.local`: write it as `domain`, or under `aliases`, of the `trust` of a native document",
        ),
        (
            "trustDomainAliases: [cluster.local, old.example]",
            "4:59 error: `old.example` is no name of the mesh's own trust domain here, which is `cluster.local`: write it as `domain`, or under `aliases`, of the `trust` of a native document",
        ),
        (
            "defaultServiceExportTo: ['.']",
            "4:48 error: `defaultServiceExportTo` cannot be honoured: write `exportTo` in each ServiceEntry, and `[\"*\"]` here",
        ),
        (
            "meshMTLS: { minProtocolVersion: TLSV1_3 }",
            "4:55 error: not supported yet: callers may speak TLS 1.2, with forward secrecy and AEAD: write `TLSV1_2`",
        ),
    ] {
        let told = compiled(&mesh(config)).map(|_| ()).expect_err(config);
        assert_eq!(told, [expected], "{config}");
    }
    compiled(&mesh(
        "rootNamespace: istio-system, trustDomain: cluster.local, defaultVirtualServiceExportTo: ['*'], meshMTLS: { minProtocolVersion: TLSV1_2 }",
    ))
    .unwrap();
}

#[test]
fn without_a_word_logs_stay_as_they_are() {
    assert_eq!(logs(""), ["access stdout json"]);
    let elsewhere = telemetry(
        "{ name: t, namespace: shop }",
        "{ accessLogging: [{ disabled: true }] }",
    );
    assert_eq!(logs(&elsewhere), ["access stdout json"]);
    assert_eq!(logs(MESH), ["mesh stdout %RESPONSE_CODE%"]);
}

#[test]
fn an_operators_mesh_config_is_one() {
    let operator = |spec: &str| {
        format!(
            "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nmetadata: {{ name: o }}\nspec: {spec}\n---\n"
        )
    };
    let warnings = |objects: &str| {
        let snapshot = compiled(objects).unwrap();
        let told = snapshot.warnings().iter();
        told.map(|problem| format!("{} {}", problem.severity, problem.message))
            .collect::<Vec<_>>()
    };
    let stdout = operator("{ profile: demo, meshConfig: { accessLogFile: /dev/stdout } }");
    assert_eq!(logs(&stdout), ["mesh stdout istio"]);
    assert_eq!(warnings(&stdout), [""; 0]);
    // The ConfigMap is what a mesh goes by.
    let stderr = stdout.replace("stdout", "stderr");
    let both = format!("{stderr}{MESH}");
    assert_eq!(logs(&both), ["mesh stdout %RESPONSE_CODE%"]);
    assert_eq!(
        warnings(&both),
        [
            "warning there is also the ConfigMap `istio`, which holds, at istio.yaml:12: delete one of them"
        ]
    );
    let silent = operator("{ profile: demo }");
    assert_eq!(logs(&silent), ["access stdout json"]);
    assert_eq!(
        warnings(&silent),
        [
            "note this IstioOperator has no `meshConfig`, and says nothing else to a gateway: passed over"
        ]
    );
    let wrong = operator("{ meshConfig: { accessLogFiel: /dev/stdout } }");
    let problems = compiled(&wrong).unwrap_err();
    assert!(
        problems[0].contains("did you mean `accessLogFile`?"),
        "{problems:?}"
    );
}

#[test]
fn the_nearest_object_says_which_providers_are_on() {
    let with = |spec: &str| logs(&format!("{MESH}{}", telemetry(HERE, spec)));
    for (spec, expected) in [
        (
            "{ accessLogging: [{ providers: [{ name: envoy }] }] }",
            &["envoy stdout %RESPONSE_CODE%"][..],
        ),
        (
            "{ accessLogging: [{ providers: [{ name: file }, { name: errors }] }] }",
            &[
                "file /var/log/egress.log [\"a\", \"z\"]",
                "errors stderr %ROUTE_NAME%",
            ],
        ),
        ("{ accessLogging: [{ disabled: true }] }", &[]),
        (
            "{ accessLogging: [{ filter: { expression: response.code >= 400 } }] }",
            &["mesh stdout %RESPONSE_CODE% filtered"],
        ),
        (
            "{ accessLogging: [{ match: { mode: SERVER }, disabled: true }] }",
            &["mesh stdout %RESPONSE_CODE%"],
        ),
        (
            "{ accessLogging: [{ match: { mode: CLIENT }, disabled: true }] }",
            &[],
        ),
        (
            "{ selector: { matchLabels: { istio: egressgateway } }, accessLogging: [{ disabled: true }] }",
            &[],
        ),
        (
            "{ selector: { matchLabels: { istio: other } }, accessLogging: [{ disabled: true }] }",
            &["mesh stdout %RESPONSE_CODE%"],
        ),
        (
            "{ targetRefs: [{ kind: Gateway, group: gateway.networking.k8s.io, name: istio-egressgateway }], accessLogging: [{ disabled: true }] }",
            &[],
        ),
        (
            "{ targetRefs: [{ kind: Gateway, group: gateway.networking.k8s.io, name: other }], accessLogging: [{ disabled: true }] }",
            &["mesh stdout %RESPONSE_CODE%"],
        ),
        (
            "{ tracing: [{}], metrics: [{}] }",
            &["mesh stdout %RESPONSE_CODE%"],
        ),
    ] {
        assert_eq!(with(spec), expected, "{spec}");
    }
    // A workload has the word before the mesh, whatever the order.
    let selector = "selector: { matchLabels: { istio: egressgateway } }, ";
    let both = format!(
        "{}{}",
        telemetry(
            "{ name: w, namespace: istio-system }",
            &format!(
                "{{ {selector}accessLogging: [{{ filter: {{ expression: 'response.code >= 500' }} }}] }}"
            )
        ),
        telemetry(
            "{ name: m, namespace: istio-system }",
            "{ accessLogging: [{ providers: [{ name: envoy }] }] }"
        ),
    );
    assert_eq!(logs(&both), ["envoy stdout istio filtered"]);
}

#[test]
fn mesh_config_may_ask_for_json() {
    let json = MESH.replace(
        "accessLogFormat: '%RESPONSE_CODE%'",
        "accessLogEncoding: JSON",
    );
    assert_eq!(logs(&json), ["mesh stdout json"]);
    let labels = MESH.replace(
        "accessLogFormat: '%RESPONSE_CODE%'",
        "accessLogEncoding: JSON\n    accessLogFormat: '{\"code\": \"%RESPONSE_CODE%\"}'",
    );
    assert_eq!(logs(&labels), ["mesh stdout [\"code\"]"]);
    let none = MESH.replace("accessLogFile: /dev/stdout", "accessLogFile: ''");
    assert_eq!(logs(&none), ["access stdout json"]);
    let named = MESH.replace(
        "accessLogFile: /dev/stdout",
        "defaultProviders: { accessLogging: [errors] }",
    );
    assert_eq!(logs(&named), ["errors stderr %ROUTE_NAME%"]);
}

#[test]
fn what_cannot_be_told_is_refused_at_its_place() {
    let spec = |spec: &str| format!("{MESH}{}", telemetry(HERE, spec));
    for (objects, place, expected) in [
        (
            spec("{ accessLogging: [{ providers: [{ name: fil }] }] }"),
            "21:47",
            "unknown provider `fil`: did you mean `file`?",
        ),
        (
            spec("{ accessLogging: [{ providers: [{ name: loki-out }] }] }"),
            "21:47",
            "define it under `extensionProviders` in the ConfigMap `istio` of `istio-system`, or write `envoy`",
        ),
        (
            spec("{ accessLogging: [{ providers: [{ name: otel }] }] }"),
            "21:47",
            "not supported yet: the provider `otel` writes to no file",
        ),
        (
            spec("{ accessLogging: [{ filter: { expression: response.cod } }] }"),
            "21:49",
            "unknown attribute",
        ),
        (
            spec("{ accesLogging: [] }"),
            "21:9",
            "did you mean `accessLogging`?",
        ),
        (
            MESH.replace("%RESPONSE_CODE%", "%RESPONSE_CODES%"),
            "8:24",
            "did you mean `RESPONSE_CODE`?",
        ),
        (
            MESH.replace("accessLogFile:", "accessLogFil:"),
            "7:5",
            "did you mean `accessLogFile`?",
        ),
        (
            MESH.replace("/var/log/egress.log", "egress.log"),
            "12:35",
            "begin it with `/`",
        ),
    ] {
        let problems = compiled(&objects).unwrap_err();
        let found = problems
            .iter()
            .any(|p| p.starts_with(&format!("{place} error: ")) && p.contains(expected));
        assert!(found, "{place} {expected}: {problems:#?}");
    }
}
