//! One program of the rig: its configuration filled in and written, its output
//! kept in a file, ready or said not to be.

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use integration_tests::process::Process;
use integration_tests::wait::{PATIENCE, within};

use crate::trouble::{Trouble, trying};

/// A free port of loopback. Another process may take it before it is used; then
/// the part says so and the run is started again.
pub(crate) fn free_address() -> Result<SocketAddr, Trouble> {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    trying("a free port", address)
}

/// Writes `template` to `file` with each `@WORD@` replaced.
pub(crate) fn configure(
    file: &Path,
    template: &str,
    words: &[(&str, String)],
) -> Result<(), Trouble> {
    let mut text = template.to_owned();
    for (word, value) in words {
        text = text.replace(&format!("@{word}@"), value);
    }
    trying(file.display().to_string(), fs::write(file, text))
}

/// Starts `command` in `dir` and waits until `ready` says so; killed when dropped.
pub(crate) fn start(
    name: &'static str,
    mut command: Command,
    dir: &Path,
    ready: impl Fn() -> bool,
) -> Result<Process, Trouble> {
    let said = dir.join(format!("{name}.out"));
    let streams = File::create(&said).and_then(|out| Ok((out.try_clone()?, out)));
    let (out, err): (File, File) = trying(said.display().to_string(), streams)?;
    command
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err);
    let mut process = Process::start(command);
    let state = within(PATIENCE, || {
        let ended = process.exited().map(|_| false);
        ended.or_else(|| ready().then_some(true))
    });
    match state {
        Some(true) => Ok(process),
        _ => Err(Trouble::NotReady(name, said)),
    }
}

/// Whether something listens there.
pub(crate) fn listens(address: SocketAddr) -> bool {
    let stream: io::Result<TcpStream> = TcpStream::connect(address);
    stream.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_every_word_and_leaves_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("configuration");
        let words = [("A", "one".to_owned()), ("A_B", "two".to_owned())];
        configure(&file, "\"@type\": @A@ @A_B@ @A@", &words).unwrap();
        assert_eq!(fs::read_to_string(file).unwrap(), "\"@type\": one two one");
    }

    #[test]
    fn tells_what_a_part_said_that_did_not_start() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such option >&2; exit 1"]);
        let trouble = start("part", command, dir.path(), || false).unwrap_err();
        assert!(trouble.to_string().contains("no such option"), "{trouble}");
    }
}
