//! Mixer's kinds, read and lowered.

mod checks;
mod errors;
mod lists;
mod logs;

use policy::principal::Principal;
use policy::rule::{Effect, Rule, TemplatePart};
use policy::{Headers, RawRequest, Request};

use crate::{Environment, Snapshot, SourceFile, compile};

/// Whom everything is routed for and nothing but Mixer's checks refuses.
const NATIVE: &str = "version: 1
listeners: [{ port: 443 }]
defaults: { policy: allow }
destinations: [{ host: '*.cnn.com' }, { host: '*.example' }]
";

/// Document 004: a line for every access to cnn.com, an error for politics.
pub(super) const LOGGING: &str = r#"
apiVersion: "config.istio.io/v1alpha2"
kind: logentry
metadata: { name: egress-access, namespace: istio-system }
spec:
  severity: '"info"'
  timestamp: request.time
  variables:
    destination: request.host | "unknown"
    path: request.path | "unknown"
    responseCode: response.code | 0
    responseSize: response.size | 0
    reporterUID: context.reporter.uid | "unknown"
    sourcePrincipal: source.principal | "unknown"
  monitored_resource_type: '"UNSPECIFIED"'
---
apiVersion: "config.istio.io/v1alpha2"
kind: stdio
metadata: { name: egress-error-logger, namespace: istio-system }
spec:
 severity_levels:
   info: 2 # output log level as error
 outputAsJson: true
---
apiVersion: "config.istio.io/v1alpha2"
kind: stdio
metadata: { name: egress-access-logger, namespace: istio-system }
spec:
  severity_levels:
    info: 0 # output log level as info
  outputAsJson: true
"#;

/// Document 004: only health and sport may be read.
pub(super) const LIST: &str = r#"
---
apiVersion: "config.istio.io/v1alpha2"
kind: listchecker
metadata: { name: path-checker, namespace: istio-system }
spec:
  overrides: ["/health", "/sport"]  # overrides provide a static list
  blacklist: false
---
apiVersion: "config.istio.io/v1alpha2"
kind: listentry
metadata: { name: request-path, namespace: istio-system }
spec:
  value: request.path
"#;

/// A rule of the seed: `condition` is what follows the host.
pub(super) fn seed_rule(name: &str, host: &str, condition: &str, actions: &str) -> String {
    format!(
        r#"
---
apiVersion: "config.istio.io/v1alpha2"
kind: rule
metadata: {{ name: {name}, namespace: istio-system }}
spec:
  match: request.host.endsWith("{host}") && context.reporter.uid.startsWith("kubernetes://istio-egressgateway"){condition}
  actions:
{actions}"#
    )
}

pub(super) const LOG_ERROR: &str =
    "  - { handler: egress-error-logger.stdio, instances: [egress-access.logentry] }\n";
pub(super) const LOG_ACCESS: &str =
    "  - { handler: egress-access-logger.stdio, instances: [egress-access.logentry] }\n";
pub(super) const CHECK: &str =
    "  - { handler: path-checker.listchecker, instances: [request-path.listentry] }\n";

/// A handler `h`, an instance `i` and a rule that sends the one to the other,
/// in the root namespace; specs and `match` as YAML.
pub(super) fn check(handler: (&str, &str), instance: (&str, &str), condition: &str) -> String {
    let object = |kind: &str, name: &str, spec: &str| {
        format!(
            "---\napiVersion: config.istio.io/v1alpha2\nkind: {kind}\nmetadata: {{ name: {name}, namespace: istio-system }}\nspec: {spec}\n"
        )
    };
    let rule = format!(
        "{{ match: {condition}, actions: [{{ handler: h.{}, instances: [i.{}] }}] }}",
        handler.0, instance.0
    );
    object(handler.0, "h", handler.1)
        + &object(instance.0, "i", instance.1)
        + &object("rule", "r", &rule)
}

