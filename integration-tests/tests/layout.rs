//! The house as it is said to be: which crate may know which, what may touch
//! the file system, and files small enough to be read.
//!
//! Held against the manifests as Cargo understands them and against the
//! sources, so that a shortcut fails here and not in a review.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The crates.
const MEMBERS: [&str; 6] = [
    "policy",
    "conf",
    "gateway",
    "integration-tests",
    "load-tests",
    "fuzz",
];

/// Longer than this, and it is most likely two ideas.
const MAX_LINES: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_owned()
}

/// What `crate_name` is built on, its tests aside.
fn dependencies(crate_name: &str) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "metadata",
        "--format-version",
        "1",
        "--no-deps",
        "--offline",
    ]);
    let output = cargo.current_dir(root()).output().expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo's metadata");
    let packages = metadata["packages"].as_array().expect("packages");
    let package = packages
        .iter()
        .find(|p| p["name"] == crate_name)
        .expect("the crate");
    let all = package["dependencies"]
        .as_array()
        .expect("dependencies")
        .iter();
    let built = all.filter(|d| d["kind"].is_null());
    built
        .map(|d| d["name"].as_str().expect("a name").to_owned())
        .collect()
}

/// Every source file below `folder`, with its text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                found.push((
                    path.strip_prefix(root())
                        .expect("below the root")
                        .to_owned(),
                    text,
                ));
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {folder}");
    found.sort();
    found
}

/// Whether a file holds tests and nothing else.
fn is_test(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = path.components().any(|c| c.as_os_str() == "tests");
    folder || name == "tests.rs" || name.ends_with("_tests.rs")
}

/// The part of a file that is not its tests.
fn program(text: &str) -> &str {
    let tests = text.find("\n#[cfg(test)]\nmod tests {");
    tests.map_or(text, |at| &text[..at])
}

/// The lines of a file that are neither tests nor comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = program(text).lines().enumerate();
    lines
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(n, line)| (n + 1, line))
}

/// Places in the programs of a crate that name one of `words`.
fn mentions(crate_name: &str, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in sources(&format!("{crate_name}/src")) {
        if is_test(&path) {
            continue;
        }
        for (number, line) in code(&text) {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{number}: {}", path.display(), line.trim()));
            }
        }
    }
    found
}

/// `std` in parts of which a module may have one and not the other, so that
/// none hides in braces.
const BRACES: &str = "use std::{";

#[test]
fn policy_is_built_on_nothing_that_does_anything() {
    let all = dependencies("policy");
    let allowed = [
        "idna",
        "ipnet",
        "regex-automata",
        "regex-syntax",
        "unicode-normalization",
    ];
    let more: Vec<_> = all
        .iter()
        .filter(|d| !allowed.contains(&d.as_str()))
        .collect();
    assert!(more.is_empty(), "policy depends on {more:?} too");
}

#[test]
fn conf_knows_policy_and_neither_the_gateway_nor_its_runtime() {
    let all = dependencies("conf");
    assert!(all.contains("policy"));
    for forbidden in [
        "gateway",
        "tokio",
        "boring",
        "tracing",
        "hickory-resolver",
        "notify",
    ] {
        assert!(!all.contains(forbidden), "conf depends on {forbidden}");
    }
    let pingora: Vec<_> = all.iter().filter(|d| d.starts_with("pingora")).collect();
    assert!(pingora.is_empty(), "conf depends on {pingora:?}");
}

#[test]
fn the_gateway_leaves_forwarding_to_no_one() {
    let all = dependencies("gateway");
    assert!(all.contains("conf") && all.contains("policy") && all.contains("pingora-core"));
    assert!(
        !all.contains("pingora-proxy"),
        "ARCHITECTURE.md says why it is not used"
    );
}

#[test]
fn nothing_is_built_on_the_tests() {
    for crate_name in ["policy", "conf", "gateway"] {
        assert!(
            !dependencies(crate_name).contains("integration-tests"),
            "{crate_name}"
        );
    }
}

