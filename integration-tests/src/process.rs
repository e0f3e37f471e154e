//! A program the harness started, and ends by its own process id.
//!
//! The child is reaped only here, so its id cannot belong to another process
//! while this value lives.

use std::io;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus};
use std::time::Duration;

use crate::wait::within;

/// A running child; killed when dropped.
#[derive(Debug)]
pub struct Process {
    program: String,
    child: Child,
}

/// Signals the tests send.
#[derive(Clone, Copy, Debug)]
pub enum Signal {
    /// Reload, and reopen logs.
    Hangup,
    /// End in good order.
    Terminate,
}

impl Process {
    /// Starts `command`.
    ///
    /// # Panics
    /// When the program cannot be started; the message names it.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start `{program}`: {e}"));
        Self { program, child }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard output, once, if it was piped.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Its standard error, once, if it was piped.
    pub fn stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// How it ended, if it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// How it ended, waiting at most `limit`.
    pub fn exit_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        within(limit, || self.exited())
    }

    /// Sends a signal to this process alone.
    ///
    /// # Panics
    /// When the process is gone already.
    pub fn signal(&mut self, signal: Signal) {
        assert!(
            self.exited().is_none(),
            "`{}` has already ended",
            self.program
        );
        let name = match signal {
            Signal::Hangup => "HUP",
            Signal::Terminate => "TERM",
        };
        send(name, self.id()).unwrap_or_else(|e| panic!("cannot signal `{}`: {e}", self.program));
    }
}

/// The shell's built-in `kill`: the standard library has none, and no `unsafe` is wanted here.
fn send(name: &str, id: u32) -> io::Result<ExitStatus> {
    Command::new("sh")
        .arg("-c")
        .arg(format!("kill -{name} {id}"))
        .status()
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
