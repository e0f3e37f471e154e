//! Running a suite's program: bounded in time, its output kept in `target/suites`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use integration_tests::process::Process;

/// The folder of reports.
pub(crate) fn reports() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/suites");
    fs::create_dir_all(&folder).unwrap();
    fs::canonicalize(folder).unwrap()
}

/// What a program wrote to both streams, whatever its exit status.
///
/// # Panics
/// When it does not end within `limit`.
pub(crate) fn run(name: &str, mut command: Command, limit: Duration) -> String {
    let log = reports().join(name).with_extension("log");
    let out = fs::File::create(&log).unwrap();
    command.stdin(Stdio::null());
    command.stderr(out.try_clone().unwrap()).stdout(out);
    let mut process = Process::start(command);
    let ended = process.exit_within(limit);
    let text = String::from_utf8_lossy(&fs::read(&log).unwrap()).into_owned();
    assert!(
        ended.is_some(),
        "{name} did not end within {limit:?}:\n{text}"
    );
    text
}

/// The version in what a program says of itself: the word after `word`.
pub(crate) fn version(program: &Path, flag: &str, word: &str) -> String {
    let output = Command::new(program)
        .arg(flag)
        .stdin(Stdio::null())
        .output();
    let output = output.unwrap_or_else(|e| panic!("cannot start {}: {e}", program.display()));
    let text = [output.stdout, output.stderr].concat();
    let text = plain(&String::from_utf8_lossy(&text));
    let (_, after) = text.split_once(word).unwrap_or_default();
    after
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Without a terminal's colours.
pub(crate) fn plain(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once('m').map_or(part, |(_, rest)| rest));
    first + &rest.collect::<String>()
}
