//! Chains of certificates: how long they may be, and whose revocation lists count.

use std::fs;
use std::path::Path;

use serde_json::Value;

use integration_tests::leaf::{Leaf, Signer};
use integration_tests::mesh::Mesh;
use integration_tests::pki::{Credential, Pki};
use integration_tests::raw::{Hello, Raw};
use integration_tests::record::reason;
use integration_tests::wait::until;

const HOST: &str = "httpbin.org";
const GET: &str = "GET /x HTTP/1.1\r\nhost: httpbin.org\r\n\r\n";
const SLEEP: &str = "cluster.local/ns/default/sa/sleep";

const LISTED: &str = "identity: { files: { chain: $PKI/gateway/chain.pem, \
    key: $PKI/gateway/key.pem, roots: $PKI/mesh-roots.pem, crl: $PKI/mesh.crl.pem } }\n";

const OPEN: &str = "defaults: { policy: allow }
destinations:
  - host: httpbin.org
    upstream: { addresses: [\"$RECORDER\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
";

/// A mesh with revocation lists of nobody, and a caller below its intermediate.
fn listed() -> (Mesh, Credential) {
    let pki = Pki::create();
    let below = pki.issue("below", &Leaf::workload(SLEEP), Signer::Intermediate);
    let _ = pki.revocation_list("mesh", &[]);
    let mesh = Mesh::start_with(pki, &[LISTED, OPEN].concat());
    (mesh, below)
}

fn connect(mesh: &Mesh, credential: &Credential) -> Result<Raw, String> {
    let hello = Hello {
        credential: Some(credential.clone()),
        ..Hello::of(&mesh.pki, "sleep", HOST)
    };
    hello.connect(mesh.gateway())
}

fn is_served(mesh: &Mesh, credential: &Credential) -> bool {
    let answer = connect(mesh, credential).map(|mut raw| raw.exchange(GET));
    matches!(answer, Ok(Ok(message)) if message.status() == 200)
}

#[track_caller]
fn refused(mesh: &Mesh, code: &str) -> Value {
    mesh.egret.wait_for_record(code, |r| reason(r) == code)
}

/// Changes the file of lists as an editor does, and waits for what is said of it.
fn rewrite(mesh: &Mesh, path: &Path, text: &str, told: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(&beside, path).unwrap();
    until(told, || mesh.egret.said().contains(told).then_some(()));
}

#[test]
fn a_revoked_intermediate_vouches_for_nobody() {
    let (mesh, below) = listed();
    let mut open = connect(&mesh, &below).unwrap();
    assert_eq!(
        open.exchange(GET).unwrap().status(),
        200,
        "{}",
        mesh.egret.said()
    );
    let _ = mesh
        .pki
        .revocation_list("mesh", &[&mesh.pki.intermediate()]);
    until("the list is in force", || {
        (!is_served(&mesh, &below)).then_some(())
    });
    assert!(open.exchange(GET).is_err());
    let _ = refused(&mesh, "certificate_revoked");
    assert!(is_served(&mesh, &mesh.pki.workload("sleep")), "others are");
}

#[test]
fn a_damaged_list_is_told_and_changes_nothing() {
    let (mesh, below) = listed();
    let path = mesh.pki.revocation_list("next", &[&below]);
    let text = fs::read_to_string(path).unwrap();
    let (first, rest) = text.split_once("-----END X509 CRL-----\n").unwrap();
    // A line of the second list is lost, and with it all that come after.
    let line = rest.lines().nth(2).unwrap();
    let damaged = [first, "-----END X509 CRL-----\n", &rest.replace(line, "")].concat();
    let list = mesh.pki.dir().join("mesh.crl.pem");
    rewrite(&mesh, &list, &damaged, "list 2 is damaged");
    assert!(is_served(&mesh, &below), "{}", mesh.egret.said());
    rewrite(&mesh, &list, &text, "configuration applied");
    until("the whole file is in force", || {
        (!is_served(&mesh, &below)).then_some(())
    });
}

#[test]
fn where_no_root_has_a_list_the_missing_one_is_named() {
    let (mesh, below) = listed();
    let partner = "trust:\n  - { domain: cluster.local }\n  - { domain: partner.example, roots: $ORIGIN_CA }\n";
    mesh.configure(&[LISTED, partner, OPEN].concat());
    let told = "holds no list of `O=Public Trust`";
    until(told, || mesh.egret.said().contains(told).then_some(()));
    assert!(is_served(&mesh, &below));
}

#[test]
fn a_chain_is_taken_as_long_as_one_may_be_and_no_longer() {
    let mesh = Mesh::start(OPEN);
    let root = fs::read_to_string(mesh.pki.workload("sleep").chain).unwrap();
    let at = root.rfind("-----BEGIN").unwrap();
    let with = |more: usize| {
        let credential = mesh.pki.issue(
            &format!("with-{more}"),
            &Leaf::workload(SLEEP),
            Signer::Mesh,
        );
        let chain = fs::read_to_string(&credential.chain).unwrap();
        fs::write(&credential.chain, chain + &root[at..].repeat(more)).unwrap();
        credential
    };
    assert!(is_served(&mesh, &with(3)), "{}", mesh.egret.said());
    assert!(!is_served(&mesh, &with(4)));
    let _ = refused(&mesh, "certificate_untrusted");
    // Beyond 16 KiB it is not even read.
    assert!(!is_served(&mesh, &with(60)));
    let _ = refused(&mesh, "handshake_failed");
}