pub(super) fn compiled(text: &str) -> Result<Snapshot, Vec<String>> {
    let environment = Environment {
        pod_name: Some("istio-egressgateway-747b6764b8-44rrh".to_owned()),
        hostname: "node-1".to_owned(),
        ..Environment::default()
    };
    let files = [
        SourceFile::new("native.yaml", NATIVE),
        SourceFile::new("mixer.yaml", text),
    ];
    compile(&files, &environment).map_err(|problems| told(&problems))
}

#[track_caller]
pub(super) fn snapshot(text: &str) -> Snapshot {
    compiled(text).unwrap_or_else(|problems| panic!("{text}: {problems:#?}"))
}

/// Every problem, as `line:column severity: message`.
pub(super) fn problems(text: &str) -> Vec<String> {
    match compiled(text) {
        Err(problems) => problems,
        Ok(snapshot) => told(snapshot.warnings()),
    }
}

fn told(problems: &[crate::Problem]) -> Vec<String> {
    let of_objects = problems.iter().filter(|p| &*p.origin.file == "mixer.yaml");
    let told = of_objects.map(|p| {
        let (line, column) = (p.origin.line, p.origin.column);
        format!("{line}:{column} {}: {}", p.severity, p.message)
    });
    told.collect()
}

#[track_caller]
pub(super) fn problem(text: &str) -> String {
    let problems = problems(text);
    assert_eq!(problems.len(), 1, "{text}: {problems:#?}");
    problems.into_iter().next().unwrap()
}

/// One header.
#[derive(Clone, Copy)]
pub(super) struct Header(pub(super) &'static str, pub(super) &'static str);

impl Headers for Header {
    fn value(&self, name: &str, index: usize) -> Option<&[u8]> {
        (name == self.0 && index == 0).then_some(self.1.as_bytes())
    }
}

/// What is asked, and by whom.
#[derive(Clone, Copy)]
pub(super) struct Ask {
    pub(super) who: Option<&'static str>,
    pub(super) address: [u8; 4],
    pub(super) method: &'static str,
    pub(super) host: &'static str,
    pub(super) target: &'static str,
    pub(super) header: Header,
    pub(super) server_name: Option<&'static str>,
}

pub(super) const SLEEP: &str = "cluster.local/ns/default/sa/sleep";
pub(super) const POLITICS: &str = "cluster.local/ns/default/sa/politics";

pub(super) const ASK: Ask = Ask {
    who: Some(SLEEP),
    address: [192, 0, 2, 1],
    method: "GET",
    host: "edition.cnn.com",
    target: "/",
    header: Header("", ""),
    server_name: None,
};

impl Ask {
    /// What a snapshot makes of it.
    pub(super) fn of<T>(&self, snapshot: &Snapshot, then: impl FnOnce(RawRequest<'_>) -> T) -> T {
        let principal = self.who.map(|who| Principal::from_name(who).unwrap());
        let caller = snapshot.admission().caller(principal, self.address.into());
        then(RawRequest {
            method: self.method.as_bytes(),
            authority: self.host.as_bytes(),
            target: self.target.as_bytes(),
            headers: &self.header,
            caller: &caller,
            server_name: self.server_name,
            view: policy::door::View::Gateway,
            port: 443,
            time: 0,
        })
    }

    /// Status and body of a refusal by a rule; nothing when it is let through.
    pub(super) fn refused(&self, snapshot: &Snapshot) -> Option<(u16, String)> {
        self.of(snapshot, |raw| {
            let refused = snapshot.admission().admit(raw, 0).err()?;
            let rule = snapshot.admission().rule(refused.rule.unwrap()).unwrap();
            Some(answer(rule, &refused.request.unwrap()))
        })
    }
}

fn answer(rule: &Rule, request: &Request<'_>) -> (u16, String) {
    let Effect::Deny(answer) = &rule.effect else {
        panic!("{rule:?}")
    };
    let parts = answer.body.0.iter().map(|part| match part {
        TemplatePart::Text(text) => text.to_string(),
        TemplatePart::Value(expr) => expr.eval(request).map_or(String::new(), |v| v.to_string()),
    });
    (answer.status, parts.collect())
}
