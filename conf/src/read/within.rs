//! What stands in a folder, and what stands further within that nobody reads.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::bytes;
use crate::file::SourceFile;
use crate::node::Value;
use crate::report::Report;
use crate::yaml;

/// What kubectl applies of a folder; JSON is YAML too.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// What of a folder can be seen, by name. What is hidden is none of it:
/// Kubernetes keeps the versions of a mounted ConfigMap in `..data`.
#[derive(Debug, Default)]
pub(super) struct Visible {
    /// Configuration files.
    pub(super) files: Vec<PathBuf>,
    pub(super) folders: Vec<PathBuf>,
}

pub(super) fn visible(folder: &Path) -> io::Result<Visible> {
    let mut visible = Visible::default();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_configuration = path
            .extension()
            .is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known));
        match path.is_dir() {
            _ if is_hidden => {}
            true => visible.folders.push(path),
            false if is_configuration => visible.files.push(path),
            false => {}
        }
    }
    visible.files.sort();
    visible.folders.sort();
    Ok(visible)
}

/// A configuration in `folder` or further within, but for what was `seen`. Each
/// folder that is looked into is watched: one may be put there later.
pub(super) fn unread(
    folder: &Path,
    seen: &mut HashSet<PathBuf>,
    watch: &mut dyn FnMut(&Path),
) -> Option<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // What cannot be opened (`lost+found`) cannot have been meant.
        let Ok(real) = fs::canonicalize(&folder) else {
            continue;
        };
        if !seen.insert(real) {
            continue;
        }
        watch(&folder);
        let inside = visible(&folder).unwrap_or_default();
        let unseen =
            |file: &PathBuf| fs::canonicalize(file).is_ok_and(|real| !seen.contains(&real));
        let mut files = inside.files.into_iter().filter(unseen);
        if let Some(found) = files.find(|file| is_configuration(file)) {
            return Some(found);
        }
        folders.extend(inside.folders.into_iter().rev());
    }
    None
}

/// Whether a file is, or is meant to be, a map; cases for `egret test` are lists.
fn is_configuration(path: &Path) -> bool {
    let Ok(bytes) = bytes(path) else {
        return true;
    };
    let Ok(text) = String::from_utf8(bytes) else {
        return true;
    };
    let report = Report::default();
    let documents = yaml::documents(&SourceFile::new(path.to_string_lossy(), text), &report);
    let is_map = |value: &Value| matches!(value, Value::Map(_));
    report.has_errors() || documents.iter().any(|document| is_map(&document.value))
}
