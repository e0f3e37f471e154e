//! One program of the rig: on its own processor, its output kept in files, ready
//! or said not to be.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use integration_tests::process::{Process, Signal};
use integration_tests::wait::within;

use crate::processor::Processor;
use crate::trouble::{Trouble, trying};
use crate::usage::has_children;

/// A free port of loopback. Another process may take it before it is used; then
/// the part says so and the run is started again.
pub(crate) fn free_address() -> Result<SocketAddr, Trouble> {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    trying("a free port", address)
}

/// Where a part's standard output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    File,
    /// Read by a program that counts its lines into `lines`.
    Counted,
}

/// A part, and who reads what it says.
#[derive(Debug)]
pub(crate) struct Part {
    process: Process,
    reader: Option<Process>,
}

impl Part {
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends it, and waits for whoever reads it to have read all.
    pub(crate) fn end(mut self) {
        let reader = self.reader.take();
        drop(self);
        if let Some(mut reader) = reader {
            let _ = reader.exit_within(Duration::from_secs(5));
        }
    }
}

impl Drop for Part {
    /// One that has children is asked to end, and so to end them; killed, it
    /// would leave them behind.
    fn drop(&mut self) {
        if self.process.exited().is_none() && has_children(self.id()) {
            self.process.signal(Signal::Terminate);
            let _ = self.process.exit_within(Duration::from_secs(3));
        }
    }
}

/// Starts `command` in `dir`: `stdout` and `stderr` are its files there.
pub(crate) fn spawn(
    command: Command,
    processor: Processor,
    dir: &Path,
    output: Output,
) -> Result<Part, Trouble> {
    let file = |name: &str| {
        let path = dir.join(name);
        trying(path.display().to_string(), File::create(&path))
    };
    let mut command = processor.pinned(&command);
    command
        .current_dir(dir)
        .stdin(Stdio::null())
        .stderr(file("stderr")?);
    match output {
        Output::File => command.stdout(file("stdout")?),
        Output::Counted => command.stdout(Stdio::piped()),
    };
    let mut process = Process::start(command);
    let reader = match process.stdout() {
        None => None,
        Some(pipe) => {
            let mut count = Command::new("wc");
            count.arg("-l");
            let mut count = Processor::LOAD.pinned(&count);
            count.stdin(pipe).stdout(file("lines")?);
            Some(Process::start(count))
        }
    };
    Ok(Part { process, reader })
}

/// Waits until `ready` says so, or the part ends, or `limit` passes.
pub(crate) fn await_ready(
    name: &'static str,
    part: &mut Part,
    dir: &Path,
    limit: Duration,
    ready: impl Fn() -> bool,
) -> Result<(), Trouble> {
    let state = within(limit, || {
        let ended = part.process.exited().map(|_| false);
        ended.or_else(|| ready().then_some(true))
    });
    match state {
        Some(true) => Ok(()),
        _ => {
            let said = ["stdout", "stderr"].map(|file| fs::read_to_string(dir.join(file)));
            let said: String = said.into_iter().flatten().collect();
            Err(Trouble::NotReady(name, said))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_a_part_said_that_did_not_start() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such option >&2; exit 1"]);
        let mut part = spawn(command, Processor::LOAD, dir.path(), Output::File).unwrap();
        let limit = Duration::from_secs(10);
        let trouble = await_ready("part", &mut part, dir.path(), limit, || false).unwrap_err();
        assert!(trouble.to_string().contains("no such option"), "{trouble}");
    }

    #[test]
    fn lines_of_a_pipe_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two"]);
        let mut part = spawn(command, Processor::LOAD, dir.path(), Output::Counted).unwrap();
        let ended = part.process.exit_within(Duration::from_secs(10));
        assert!(ended.is_some_and(|status| status.success()));
        part.end();
        let lines = fs::read_to_string(dir.path().join("lines")).unwrap();
        assert_eq!(lines.trim(), "2");
    }
}
