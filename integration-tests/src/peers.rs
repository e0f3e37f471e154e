//! Where the real programs lie that the tests run beside the gateway.
//!
//! Each is named by an environment variable, or found where `install-peers.sh`
//! and the system's packages put it. What is missing is said with its remedy.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

const REMEDY: &str = "run integration-tests/install-peers.sh";
const SUITES: &str = "run integration-tests/install-suites.sh";

/// nginx, which plays external hosts (`EGRET_NGINX`).
#[must_use]
pub fn nginx() -> PathBuf {
    find(
        "EGRET_NGINX",
        &["/usr/sbin/nginx".into(), "/usr/bin/nginx".into()],
        REMEDY,
    )
}

/// Envoy 1.40, which plays sidecars (`EGRET_ENVOY`).
#[must_use]
pub fn envoy() -> PathBuf {
    find(
        "EGRET_ENVOY",
        &[repository().join("target/peers/envoy")],
        REMEDY,
    )
}

/// nghttpd, which plays gRPC servers (`EGRET_NGHTTPD`).
#[must_use]
pub fn nghttpd() -> PathBuf {
    find(
        "EGRET_NGHTTPD",
        &["/usr/sbin/nghttpd".into(), "/usr/bin/nghttpd".into()],
        REMEDY,
    )
}

/// nghttp, which shows an answer frame by frame (`EGRET_NGHTTP`).
#[must_use]
pub fn nghttp() -> PathBuf {
    find("EGRET_NGHTTP", &["/usr/bin/nghttp".into()], REMEDY)
}

/// tinyproxy, which plays a corporate proxy (`EGRET_TINYPROXY`).
#[must_use]
pub fn tinyproxy() -> PathBuf {
    find(
        "EGRET_TINYPROXY",
        &["/usr/bin/tinyproxy".into(), "/usr/sbin/tinyproxy".into()],
        REMEDY,
    )
}

/// HAProxy, which wraps bytes in mutual TLS for the suites (`EGRET_HAPROXY`).
#[must_use]
pub fn haproxy() -> PathBuf {
    find("EGRET_HAPROXY", &["/usr/sbin/haproxy".into()], SUITES)
}

/// h2load, a crowd over HTTP/2 (`EGRET_H2LOAD`).
#[must_use]
pub fn h2load() -> PathBuf {
    find("EGRET_H2LOAD", &["/usr/bin/h2load".into()], REMEDY)
}

/// h2spec, the conformance suite of HTTP/2 (`EGRET_H2SPEC`).
#[must_use]
pub fn h2spec() -> PathBuf {
    let place = repository().join("target/peers/h2spec");
    find("EGRET_H2SPEC", &[place], SUITES)
}

/// sslyze, which scans TLS servers (`EGRET_SSLYZE`).
#[must_use]
pub fn sslyze() -> PathBuf {
    let place = repository().join("target/peers/sslyze/bin/sslyze");
    find("EGRET_SSLYZE", &[place], SUITES)
}

/// testssl.sh, which scans TLS servers (`EGRET_TESTSSL`).
#[must_use]
pub fn testssl() -> PathBuf {
    let places = ["/usr/bin/testssl".into(), "/usr/bin/testssl.sh".into()];
    find("EGRET_TESTSSL", &places, SUITES)
}

/// slowhttptest, which holds connections by going slowly (`EGRET_SLOWHTTPTEST`).
#[must_use]
pub fn slowhttptest() -> PathBuf {
    find(
        "EGRET_SLOWHTTPTEST",
        &["/usr/bin/slowhttptest".into()],
        SUITES,
    )
}

/// A program of PostgreSQL's server, newest first (`EGRET_POSTGRES`: their folder).
#[must_use]
pub fn postgres(program: &str) -> PathBuf {
    if let Some(folder) = env::var_os("EGRET_POSTGRES") {
        return PathBuf::from(folder).join(program);
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut places: Vec<PathBuf> = versions
        .flatten()
        .map(|version| version.path().join("bin").join(program))
        .collect();
    places.sort();
    places.reverse();
    find("EGRET_POSTGRES", &places, REMEDY)
}

/// psql, which plays an application that needs a database (`EGRET_PSQL`).
#[must_use]
pub fn psql() -> PathBuf {
    find("EGRET_PSQL", &["/usr/bin/psql".into()], REMEDY)
}

/// The system's Python with requests and urllib3, an application that knows of a
/// proxy (`EGRET_PYTHON`).
#[must_use]
pub fn python() -> PathBuf {
    find("EGRET_PYTHON", &["/usr/bin/python3".into()], REMEDY)
}

/// Node.js, another (`EGRET_NODE`).
#[must_use]
pub fn node() -> PathBuf {
    let places = ["/usr/bin/node".into(), "/usr/local/bin/node".into()];
    find("EGRET_NODE", &places, REMEDY)
}

/// The gateway itself (`EGRET_BIN`): the build beside the running program, then the other profile.
#[must_use]
pub fn egret() -> PathBuf {
    let remedy = "run `cargo build -p gateway --bin egret`, or set EGRET_BIN";
    find("EGRET_BIN", &built_binaries(), remedy)
}

fn built_binaries() -> Vec<PathBuf> {
    let program = env::current_exe().unwrap_or_default();
    // target/<profile>/deps/<test>, or target/<profile>/<program>
    let beside = program.parent().unwrap_or(Path::new("."));
    let profile = match beside.ends_with("deps") {
        true => beside.parent().unwrap_or(beside),
        false => beside,
    };
    let target = profile.parent().unwrap_or(Path::new("."));
    [
        profile.to_owned(),
        target.join("debug"),
        target.join("release"),
    ]
    .map(|dir| dir.join("egret"))
    .to_vec()
}

fn repository() -> PathBuf {
    let krate = Path::new(env!("CARGO_MANIFEST_DIR"));
    krate.parent().unwrap_or(krate).to_owned()
}

fn find(variable: &str, places: &[PathBuf], remedy: &str) -> PathBuf {
    if let Some(named) = env::var_os(variable) {
        return named.into();
    }
    let found = places.iter().find(|place| place.is_file());
    found
        .cloned()
        .unwrap_or_else(|| panic!("none of {places:?} exists: {remedy}"))
}
