//! Configuration, certificates, roots and revocation lists change while the
//! gateway serves: no request fails of it, and what is wrong changes nothing.

use std::time::Duration;

use serde_json::Value;

use integration_tests::client::{Curl, Reply};
use integration_tests::leaf::{Leaf, Signer};
use integration_tests::load::Load;
use integration_tests::mesh::Mesh;
use integration_tests::pki::{Credential, GATEWAY_PRINCIPAL, Pki};
use integration_tests::process::Signal;
use integration_tests::raw::{Hello, Raw};
use integration_tests::record::reason;
use integration_tests::sidecar::Protocol;
use integration_tests::wait::{PATIENCE, until, within};

const HOST: &str = "httpbin.org";
const GET: &str = "GET /x HTTP/1.1\r\nhost: httpbin.org\r\n\r\n";

/// `sleep` may ask for `paths`.
fn allowing(paths: &str) -> String {
    format!(
        "destinations:
  - host: httpbin.org
    upstream: {{ addresses: [\"$RECORDER\"], tls: {{ ca: $ORIGIN_CA }} }}
    allowAddresses: [127.0.0.0/8]
policies:
  - name: paths
    allow: {{ from: sa:default/sleep, host: httpbin.org, path: [{paths}] }}
"
    )
}

fn status(raw: &mut Raw) -> u16 {
    raw.exchange(GET).map_or(0, |answer| answer.status())
}

#[test]
fn a_changed_file_takes_effect_by_itself() {
    let mesh = Mesh::start(&allowing("/a"));
    assert_eq!(mesh.fetch("sleep", HOST, "/a").status, 200);
    assert_eq!(mesh.fetch("sleep", HOST, "/b").status, 403);
    mesh.configure(&allowing("/b"));
    mesh.until_served("sleep", HOST, "/b");
    assert_eq!(mesh.fetch("sleep", HOST, "/a").status, 403);
    let digest = |path: &str| {
        mesh.egret
            .wait_for_record(path, |r| r["path"] == path && r["response_code"] == 200)["snapshot"]
            .clone()
    };
    assert_ne!(digest("/a"), digest("/b"));
}

#[test]
fn a_hangup_reloads() {
    let mut mesh = Mesh::start(&allowing("/a"));
    mesh.configure(&allowing("/b"));
    mesh.egret.signal(Signal::Hangup);
    mesh.until_served("sleep", HOST, "/b");
    assert!(mesh.egret.is_running());
}

#[test]
fn a_bad_configuration_is_told_and_changes_nothing() {
    let mut mesh = Mesh::start(&allowing("/a"));
    let bad = allowing("/b").replace("    allow:", "    alow:");
    mesh.configure(&bad);
    let place = mesh.line_of("alow:");
    let told = || {
        mesh.egret
            .diagnostics()
            .iter()
            .any(|line| line.contains(&place))
            .then_some(())
    };
    until("the mistake is told with its place", told);
    assert_eq!(mesh.fetch("sleep", HOST, "/a").status, 200);
    assert_eq!(mesh.fetch("sleep", HOST, "/b").status, 403);
    mesh.egret.signal(Signal::Hangup);
    mesh.configure(&allowing("/c"));
    mesh.until_served("sleep", HOST, "/c");
}

#[test]
fn a_bad_configuration_does_not_start() {
    let mut egret = integration_tests::egret::Egret::launch("version: 1\nlisteners: 7\n");
    let status = egret.exit_within(Duration::from_secs(5));
    assert!(status.is_some_and(|status| !status.success()), "{status:?}");
    // The reader of its output may be a moment behind its end.
    until("the mistake is told", || {
        egret.said().contains("egret.yaml:2").then_some(())
    });
}

#[test]
fn a_request_keeps_the_snapshot_it_began_with() {
    let mesh = Mesh::start(&allowing("/delay/*"));
    let curl = mesh.curl("sleep", HOST, "/delay/3");
    let begun = std::thread::spawn(move || curl.send());
    let _ = mesh.recorder.wait_for("/delay/3");
    mesh.configure(&allowing("/b"));
    mesh.until_served("sleep", HOST, "/b");
    assert!(
        !begun.is_finished(),
        "the change came too late to prove anything"
    );
    assert_eq!(begun.join().unwrap().status, 200);
    let snapshot = |path: &str| {
        mesh.egret
            .wait_for_record(path, |r| r["path"] == path && r["response_code"] == 200)["snapshot"]
            .clone()
    };
    assert_ne!(snapshot("/delay/3"), snapshot("/b"));
}

#[test]
fn the_next_request_of_an_open_connection_meets_the_new_policy() {
    let mesh = Mesh::start(&allowing("/x"));
    let mut raw = Hello::of(&mesh.pki, "sleep", HOST)
        .connect(mesh.gateway())
        .unwrap();
    assert_eq!(status(&mut raw), 200);
    mesh.configure(&allowing("/b"));
    mesh.until_served("sleep", HOST, "/b");
    assert_eq!(status(&mut raw), 403);
}

fn load(mesh: &Mesh, sidecars: &[integration_tests::sidecar::Sidecar]) -> Load {
    let mut requests: Vec<Box<dyn Fn() -> Reply + Send>> = Vec::new();
    for sidecar in sidecars {
        let address = sidecar.address();
        requests.push(Box::new(move || {
            Curl::through(address, HOST, "/load").send()
        }));
    }
    let (gateway, who) = (mesh.gateway(), mesh.pki.workload("sleep"));
    requests.push(Box::new(move || {
        Curl::to_gateway(gateway, &who, HOST, "/load")
            .http2()
            .send()
    }));
    Load::start(requests)
}

#[test]
fn no_request_fails_of_a_reload() {
    let mut mesh = Mesh::start(&allowing("/load"));
    let sidecars = Protocol::ALL.map(|protocol| mesh.sidecar("sleep", protocol));
    let load = load(&mesh, &sidecars);
    for round in 0..10 {
        mesh.configure(&allowing(&format!("/load, /round{round}")));
        mesh.egret.signal(Signal::Hangup);
        // The identity turns over as well, and a mistake comes between.
        let _ = mesh.pki.gateway();
        mesh.until_served("sleep", HOST, &format!("/round{round}"));
        mesh.configure("policies: [");
        load.go_on_for(10);
    }
    let failed = load.finish();
    assert!(failed.is_empty(), "{failed:#?}\n{}", mesh.egret.said());
    let mut snapshots: Vec<Value> = mesh
        .egret
        .records_where(|r| r["path"] == "/load")
        .iter()
        .map(|r| r["snapshot"].clone())
        .collect();
    snapshots.dedup();
    assert!(
        snapshots.len() >= 10,
        "{} snapshots served",
        snapshots.len()
    );
}

fn serial(credential: &Credential) -> String {
    credential
        .serial
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn a_renewed_identity_is_shown_to_new_peers_and_costs_old_ones_nothing() {
    let pki = Pki::create();
    let first = serial(&pki.gateway());
    let renewed = pki.issue("renewed", &Leaf::workload(GATEWAY_PRINCIPAL), Signer::Mesh);
    let mesh = Mesh::start_with(pki, &allowing("/x"));
    let hello = Hello::of(&mesh.pki, "sleep", HOST);
    let mut old = hello.connect(mesh.gateway()).unwrap();
    assert_ne!(
        old.server_serial(),
        first,
        "the bench issues its own at start"
    );
    let before = old.server_serial();
    let gateway = mesh.pki.dir().join("gateway");
    std::fs::rename(&renewed.key, gateway.join("key.pem")).unwrap();
    std::fs::rename(&renewed.chain, gateway.join("chain.pem")).unwrap();
    let seen = within(PATIENCE, || {
        let now = hello.connect(mesh.gateway()).unwrap().server_serial();
        assert!(now == before || now == serial(&renewed), "{now} is neither");
        (now == serial(&renewed)).then_some(())
    });
    let said = mesh.egret.said();
    assert!(
        seen.is_some(),
        "new peers never see the new certificate:\n{said}"
    );
    assert_eq!(status(&mut old), 200);
}

#[test]
fn a_root_no_longer_trusted_vouches_for_nobody() {
    let mesh = Mesh::start(&allowing("/x"));
    let leaf = Leaf::workload("cluster.local/ns/default/sa/sleep");
    let credential = Some(mesh.pki.issue("next", &leaf, Signer::NextMesh));
    let hello = Hello {
        credential,
        ..Hello::of(&mesh.pki, "sleep", HOST)
    };
    let served = || {
        hello
            .connect(mesh.gateway())
            .is_ok_and(|mut raw| status(&mut raw) == 200)
    };
    assert!(served());
    mesh.pki.trust(&[Signer::Mesh]);
    until("the old root is forgotten", || (!served()).then_some(()));
    let refused = mesh
        .egret
        .wait_for_record("the refusal", |r| r["decision"] == "refuse");
    assert_eq!(reason(&refused), "certificate_untrusted", "{refused:#}");
    assert_eq!(
        mesh.fetch("sleep", HOST, "/x").status,
        200,
        "the other root stands"
    );
}

#[test]
fn a_revoked_certificate_is_refused_from_then_on() {
    let pki = Pki::create();
    let stolen = pki.issue(
        "stolen",
        &Leaf::workload("cluster.local/ns/default/sa/sleep"),
        Signer::Mesh,
    );
    let _ = pki.revocation_list("mesh", &[]);
    let identity = "identity: { files: { chain: $PKI/gateway/chain.pem, key: $PKI/gateway/key.pem, \
                    roots: $PKI/mesh-roots.pem, crl: $PKI/mesh.crl.pem } }\n";
    let mesh = Mesh::start_with(pki, &[identity, &allowing("/x")].concat());
    let credential = Some(stolen.clone());
    let hello = Hello {
        credential,
        ..Hello::of(&mesh.pki, "sleep", HOST)
    };
    let served = || {
        hello
            .connect(mesh.gateway())
            .is_ok_and(|mut raw| status(&mut raw) == 200)
    };
    assert!(served(), "{}", mesh.egret.said());
    let _ = mesh.pki.revocation_list("mesh", &[&stolen]);
    until("the list is read", || (!served()).then_some(()));
    let refused = mesh
        .egret
        .wait_for_record("the refusal", |r| r["decision"] == "refuse");
    assert_eq!(reason(&refused), "certificate_revoked", "{refused:#}");
    assert_eq!(
        mesh.fetch("sleep", HOST, "/x").status,
        200,
        "others are not touched"
    );
}

/// A mistake in the configuration holds up no revocation list, no roots and no
/// identity: those of what runs are read on.
#[test]
fn certificates_change_while_the_configuration_is_broken() {
    let pki = Pki::create();
    let who = Leaf::workload("cluster.local/ns/default/sa/sleep");
    let stolen = pki.issue("stolen", &who, Signer::Mesh);
    let renewed = pki.issue("renewed", &Leaf::workload(GATEWAY_PRINCIPAL), Signer::Mesh);
    let _ = pki.revocation_list("mesh", &[]);
    let identity = "identity: { files: { chain: $PKI/gateway/chain.pem, key: $PKI/gateway/key.pem, \
                    roots: $PKI/mesh-roots.pem, crl: $PKI/mesh.crl.pem } }\n";
    let mut mesh = Mesh::start_with(pki, &[identity, &allowing("/x")].concat());
    let hello = Hello {
        credential: Some(stolen.clone()),
        ..Hello::of(&mesh.pki, "sleep", HOST)
    };
    let served = || {
        let raw = hello.connect(mesh.gateway());
        raw.is_ok_and(|mut raw| status(&mut raw) == 200)
    };
    assert!(served(), "{}", mesh.egret.said());
    let told = |what: &str| {
        let lines = mesh.egret.diagnostics();
        lines.iter().filter(|line| line.contains(what)).count()
    };
    mesh.egret.configure("policies: [");
    until("the mistake is told", || {
        (told("configuration refused") == 1).then_some(())
    });
    let _ = mesh.pki.revocation_list("mesh", &[&stolen]);
    until("the list is read", || (!served()).then_some(()));
    let refused = mesh
        .egret
        .wait_for_record("the refusal", |r| r["decision"] == "refuse");
    assert_eq!(reason(&refused), "certificate_revoked", "{refused:#}");
    let gateway = mesh.pki.dir().join("gateway");
    std::fs::rename(&renewed.key, gateway.join("key.pem")).unwrap();
    std::fs::rename(&renewed.chain, gateway.join("chain.pem")).unwrap();
    let other = Hello::of(&mesh.pki, "sleep", HOST);
    until("the new identity is shown", || {
        let shown = other.connect(mesh.gateway()).unwrap().server_serial();
        (shown == serial(&renewed)).then_some(())
    });
    assert_eq!(told("configuration refused"), 1, "{}", mesh.egret.said());
    // A hangup is refused as a whole, and brings nothing back.
    mesh.egret.signal(Signal::Hangup);
    until("it is told again", || {
        let lines = mesh.egret.diagnostics();
        let told = lines.iter().filter(|l| l.contains("configuration refused"));
        (told.count() == 2).then_some(())
    });
    let revoked = hello.connect(mesh.gateway());
    assert!(!revoked.is_ok_and(|mut raw| status(&mut raw) == 200));
    mesh.configure(&[identity, &allowing("/c")].concat());
    mesh.until_served("sleep", HOST, "/c");
}

#[test]
fn roots_that_cannot_be_read_leave_the_old_ones_in_force() {
    let mesh = Mesh::start(&allowing("/x"));
    let lines = mesh.egret.diagnostics().len();
    std::fs::write(mesh.pki.mesh_roots(), "no certificate at all\n").unwrap();
    until("the trouble is told", || {
        (mesh.egret.diagnostics().len() > lines).then_some(())
    });
    assert_eq!(
        mesh.fetch("sleep", HOST, "/x").status,
        200,
        "{}",
        mesh.egret.said()
    );
    let refused = mesh.egret.records_where(|r| r["decision"] == "refuse");
    assert!(refused.is_empty(), "{refused:#?}");
    assert!(
        within(Duration::from_millis(500), || mesh
            .egret
            .diagnostics()
            .get(lines + 50)
            .map(drop))
        .is_none(),
        "one trouble, one word"
    );
}

#[test]
fn those_who_only_read_the_files_hold_nothing_up() {
    let mesh = Mesh::start(&allowing("/a"));
    let file = mesh.egret.configuration();
    let reader = Load::start(vec![Box::new(move || {
        let read = std::fs::read(&file).unwrap();
        std::thread::park_timeout(Duration::from_millis(10));
        Reply::of_bytes(200, read)
    })]);
    reader.go_on_for(5);
    mesh.configure(&allowing("/b"));
    mesh.until_served("sleep", HOST, "/b");
    assert!(reader.finish().is_empty());
}

/// How often the gateway's threads have waited for something since it began
/// (Linux, proc(5)); what it reads it tells nobody but root.
fn waits(mesh: &Mesh) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", mesh.egret.id())).unwrap();
    // A thread may end while it is asked.
    let told =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok());
    let lines = told.map(|told| {
        let mut lines = told.lines();
        let line = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    });
    lines.sum()
}

#[test]
fn looking_at_the_files_is_no_reason_to_look_again() {
    let mesh = Mesh::start(&allowing("/a"));
    let before = waits(&mesh);
    until("it looks at its files", || {
        (waits(&mesh) > before).then_some(())
    });
    let looked = waits(&mesh);
    let busy = within(Duration::from_secs(2), || {
        (waits(&mesh) > looked + 50).then_some(())
    });
    assert!(
        busy.is_none(),
        "it waited {} times in two idle seconds",
        waits(&mesh) - looked
    );
}
