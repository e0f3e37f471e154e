//! Which processor runs what: the gateway has one for itself, as far as the
//! machine has enough of them.

use std::process::Command;

use crate::trouble::{Trouble, trying};

/// A processor, by its number among those this machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Processor(usize);

impl Processor {
    /// The generator's, and whoever counts lines.
    pub(crate) const LOAD: Self = Self(0);
    /// The gateway's.
    pub(crate) const GATEWAY: Self = Self(1);
    /// The origin's, which shares the generator's where there are only two.
    pub(crate) const ORIGIN: Self = Self(2);

    /// `command`, kept on this processor with all it starts, and killed when we
    /// are: a run that is broken off leaves nothing behind.
    pub(crate) fn pinned(self, command: &Command) -> Command {
        let mut pinned = Command::new("setpriv");
        pinned
            .args(["--pdeathsig", "KILL", "taskset"])
            .arg("--cpu-list")
            .arg(self.number().to_string())
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                pinned.env(name, value);
            }
        }
        pinned
    }

    fn number(self) -> usize {
        let count = count();
        if self.0 < count { self.0 } else { 0 }
    }
}

/// How many processors there are.
pub(crate) fn count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Keeps this process, and threads it starts from now on, on the generator's.
pub(crate) fn pin_generator() -> Result<(), Trouble> {
    let status = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid"])
        .arg(Processor::LOAD.number().to_string())
        .arg(std::process::id().to_string())
        .stdout(std::process::Stdio::null())
        .status();
    trying("taskset", status).map(|_| ())
}
