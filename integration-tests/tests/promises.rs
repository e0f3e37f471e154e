//! What SECURITY.md promises, held against the tests it names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_owned()
}

/// The text below a heading of SECURITY.md.
fn section(heading: &str) -> String {
    let text = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let (_, rest) = text
        .split_once(&format!("\n## {heading}\n"))
        .expect(heading);
    rest.split("\n## ").next().unwrap_or(rest).to_owned()
}

/// The numbered items of the promises.
fn promises() -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for line in section("What is promised").lines() {
        let number = format!("{}. ", items.len() + 1);
        match (line.starts_with(&number), items.last_mut()) {
            (true, _) => items.push(line.to_owned()),
            (false, Some(item)) => item.extend(["\n", line]),
            (false, None) => {}
        }
    }
    items
}

/// `file::function` of every test of the workspace; the folder's name stands for
/// a `main.rs`.
fn tests() -> BTreeSet<String> {
    let crates = ["policy", "conf", "gateway", "integration-tests", "fuzz"];
    let mut folders: Vec<_> = crates.map(|name| root().join(name)).to_vec();
    let mut found = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let stem = match path.file_stem().unwrap() {
                    main if main == "main" => folder.file_name().unwrap(),
                    stem => stem,
                };
                let stem = stem.to_string_lossy();
                let text = fs::read_to_string(&path).unwrap();
                found.extend(functions(&text).map(|name| format!("{stem}::{name}")));
            }
        }
    }
    found
}

/// The test functions of a file.
fn functions(text: &str) -> impl Iterator<Item = &str> {
    let lines = || text.lines().map(str::trim_start);
    let marked = lines().zip(lines().skip(1));
    let marked = marked.filter(|(mark, _)| *mark == "#[test]" || mark.starts_with("#[tokio::test"));
    marked.filter_map(|(_, line)| {
        let name = line.trim_start_matches("async ").strip_prefix("fn ")?;
        name.split('(').next()
    })
}

#[test]
fn every_promise_names_tests_that_there_are() {
    let tests = tests();
    let promises = promises();
    assert!(promises.len() > 10, "{promises:#?}");
    for promise in &promises {
        let Some((_, named)) = promise.split_once("Tests:") else {
            assert!(promise.contains("No test "), "nothing holds: {promise}");
            continue;
        };
        let named: Vec<_> = named.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{promise}");
        for name in named {
            assert!(tests.contains(name), "there is no test `{name}`");
        }
    }
}

#[test]
fn what_is_known_not_to_hold_is_said() {
    let said = section("What is not promised");
    for word in ["NetworkPolicy", "domain\n  fronting", "time is over"] {
        assert!(said.contains(word), "nothing is said of {word}");
    }
}
