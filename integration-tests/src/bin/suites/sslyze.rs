//! sslyze: what TLS offers to those who have a certificate.
//!
//! Its own comparison with Mozilla's recommendation wants SSL 2.0 tried with the
//! certificate, which its client for that cannot read; so what is recommended
//! stands here.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use integration_tests::peers;
use serde_json::{Value, json};

use crate::door::{Door, NAMED};
use crate::findings::Outcome;
use crate::program::{reports, run};

const SCANS: [&str; 15] = [
    "--certinfo",
    "--sslv3",
    "--tlsv1",
    "--tlsv1_1",
    "--tlsv1_2",
    "--tlsv1_3",
    "--compression",
    "--openssl_ccs",
    "--fallback",
    "--heartbleed",
    "--robot",
    "--reneg",
    "--resum",
    "--early_data",
    "--ems",
];

/// All that bears on a server of mutual TLS.
pub(crate) fn attack() -> Outcome {
    let door = Door::open("");
    let who = door.mesh.pki.workload("sleep");
    let report = reports().join("sslyze.json");
    let _ = fs::remove_file(&report);
    let mut command = Command::new(peers::sslyze());
    command.args(SCANS).args(["--mozilla_config", "disable"]);
    command.arg("--cert").arg(&who.chain);
    command.arg("--key").arg(&who.key);
    command
        .args(["--sni", NAMED])
        .arg("--json_out")
        .arg(&report);
    command.arg(door.gateway().to_string());
    let said = run("sslyze", command, Duration::from_secs(300));
    let text = fs::read_to_string(&report).unwrap_or_else(|e| panic!("{e}:\n{said}"));
    let report: Value = serde_json::from_str(&text).unwrap();
    let scans = &report["server_scan_results"][0]["scan_result"];
    let answers = recommended().map(|(scan, key, meant)| {
        let found = &scans[scan]["result"][key];
        let id = format!("{scan}.{key}");
        (id, *found == meant, format!("{found}, not {meant}"))
    });
    let answers: Vec<_> = answers.into_iter().chain([weak(scans)]).collect();
    let bad = answers.iter().filter(|(_, good, _)| !good);
    Outcome {
        suite: "sslyze",
        version: report["sslyze_version"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        passed: answers.iter().filter(|(_, good, _)| *good).count(),
        findings: bad
            .map(|(id, _, words)| (id.clone(), words.clone()))
            .collect::<BTreeMap<_, _>>(),
    }
}

fn recommended() -> [(&'static str, &'static str, Value); 16] {
    let version = "is_tls_version_supported";
    [
        ("ssl_3_0_cipher_suites", version, json!(false)),
        ("tls_1_0_cipher_suites", version, json!(false)),
        ("tls_1_1_cipher_suites", version, json!(false)),
        ("tls_1_2_cipher_suites", version, json!(true)),
        ("tls_1_3_cipher_suites", version, json!(true)),
        ("tls_compression", "supports_compression", json!(false)),
        ("tls_1_3_early_data", "supports_early_data", json!(false)),
        (
            "openssl_ccs_injection",
            "is_vulnerable_to_ccs_injection",
            json!(false),
        ),
        ("tls_fallback_scsv", "supports_fallback_scsv", json!(true)),
        ("heartbleed", "is_vulnerable_to_heartbleed", json!(false)),
        (
            "robot",
            "robot_result",
            json!("NOT_VULNERABLE_RSA_NOT_SUPPORTED"),
        ),
        (
            "session_renegotiation",
            "is_vulnerable_to_client_renegotiation_dos",
            json!(false),
        ),
        (
            "session_renegotiation",
            "supports_secure_renegotiation",
            json!(true),
        ),
        (
            "session_resumption",
            "session_id_resumption_result",
            json!("NOT_SUPPORTED"),
        ),
        (
            "session_resumption",
            "tls_ticket_resumption_result",
            json!("NOT_SUPPORTED"),
        ),
        (
            "tls_extended_master_secret",
            "supports_ems_extension",
            json!(true),
        ),
    ]
}

/// Suites of TLS 1.2 without forward secrecy or authenticated encryption.
fn weak(scans: &Value) -> (String, bool, String) {
    let accepted = &scans["tls_1_2_cipher_suites"]["result"]["accepted_cipher_suites"];
    let accepted = accepted.as_array().cloned().unwrap_or_default();
    let names = accepted
        .iter()
        .filter_map(|suite| suite["cipher_suite"]["name"].as_str());
    let good = |name: &&str| {
        name.starts_with("TLS_ECDHE_") && (name.contains("_GCM_") || name.contains("_CHACHA20_"))
    };
    let weak: Vec<&str> = names.filter(|name| !good(name)).collect();
    let all_good = !accepted.is_empty() && weak.is_empty();
    (
        "tls_1_2_cipher_suites.weak".to_owned(),
        all_good,
        format!("{weak:?}"),
    )
}
