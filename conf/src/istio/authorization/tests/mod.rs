//! Policies, from YAML to verdicts.

mod conditions;
mod effects;
mod model;
mod nulls;
mod operations;
mod places;
mod policies;
mod providers;
mod rbac;
mod sources;

use policy::Refused;

use crate::question::Question;
use crate::{Environment, Problem, Snapshot, SourceFile, compile};

/// A gateway at port 443 that lets everything pass of which no policy speaks.
const GATEWAY: &str = "version: 1
listeners: [{ bind: '[::]:8443', port: 443 }]
trust: [{ domain: cluster.local, aliases: [old.example] }, { domain: far.example, roots: r.pem }]
defaults: { policy: allow }
";

/// An AuthorizationPolicy `p` of the root namespace; `spec` begins at column 3
/// of line 4.
fn policy(spec: &str) -> String {
    let spec = spec.replace('\n', "\n  ");
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{ name: p, namespace: istio-system }}\nspec:\n  {spec}\n"
    )
}

fn compiled(objects: &str) -> Result<Snapshot, Vec<Problem>> {
    let files = [
        SourceFile::new("gateway.yaml", GATEWAY),
        SourceFile::new("policies.yaml", objects),
    ];
    compile(&files, &Environment::default())
}

#[track_caller]
fn snapshot(objects: &str) -> Snapshot {
    let told = |problems: Vec<Problem>| {
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        told.join("\n")
    };
    compiled(objects)
        .map_err(told)
        .unwrap_or_else(|told| panic!("{objects}\n{told}"))
}

/// Every problem, as `line:column severity: message`, of the objects' file.
fn problems(objects: &str) -> Vec<String> {
    let problems = match compiled(objects) {
        Err(problems) => problems,
        Ok(snapshot) => snapshot.warnings().to_vec(),
    };
    let told = problems.iter().map(|p| {
        let (line, column) = (p.origin.line, p.origin.column);
        format!("{line}:{column} {}: {}", p.severity, p.message)
    });
    told.collect()
}

/// Who asks for what: `sa:default/sleep GET http://host/path`, with headers
/// behind it (`| name: value`), an address (`@10.0.0.1`) or a server name
/// (`!name`).
fn question(text: &str) -> Question {
    let (text, headers) = text.split_once(" | ").unwrap_or((text, ""));
    let headers: Vec<String> = headers
        .split(" | ")
        .filter(|h| !h.is_empty())
        .map(str::to_owned)
        .collect();
    let mut words = text.split(' ');
    let (who, method, url) = (
        words.next().unwrap(),
        words.next().unwrap(),
        words.next().unwrap(),
    );
    let mut question = Question::ask(who, method, url, &headers, "cluster.local").unwrap();
    for word in words {
        match word.split_at(1) {
            ("@", address) => question.address = address.parse().unwrap(),
            ("!", name) => question.server_name = Some(name.into()),
            _ => panic!("{word}"),
        }
    }
    question
}

/// Whether policy lets a request go on, and by which rule.
fn verdict(snapshot: &Snapshot, question: &Question) -> (bool, Option<String>) {
    let admission = snapshot.admission();
    let caller = admission.caller(question.principal.clone(), question.address);
    let raw = question.raw(&caller, snapshot.settings(), 0);
    let named = |id| admission.rule(id).map(|rule| rule.name.to_string());
    match admission.admit(raw, 0) {
        Ok(admitted) => (true, admitted.next.rule().and_then(named)),
        Err(Refused { refusal, rule, .. }) => match refusal.status() {
            403 => (false, rule.and_then(named)),
            // It may go, and no route leads there.
            404 => (true, rule.and_then(named)),
            status => panic!("{question:?}: {status} {}", refusal.code()),
        },
    }
}

fn goes(snapshot: &Snapshot, text: &str) -> bool {
    verdict(snapshot, &question(text)).0
}

/// Checks which requests go on and which are refused.
#[track_caller]
fn decides(objects: &str, go: &[&str], refused: &[&str]) {
    let snapshot = snapshot(objects);
    for text in go {
        assert!(goes(&snapshot, text), "refused: {text}\n{objects}");
    }
    for text in refused {
        assert!(!goes(&snapshot, text), "goes on: {text}\n{objects}");
    }
}

/// Checks one policy's `rules` as ALLOW, where `matching` go on and `others`
/// do not, and as DENY, where it is the other way round.
#[track_caller]
fn matches_both_ways(rules: &str, matching: &[&str], others: &[&str]) {
    decides(
        &policy(&format!("action: ALLOW\nrules: {rules}")),
        matching,
        others,
    );
    decides(
        &policy(&format!("action: DENY\nrules: {rules}")),
        others,
        matching,
    );
}
