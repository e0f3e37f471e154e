//! The image: what it is built from, and what it is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{deployment, named, read, root, text};

/// The words of every instruction of the Dockerfile, continued lines joined.
fn instructions() -> Vec<Vec<String>> {
    let text = read("Dockerfile");
    let plain = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let joined = plain.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let lines = joined.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| line.split_whitespace().map(str::to_owned).collect())
        .collect()
}

#[test]
fn the_image_is_built_from_files_that_are_there_and_not_ignored() {
    let ignore = read(".dockerignore");
    let let_in: Vec<_> = ignore
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .collect();
    assert!(
        ignore.lines().any(|line| line == "*"),
        "everything is let in"
    );
    let mut copied = BTreeSet::new();
    for words in instructions()
        .iter()
        .filter(|words| words[0] == "COPY" && !words[1].starts_with("--from"))
    {
        for source in &words[1..words.len() - 1] {
            let path = source.trim_end_matches('/');
            assert!(root().join(path).exists(), "{source} is not there");
            let known = let_in
                .iter()
                .any(|known| Path::new(path).starts_with(known));
            assert!(known, "{source} is ignored");
            copied.insert(source.clone());
        }
    }
    for known in let_in {
        let used = copied
            .iter()
            .any(|source| Path::new(source).starts_with(known));
        assert!(used, "{known} is let in for nothing");
    }
}

#[test]
fn dependencies_are_built_from_manifests_alone() {
    let all = instructions();
    let first_build = all
        .iter()
        .position(|words| words.join(" ").contains("cargo build"))
        .expect("a build");
    let folder = tempfile::tempdir().unwrap();
    for words in all[..first_build].iter().filter(|words| words[0] == "COPY") {
        let (target, sources) = words[1..].split_last().unwrap();
        for source in sources {
            let to = folder
                .path()
                .join(target)
                .join(Path::new(source).file_name().unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(root().join(source), to).unwrap_or_else(|error| panic!("{source}: {error}"));
        }
    }
    assert!(all[first_build].contains(&"tools/stub-sources.sh".to_owned()));
    let stubbed = Command::new("tools/stub-sources.sh")
        .current_dir(folder.path())
        .status();
    assert!(stubbed.expect("a script that runs").success());
    // Cargo looks for all sources before it looks for a package there is not.
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "check",
        "--offline",
        "--locked",
        "--package",
        "none-of-this-name",
    ]);
    let output = cargo.current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("did not match any packages"), "{said}");
}

#[test]
fn the_image_has_no_shell_and_runs_as_nobody() {
    let all = instructions();
    let last = all
        .iter()
        .rposition(|words| words[0] == "FROM")
        .expect("a stage");
    let stage = &all[last..];
    let says = |name: &str| {
        let found = stage
            .iter()
            .find(|words| words[0] == name)
            .unwrap_or_else(|| panic!("no {name}"));
        found[1..].join(" ")
    };
    assert_eq!(says("FROM"), "scratch");
    assert!(stage.iter().all(|words| words[0] != "RUN"));
    assert_eq!(says("ENTRYPOINT"), r#"["/egret"]"#);
    assert_eq!(says("CMD"), r#"["run", "--config", "/etc/egret"]"#);
    assert_eq!(says("EXPOSE"), "8443 15021");
    let deployment = deployment();
    let pod = &deployment["spec"]["template"]["spec"];
    let user = pod["securityContext"]["runAsUser"].as_u64().unwrap();
    let group = pod["securityContext"]["runAsGroup"].as_u64().unwrap();
    assert_eq!(says("USER"), format!("{user}:{group}"));
    let mounted = named(
        &named(&pod["containers"], "egret")["volumeMounts"],
        "config",
    )["mountPath"]
        .clone();
    assert!(says("CMD").contains(text(&mounted)));
}
