//! Why a run cannot go on. Every trouble is a sentence for the person who
//! started it; none is a figure, for a missed limit is a result.

use std::fmt;
use std::io;

/// What stops a run.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Programs that are not on this machine, each with its remedy.
    Missing(Vec<String>),
    /// A file, a process or a socket failed us.
    Io(String, io::Error),
    /// A part did not start, and what it said.
    NotReady(&'static str, String),
    /// A check before the measurement failed.
    WrongAnswer(String),
    /// Output that is not as its program usually writes it.
    Unreadable(&'static str, String),
    /// A command line that makes no sense.
    Usage(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(what) => write!(f, "missing on this machine:\n  {}", what.join("\n  ")),
            Self::Io(what, error) => write!(f, "{what}: {error}"),
            Self::NotReady(who, said) => write!(f, "{who} did not become ready; it said:\n{said}"),
            Self::WrongAnswer(what) => write!(f, "check failed: {what}"),
            Self::Unreadable(who, output) => write!(f, "{who} said what we cannot read:\n{output}"),
            Self::Usage(what) => write!(f, "{what}"),
        }
    }
}

/// Names what was tried when it failed.
pub(crate) fn trying<T>(what: impl Into<String>, result: io::Result<T>) -> Result<T, Trouble> {
    result.map_err(|error| Trouble::Io(what.into(), error))
}