#[test]
fn policy_touches_no_file_socket_clock_thread_or_stream() {
    let forbidden = [
        BRACES,
        "std::env",
        "std::fs",
        "std::io",
        "std::net::Tcp",
        "std::net::Udp",
        "std::net::ToSocketAddrs",
        "std::process",
        "std::thread",
        "Instant::now",
        "SystemTime::now",
        "println!",
        "eprintln!",
        "async fn",
        "unsafe {",
    ];
    let found = mentions("policy", &forbidden);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn conf_reads_files_in_one_module_and_does_nothing_else_outside_itself() {
    let forbidden = [
        BRACES,
        "std::env",
        "std::fs",
        "std::net::Tcp",
        "std::net::Udp",
        "std::net::ToSocketAddrs",
        "std::process",
        "std::thread",
        "Instant::now",
        "SystemTime::now",
        "println!",
        "eprintln!",
        "async fn",
        "unsafe {",
    ];
    let mut found = mentions("conf", &forbidden);
    let module = ["conf/src/read.rs:", "conf/src/read/"];
    let reads = |place: &String| {
        module.iter().any(|begin| place.starts_with(begin)) && place.contains("std::fs")
    };
    assert!(
        found.iter().any(reads),
        "conf::read reads no files any more?"
    );
    found.retain(|place| !reads(place));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn unsafe_code_stands_in_one_module() {
    let manifest = |path: &str| fs::read_to_string(root().join(path)).expect("a manifest");
    let workspace = manifest("Cargo.toml");
    // The compiler denies it; what is left is where a file allows it itself.
    let allowed = ["(unsafe", "_code"].concat();
    assert!(workspace.contains("\nunsafe_code = \"deny\"\n"));
    let mut allowing = BTreeSet::new();
    for crate_name in MEMBERS {
        assert!(
            workspace.contains(&format!("\"{crate_name}\"")),
            "{crate_name} is gone"
        );
        // The tests' own lints deny it as well.
        let lints = [
            "[lints]\nworkspace = true\n",
            "[lints.rust]\nunsafe_code = \"deny\"\n",
        ];
        let own = manifest(&format!("{crate_name}/Cargo.toml"));
        let denies = lints.iter().any(|lints| own.contains(lints));
        assert!(denies, "{crate_name} has lints of its own");
        let files = sources(crate_name).into_iter();
        allowing.extend(files.filter_map(|(path, text)| text.contains(&allowed).then_some(path)));
    }
    assert!(allowing.remove(Path::new("gateway/src/foreign.rs")));
    // By libFuzzer's macro, in programs that are never shipped.
    allowing.retain(|path| !path.starts_with("fuzz/fuzz_targets"));
    assert!(allowing.is_empty(), "unsafe code in {allowing:?}");
}

#[test]
fn every_file_says_first_what_it_is_for() {
    let folders = ["policy", "conf", "gateway", "integration-tests", "fuzz"];
    // `x_tests.rs` is the end of `x.rs`, which has said it already.
    let files = folders.into_iter().flat_map(sources);
    let files = files.filter(|(path, _)| !path.to_string_lossy().ends_with("_tests.rs"));
    let silent = files.filter(|(_, text)| !text.starts_with("//! "));
    let silent: Vec<_> = silent.map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "no `//!` at the top of {silent:?}");
}

#[test]
fn no_file_is_longer_than_one_idea() {
    let folders = [
        "policy/src",
        "conf/src",
        "gateway/src",
        "integration-tests/src",
        "fuzz/src",
    ];
    let files = folders
        .into_iter()
        .flat_map(sources)
        .filter(|(path, _)| !is_test(path));
    let lengths = files.map(|(path, text)| (program(&text).lines().count(), path));
    let long: Vec<_> = lengths.filter(|(lines, _)| *lines > MAX_LINES).collect();
    assert!(long.is_empty(), "over {MAX_LINES} lines: {long:?}");
}

#[test]
fn invariants_are_named_once_and_told_in_the_account_of_the_code() {
    let account = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let mut named = BTreeSet::new();
    for (path, text) in ["policy/src", "conf/src", "gateway/src"]
        .into_iter()
        .flat_map(sources)
    {
        for (_, rest) in text
            .match_indices("INVARIANT(")
            .map(|(at, word)| (at, &text[at + word.len()..]))
        {
            let name = rest.split(')').next().unwrap_or_default().to_owned();
            assert!(
                named.insert(name.clone()),
                "`{name}` is named twice, again in {}",
                path.display()
            );
            assert!(
                account.contains(&format!("`{name}`")),
                "ARCHITECTURE.md does not tell of `{name}`"
            );
        }
    }
    assert!(!named.is_empty());
    let (_, table) = account
        .split_once("\n## Invariants\n")
        .expect("the invariants");
    let rows = table.split("\n## ").next().unwrap_or_default().lines();
    for name in rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next()) {
        assert!(named.contains(name), "no code names `{name}`");
    }
}

#[test]
fn the_map_names_every_module() {
    let account = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let (_, map) = account.split_once("\n## The map\n").expect("the map");
    let map = map.split("\n## ").next().unwrap_or_default();
    for crate_name in ["policy", "conf", "gateway"] {
        let (_, part) = map
            .split_once(&format!("\n### {crate_name}\n"))
            .expect("a part for each crate");
        let part = part.split("\n### ").next().unwrap_or_default();
        let rows = part
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
        let told: BTreeSet<_> = rows
            .flat_map(|row| row.split(", "))
            .map(|name| name.trim_matches('`'))
            .collect();
        let there = modules(crate_name);
        let there: BTreeSet<_> = there.iter().map(String::as_str).collect();
        assert_eq!(told, there, "the map of {crate_name}");
    }
}

/// The modules at the top of a crate.
fn modules(crate_name: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(crate_name).join("src")).expect("a crate");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let modules = paths.filter(|path| !is_test(path) && !path.ends_with("tests"));
    let names = modules.map(|path| {
        path.file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned()
    });
    names
        .filter(|name| name != "lib" && name != "main")
        .collect()
}
