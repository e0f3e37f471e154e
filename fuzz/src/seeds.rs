//! What the repository holds already: the examples of configurations, and the
//! vectors of requests.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_owned()
}

/// The files of a folder, in order.
fn files(folder: &str, extension: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(root().join(folder)).into_iter().flatten();
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    paths.sort();
    let read = |path: &PathBuf| fs::read(path).expect("a file");
    paths.iter().map(read).collect()
}

/// Native configurations.
pub(crate) fn native() -> Vec<Vec<u8>> {
    files("conf/examples", "yaml")
}

/// Files of Istio's kinds.
pub(crate) fn istio() -> Vec<Vec<u8>> {
    files("conf/examples/istio", "yaml")
}

/// The raw HTTP/1.1 requests among the vectors, heads and bodies.
pub(crate) fn requests() -> Vec<Vec<u8>> {
    let all = files("integration-tests/vectors", "jsonl").concat();
    let lines = all.split(|byte| *byte == b'\n').filter(|l| !l.is_empty());
    let vectors = lines.map(|line| serde_json::from_slice(line).expect("a vector"));
    let raw = vectors.filter_map(|vector: Value| Some(latin1(vector["raw"].as_str()?)));
    let plain = b"GET /sport?a=1 HTTP/1.1\r\nhost: edition.cnn.com\r\n\r\n";
    raw.chain([plain.to_vec()]).collect()
}

/// Vectors write each byte as the character of its number.
fn latin1(text: &str) -> Vec<u8> {
    let byte = |c: char| u8::try_from(u32::from(c)).unwrap_or(b'?');
    text.chars().map(byte).collect()
}

/// Texts, as bytes.
pub(crate) fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
