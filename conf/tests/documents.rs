//! Istio's own YAML from the documents on egress traffic, decided as the cases
//! beside it say. With real traffic: `integration-tests/tests/documents_*.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use conf::cases::{self, Asked, Case, Verdict};
use conf::snapshot::ListenerMode;
use conf::{Environment, Snapshot, SourceFile};

/// Cases, and the configuration they are about.
const DOCUMENTS: [(&str, &[&str]); 6] = [
    ("document-000", &["mesh-view", "document-000-egress-rule"]),
    (
        "document-001",
        &["mesh-view", "document-001-tls-origination"],
    ),
    (
        "document-002",
        &[
            "mesh-view",
            "document-002-httpbin",
            "document-002-google",
            "document-002-timeout",
        ],
    ),
    (
        "document-003",
        &["mesh-view", "document-003-tls-origination"],
    ),
    (
        "document-004-routing",
        &["document-004-egress-gateway", "document-004-regex-routing"],
    ),
    (
        "document-004",
        &[
            "document-004-egress-gateway",
            "document-004-plain-routing",
            "document-004-mixer-logging",
            "document-004-list-checker",
            "document-004-exemption",
        ],
    ),
];

/// Configurations with the objects of which no case speaks.
const OTHERS: [&[&str]; 4] = [
    &["mesh-view", "document-000-route-rule"],
    &["mesh-view", "document-001-passthrough"],
    &["mesh-view", "document-003-redirected"],
    &[
        "document-004-egress-gateway",
        "document-004-plain-routing",
        "document-004-mixer-logging",
        "document-004-list-checker",
        "document-004-list-rule",
    ],
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/istio")
}

fn stem(path: PathBuf) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

fn compiled(names: &[&str]) -> Snapshot {
    let paths: Vec<PathBuf> = names
        .iter()
        .map(|name| folder().join(name).with_extension("yaml"))
        .collect();
    let reading = conf::read::read(&paths);
    assert_eq!(reading.problems, []);
    let environment = Environment {
        pod_name: None,
        hostname: "node-1".to_owned(),
        ..Environment::default()
    };
    conf::compile(&reading.files, &environment).unwrap_or_else(|problems| {
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", told.join("\n"));
    })
}

fn decided(snapshot: &Snapshot, case: &Case) -> Verdict {
    let admission = snapshot.admission();
    let Asked::Request(question) = &case.asked else {
        panic!("{case:?}");
    };
    let caller = admission.caller(question.principal.clone(), question.address);
    let raw = question.raw(&caller, snapshot.settings(), 0);
    match admission.admit(raw, 0) {
        Ok(_) => Verdict::Allow,
        Err(refused) => Verdict::Refuse {
            status: Some(refused.refusal.status()),
            code: Some(refused.refusal.code().into()),
        },
    }
}

fn is_as_expected(expected: &Verdict, found: &Verdict) -> bool {
    match (expected, found) {
        (Verdict::Refuse { status, code }, Verdict::Refuse { status: s, code: c }) => {
            (status.is_none() || status == s) && (code.is_none() || code == c)
        }
        (expected, found) => expected == found,
    }
}

#[test]
fn every_document_decides_as_its_cases_say() {
    let mut wrong = Vec::new();
    for (name, files) in DOCUMENTS {
        let snapshot = compiled(files);
        let path = folder().join("cases").join(name).with_extension("yaml");
        let file = SourceFile::new(format!("{name}.yaml"), fs::read_to_string(path).unwrap());
        for case in cases::parse(&file, "cluster.local").unwrap() {
            let found = decided(&snapshot, &case);
            if !is_as_expected(&case.expect, &found) {
                wrong.push(format!("{}: {found:?}", case.origin));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_case_file_is_listed_here() {
    let names = fs::read_dir(folder().join("cases")).unwrap();
    let found: BTreeSet<String> = names.map(|e| stem(e.unwrap().path())).collect();
    let listed = DOCUMENTS.map(|(name, _)| name.to_owned());
    assert_eq!(found, BTreeSet::from(listed));
}

/// Without a word of the native format.
#[test]
fn the_objects_alone_make_a_gateway_of_the_meshs_own_identity() {
    let (_, files) = DOCUMENTS
        .into_iter()
        .find(|(name, _)| *name == "document-004")
        .unwrap();
    let snapshot = compiled(files);
    let settings = snapshot.settings();
    let listeners: Vec<_> = settings
        .listeners
        .iter()
        .map(|l| (l.port, l.mode))
        .collect();
    assert_eq!(listeners, [(443, ListenerMode::MutualTls)]);
    let chain = settings
        .identity
        .as_ref()
        .map(|files| files.chain.as_path());
    let mounted = "/var/run/secrets/workload-spiffe-credentials/cert-chain.pem";
    assert_eq!(chain, Some(Path::new(mounted)));
}

/// With what they build on, the objects that no case speaks of load as well;
/// no file of the folder is forgotten.
#[test]
fn every_object_of_the_documents_is_understood() {
    let mut loaded: BTreeSet<&str> = DOCUMENTS
        .iter()
        .flat_map(|(_, files)| *files)
        .copied()
        .collect();
    for files in OTHERS {
        let _ = compiled(files);
        loaded.extend(files);
    }
    let entries = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let found: BTreeSet<String> = entries.filter(|path| path.is_file()).map(stem).collect();
    let loaded: BTreeSet<String> = loaded.into_iter().map(str::to_owned).collect();
    assert_eq!(found, loaded);
}
