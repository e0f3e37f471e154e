//! A defect that panics ends one request, on record, and nothing else: no other
//! stream of its connection, no other connection of its thread, no count.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use integration_tests::egret::{Beside, Egret};
use integration_tests::http2;
use integration_tests::mesh::Mesh;
use integration_tests::peers;
use integration_tests::pki::Pki;
use integration_tests::raw::{Hello, Raw};
use integration_tests::record::{assert_has, reason};
use integration_tests::wait::until;

const HOST: &str = "httpbin.org";

const OPEN: &str = "defaults: { policy: allow }
destinations:
  - host: httpbin.org
    upstream: { addresses: [\"$RECORDER\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
";

/// Where a request can be made to panic: once it is judged, once its upstream
/// has answered, and in the middle of the answer.
const PLACES: [&str; 3] = ["judged", "head", "body"];

fn start() -> Mesh {
    let start = |configuration: &str| {
        let environment = vec![("EGRET_DEFECT", "defect".into())];
        let beside = Beside {
            environment,
            ..Beside::default()
        };
        Egret::start_beside(configuration, &beside)
    };
    Mesh::start_by(start, Pki::create(), OPEN)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n")
}

#[track_caller]
fn assert_served(raw: &mut Raw) {
    assert_eq!(raw.exchange(&get("/x")).unwrap().status(), 200);
}

/// Every attempt is counted once, and no connection is left in the counts.
#[track_caller]
fn assert_counts(mesh: &Mesh, connections: u64) {
    until("the connections are counted", || {
        (mesh.egret.metric("egret_connections") == connections).then_some(())
    });
    let told = mesh.egret.records().len() as u64;
    let counted = mesh.egret.metric("egret_requests_total");
    assert_eq!(counted, told, "{}", mesh.egret.said());
}

#[track_caller]
fn assert_told_once(mesh: &Mesh, path: &str) {
    let _ = mesh.egret.record_of(path);
    let told = mesh.egret.records_where(|r| r["path"] == path);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(reason(&told[0]), "internal");
    assert_has(
        &told[0],
        &json!({ "decision": "allow", "source_principal": "cluster.local/ns/default/sa/sleep" }),
    );
}

#[test]
fn over_http_1_a_panic_ends_its_own_connection_alone() {
    let mut mesh = start();
    let hello = Hello::of(&mesh.pki, "sleep", HOST);
    // More than threads: some share one with each that fails.
    let mut others: Vec<Raw> = (0..4)
        .map(|_| hello.connect(mesh.gateway()).unwrap())
        .collect();
    others.iter_mut().for_each(assert_served);
    for place in PLACES {
        let mut raw = hello.connect(mesh.gateway()).unwrap();
        assert_served(&mut raw);
        let path = format!("/defect/{place}");
        assert!(raw.exchange(&get(&path)).is_err(), "{place}");
        others.iter_mut().for_each(assert_served);
        assert_told_once(&mesh, &path);
    }
    assert_counts(&mesh, 4);
    assert!(mesh.egret.is_running());
}

fn asking(stream: u32, path: &str) -> Vec<u8> {
    let fields = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", HOST),
        (":path", path),
    ];
    let fields = fields.map(|(name, value)| (name.into(), value.into()));
    http2::request(stream, &fields, b"")
}

#[test]
fn over_http_2_a_panic_ends_its_own_stream_alone() {
    let mut mesh = start();
    let hello = Hello {
        alpn: vec!["h2"],
        ..Hello::of(&mesh.pki, "sleep", HOST)
    };
    let mut raw = hello.connect(mesh.gateway()).unwrap();
    raw.send(&http2::preface()).unwrap();
    raw.send(&asking(1, "/delay/2")).unwrap();
    for (place, stream) in PLACES.iter().zip([3, 7, 11]) {
        let path = format!("/defect/{place}");
        raw.send(&asking(stream, &path)).unwrap();
        let answer = http2::answer(&mut raw, stream).unwrap();
        assert!(answer.reset && !answer.gone, "{place}: {answer:?}");
        raw.send(&asking(stream + 2, "/x")).unwrap();
        let next = http2::answer(&mut raw, stream + 2).unwrap();
        assert_eq!((next.status, next.gone), (Some(200), false), "{place}");
        assert_told_once(&mesh, &path);
    }
    let begun_before = mesh.egret.record_of("/delay/2");
    assert_has(
        &begun_before,
        &json!({ "response_code": 200, "failure": Value::Null }),
    );
    assert_counts(&mesh, 1);
    assert!(mesh.egret.is_running());
}

/// The word by which defects are asked for.
fn knows_defects(binary: &Path) -> bool {
    let bytes = fs::read(binary).unwrap();
    let word = b"EGRET_DEFECT";
    bytes.windows(word.len()).any(|window| window == word)
}

#[test]
fn what_is_released_has_no_defects_on_purpose() {
    let tested = peers::egret();
    assert!(knows_defects(&tested), "or the search finds nothing");
    let target: PathBuf = tested.ancestors().nth(2).unwrap().into();
    let released = target.join("release").join("egret");
    if released.is_file() {
        assert!(!knows_defects(&released), "{}", released.display());
    }
    // Whether or not there is one: it cannot be compiled in.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let modules = fs::read_to_string(root.join("gateway/src/lib.rs")).unwrap();
    assert!(modules.contains("#[cfg(debug_assertions)]\nmod defect;\n"));
}
