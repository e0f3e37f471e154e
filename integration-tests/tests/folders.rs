//! Objects come, change and go in a watched folder while the gateway serves:
//! each takes effect within a second, and no request fails of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use integration_tests::client::{Curl, Reply};
use integration_tests::load::Load;
use integration_tests::mesh::Mesh;
use integration_tests::wait::within;

const HOST: &str = "httpbin.org";

/// A second is the promise; the rest is for a busy machine.
const SOON: Duration = Duration::from_millis(2500);

const DESTINATION: &str = "
destinations:
  - host: httpbin.org
    upstream: { addresses: [\"$RECORDER\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
policies:
  - name: load
    allow: { path: /load }
";

/// A document that lets a path through.
fn allowing(path: &str) -> String {
    format!("version: 1\npolicies:\n  - name: p{path}\n    allow: {{ path: {path} }}\n")
}

/// Puts a file in place in one step.
fn put(folder: &Path, name: &str, content: &str) {
    let beside = folder.join(".beside");
    fs::write(&beside, content).unwrap();
    fs::rename(&beside, folder.join(name)).unwrap();
}

/// How long it takes from now until `path` is answered with `status`.
#[track_caller]
fn soon(mesh: &Mesh, what: &str, status: u16, path: &str) {
    until_within(SOON, mesh, what, status, path);
}

#[track_caller]
fn until_within(limit: Duration, mesh: &Mesh, what: &str, status: u16, path: &str) {
    let since = Instant::now();
    let asked = || (mesh.fetch("sleep", HOST, path).status == status).then_some(());
    let came = within(limit, asked).is_some();
    let took = since.elapsed();
    assert!(came, "{what}: not within {took:?}:\n{}", mesh.egret.said());
    println!("{what}: {took:?}");
}

fn load(mesh: &Mesh) -> Load {
    let (gateway, who) = (mesh.gateway(), mesh.pki.workload("sleep"));
    let request = move || -> Reply {
        Curl::to_gateway(gateway, &who, HOST, "/load")
            .http2()
            .send()
    };
    Load::start(vec![Box::new(request.clone()), Box::new(request)])
}

#[track_caller]
fn nothing_failed(load: Load, mesh: &Mesh) {
    load.go_on_for(3);
    let failed = load.finish();
    assert!(failed.is_empty(), "{failed:#?}\n{}", mesh.egret.said());
}

fn come_change_and_go(mesh: &Mesh, folder: &Path, how: &str) {
    let load = load(mesh);
    for (name, path) in [("b.yaml", "/b"), ("a.yml", "/a"), ("c.yaml", "/c")] {
        assert_eq!(mesh.fetch("sleep", HOST, path).status, 403);
        put(folder, name, &allowing(path));
        soon(mesh, &format!("{how}: added"), 200, path);
    }
    put(folder, "b.yaml", &allowing("/changed"));
    soon(mesh, &format!("{how}: changed"), 200, "/changed");
    assert_eq!(mesh.fetch("sleep", HOST, "/b").status, 403);
    // Written in place, as `cat >` does.
    fs::write(folder.join("b.yaml"), allowing("/again")).unwrap();
    soon(mesh, &format!("{how}: written over"), 200, "/again");
    fs::remove_file(folder.join("b.yaml")).unwrap();
    soon(mesh, &format!("{how}: deleted"), 403, "/again");
    fs::rename(folder.join("a.yml"), folder.join("a.yml.off")).unwrap();
    soon(mesh, &format!("{how}: renamed away"), 403, "/a");
    put(folder, "d.yaml", "policies: [");
    put(folder, "e.yaml", &allowing("/e"));
    assert_eq!(
        mesh.fetch("sleep", HOST, "/e").status,
        403,
        "with a mistake beside it"
    );
    fs::remove_file(folder.join("d.yaml")).unwrap();
    soon(mesh, &format!("{how}: mended"), 200, "/e");
    assert_eq!(mesh.fetch("sleep", HOST, "/c").status, 200);
    nothing_failed(load, mesh);
}

#[test]
fn objects_come_change_and_go_in_the_folder_it_was_given() {
    let mesh = Mesh::start_on_folder(DESTINATION);
    come_change_and_go(&mesh, mesh.egret.dir(), "--config DIR");
}

/// A gateway whose configuration names a folder, which is there or is not.
fn with_source(dir: &str) -> (Mesh, PathBuf) {
    let mesh = Mesh::start(DESTINATION);
    let folder = mesh.egret.dir().join(dir);
    fs::create_dir(&folder).unwrap();
    mesh.configure(&[&format!("sources: [{{ dir: {dir} }}]\n"), DESTINATION].concat());
    put(&folder, "first.yaml", &allowing("/first"));
    soon(&mesh, "a folder named", 200, "/first");
    (mesh, folder)
}

#[test]
fn objects_come_change_and_go_in_a_folder_the_configuration_names() {
    let (mesh, folder) = with_source("conf.d");
    come_change_and_go(&mesh, &folder, "sources: dir");
}

/// A version of a mounted ConfigMap, put in place as the kubelet does: a new
/// folder, and one link that is renamed.
fn mount(folder: &Path, version: &str, files: &[(&str, &str)]) {
    let of_version = folder.join(format!("..{version}"));
    fs::create_dir(&of_version).unwrap();
    for (name, content) in files {
        fs::write(of_version.join(name), content).unwrap();
    }
    let next = folder.join("..data_tmp");
    symlink(format!("..{version}"), &next).unwrap();
    let old = fs::read_link(folder.join("..data")).ok();
    fs::rename(&next, folder.join("..data")).unwrap();
    for (name, _) in files {
        let link = folder.join(name);
        if fs::symlink_metadata(&link).is_err() {
            symlink(format!("..data/{name}"), link).unwrap();
        }
    }
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if fs::metadata(entry.path()).is_err() {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    if let Some(old) = old {
        fs::remove_dir_all(folder.join(old)).unwrap();
    }
}

#[test]
fn a_mounted_config_map_changes_by_its_link() {
    let (mesh, folder) = with_source("mounted");
    let load = load(&mesh);
    mount(
        &folder,
        "v1",
        &[("x.yaml", &allowing("/x")), ("y.yaml", &allowing("/y"))],
    );
    soon(&mesh, "a ConfigMap mounted", 200, "/x");
    mount(
        &folder,
        "v2",
        &[("x.yaml", &allowing("/x2")), ("y.yaml", &allowing("/y"))],
    );
    soon(&mesh, "a key of a ConfigMap changed", 200, "/x2");
    assert_eq!(mesh.fetch("sleep", HOST, "/x").status, 403);
    mount(
        &folder,
        "v3",
        &[("y.yaml", &allowing("/y")), ("z.yaml", &allowing("/z"))],
    );
    soon(&mesh, "a key added", 200, "/z");
    soon(&mesh, "a key deleted", 403, "/x2");
    assert_eq!(mesh.fetch("sleep", HOST, "/y").status, 200);
    nothing_failed(load, &mesh);
}

#[test]
fn a_folder_replaced_whole_is_noticed_although_nobody_tells() {
    let mesh = Mesh::start(DESTINATION);
    let checkout = mesh.egret.dir().join("checkout");
    fs::create_dir(&checkout).unwrap();
    // As with a checkout that is updated beside: a watch of the folder stays
    // with the old one, and nobody watches where the link stands.
    let switch = |round: usize| {
        let revision = checkout.join(format!("revision{round}"));
        fs::create_dir(&revision).unwrap();
        put(&revision, "r.yaml", &allowing(&format!("/revision{round}")));
        symlink(&revision, checkout.join("next")).unwrap();
        fs::rename(checkout.join("next"), checkout.join("current")).unwrap();
        revision
    };
    switch(0);
    let source = "sources: [{ dir: checkout/current }]\n";
    mesh.configure(&[source, DESTINATION].concat());
    soon(&mesh, "a folder named", 200, "/revision0");
    let load = load(&mesh);
    for round in 1..4 {
        let revision = switch(round);
        soon(
            &mesh,
            "a folder replaced",
            200,
            &format!("/revision{round}"),
        );
        let path = format!("/within{round}");
        put(&revision, "within.yaml", &allowing(&path));
        soon(&mesh, "and a file in the new one", 200, &path);
    }
    nothing_failed(load, &mesh);
}

#[test]
fn what_changes_while_it_is_read_is_not_lost() {
    let (mesh, folder) = with_source("conf.d");
    // It takes its time, so that there is a while in which to be overtaken.
    let many =
        |number: usize| format!("  - {{ name: m{number}, allow: {{ path: /m{number} }} }}\n");
    let many: String = (0..1000).map(many).collect();
    put(
        &folder,
        "many.yaml",
        &format!("version: 1\npolicies:\n{many}"),
    );
    soon(&mesh, "a thousand rules", 200, "/m999");
    let load = load(&mesh);
    for round in 0..10 {
        put(&folder, "busy.yaml", &allowing(&format!("/early{round}")));
        // From before it begins to read until after it has compiled.
        std::thread::park_timeout(Duration::from_millis(80 + 30 * round));
        put(&folder, "busy.yaml", &allowing(&format!("/late{round}")));
        // Lost is lost for good: two compilations may take their time.
        let late = format!("/late{round}");
        until_within(2 * SOON, &mesh, "the later of two", 200, &late);
    }
    nothing_failed(load, &mesh);
}

#[test]
fn a_folder_of_a_thousand_files_is_as_quick() {
    let (mesh, folder) = with_source("conf.d");
    for number in 0..1000 {
        put(
            &folder,
            &format!("{number:04}.yaml"),
            &allowing(&format!("/n{number}")),
        );
    }
    // An unoptimised build on a busy machine compiles them in as long again.
    let patience = 2 * SOON;
    until_within(patience, &mesh, "a thousand files", 200, "/n999");
    let load = load(&mesh);
    put(&folder, "1000.yaml", &allowing("/n1000"));
    until_within(patience, &mesh, "added to a thousand", 200, "/n1000");
    put(&folder, "0500.yaml", &allowing("/changed"));
    until_within(patience, &mesh, "changed among a thousand", 200, "/changed");
    fs::remove_file(folder.join("0999.yaml")).unwrap();
    until_within(patience, &mesh, "deleted from a thousand", 403, "/n999");
    nothing_failed(load, &mesh);
}
