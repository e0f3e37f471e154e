//! Every hostile request of `vectors/requests.jsonl`, over mutual TLS: what the
//! caller is told, what the origin is sent to the byte, and the one line that
//! records it.

mod attempt;
mod judge;
mod line;
#[path = "../../../policy/tests/reference/canonical.rs"]
#[allow(dead_code, reason = "one of its rules is needed here")]
mod reference;
mod smuggling;
mod vector;

use integration_tests::egret::Egret;
use integration_tests::pki::Pki;
use integration_tests::recorder::Recorder;

use attempt::{Attempt, Bench};
use vector::{Sent, Vector};

const CONFIGURATION: &str = "
version: 1
gateway: { name: istio-egressgateway, namespace: istio-system }
identity: { files: { chain: $PKI/gateway/chain.pem, key: $PKI/gateway/key.pem, roots: $PKI/mesh-roots.pem } }
listeners: [{ name: mesh, bind: \"127.0.0.1:0\" }]
admin: { bind: \"127.0.0.1:0\" }
limits: { headTimeout: 2s, bodyIdleTimeout: 2s }
destinations:
  - { host: edition.cnn.test, upstream: { $UPSTREAM }, allowAddresses: [127.0.0.1] }
  - { host: open.cnn.test, upstream: { $UPSTREAM }, allowAddresses: [127.0.0.1] }
  - host: api.enc.test
    paths: { encodedSlashes: keep }
    upstream: { $UPSTREAM }
    allowAddresses: [127.0.0.1]
  - { host: \"*.wild.test\", upstream: { $UPSTREAM }, allowAddresses: [127.0.0.1] }
  - { host: ws.cnn.test, upstream: { $UPSTREAM }, allowAddresses: [127.0.0.1] }
policies:
  - allow: { host: edition.cnn.test, path: { regex: \"/(health|sport)(/.*)?\" }, method: $METHODS }
  - allow: { host: edition.cnn.test, from: sa:default/politics, method: $METHODS }
  - allow: { host: [open.cnn.test, \"*.wild.test\"], method: $METHODS }
  - deny: { host: open.cnn.test, path: { regex: \"/politics(/.*)?\" } }
    unless: { from: sa:default/politics }
  - allow: { host: api.enc.test, path: { regex: \"/api/v4/.*\" }, method: $METHODS }
  - deny: { host: api.enc.test, path: { regex: \"/api/v4/admin(/.*)?\" } }
  - allow: { host: ws.cnn.test, path: /chat, method: $METHODS }
";

fn bench() -> Bench {
    let pki = Pki::create();
    let _ = pki.gateway();
    let origin = Recorder::plain();
    let upstream = format!("tls: off, addresses: [\"{}\"]", origin.address());
    let egret = Egret::start(&configuration(&pki, &upstream));
    Bench { pki, origin, egret }
}

/// With every host at one upstream.
fn configuration(pki: &Pki, upstream: &str) -> String {
    CONFIGURATION
        .replace("$PKI", &pki.dir().to_string_lossy())
        .replace("$UPSTREAM", upstream)
        .replace("$METHODS", "[GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS]")
}

/// What is wrong with an attempt; nothing, when all is well.
fn complaints(vector: &Vector, attempt: &Attempt) -> Vec<String> {
    let mut found = judge::violations(&vector.never, attempt);
    if !judge::fits(&vector.meant, attempt) {
        let safe = vector
            .others
            .iter()
            .any(|other| judge::fits(other, attempt));
        let how = if safe { ", though as safe" } else { "" };
        found.push(format!("not the outcome meant{how}"));
    }
    let answers = attempt.statuses.len().max(1);
    if attempt.lines.len() != answers {
        found.push(format!("{} lines, not {answers}", attempt.lines.len()));
    }
    found.extend(misrecorded(vector, attempt));
    found
}

/// Whether the first line tells another story than the one that was seen.
fn misrecorded(vector: &Vector, attempt: &Attempt) -> Option<String> {
    let line = attempt.lines.first()?;
    let told = match (&vector.sent, attempt.statuses.first()) {
        (_, Some(status)) => line.status() == u64::from(*status),
        (Sent::Http1(_) | Sent::Http2 { .. }, None) => line.field("decision") != "allow",
    };
    let asked = attempt.requests.first();
    let passed = asked.is_none_or(|request| {
        line.field("decision") != "deny" && line.field("path") == request.target()
    });
    let reason = line.field("refusal").len() + line.field("failure").len();
    let explained = asked.is_some() || reason > 0;
    (!(told && passed && explained)).then(|| format!("recorded as {line:?}"))
}

#[test]
fn no_hostile_request_gets_more_than_its_due() {
    let bench = bench();
    let vectors = vector::all();
    assert_eq!(vectors.len(), 211);
    let (mut failures, mut attempts) = (Vec::new(), Vec::new());
    for vector in &vectors {
        let attempt = bench.attempt(vector);
        let complaints = complaints(vector, &attempt);
        if !complaints.is_empty() {
            let (id, why) = (&vector.id, &vector.why);
            failures.push(format!("{id} ({why}): {complaints:?}\n  {attempt:?}"));
        }
        attempts.push(attempt);
    }
    let by_design = vectors.iter().filter(|vector| vector.by_design).count();
    println!(
        "{by_design} of {} by the design's word, the others by ours",
        vectors.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    // Nothing more came of them behind our back.
    let sum = |count: fn(&Attempt) -> usize| attempts.iter().map(count).sum::<usize>();
    assert_eq!(bench.origin.seen().len(), sum(|a| a.requests.len()));
    assert_eq!(bench.egret.end().len(), sum(|a| a.lines.len()));
}
