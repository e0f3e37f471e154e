//! Why the demo cannot be shown.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::run::StartError;

/// See the module.
#[derive(Debug)]
pub(super) enum DemoError {
    /// A file or folder of the demo's own.
    File(PathBuf, io::Error),
    /// A certificate cannot be made.
    Certificate(rcgen::Error),
    /// TLS of an origin or a caller cannot be set up.
    Tls(boring::error::ErrorStack),
    /// Sockets, signals, threads.
    System(io::Error),
    /// The gateway does not start.
    Gateway(StartError),
    /// The configuration names no listener.
    NoListener,
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "cannot write `{}`: {error}", path.display()),
            Self::Certificate(error) => write!(f, "cannot make a certificate: {error}"),
            Self::Tls(error) => write!(f, "TLS set-up failed: {error}"),
            Self::System(error) => write!(f, "{error}"),
            Self::Gateway(error) => write!(f, "{error}"),
            Self::NoListener => f.write_str("the demo's configuration has no listener"),
        }
    }
}

impl std::error::Error for DemoError {}

impl From<rcgen::Error> for DemoError {
    fn from(error: rcgen::Error) -> Self {
        Self::Certificate(error)
    }
}

impl From<boring::error::ErrorStack> for DemoError {
    fn from(error: boring::error::ErrorStack) -> Self {
        Self::Tls(error)
    }
}

impl From<io::Error> for DemoError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl From<StartError> for DemoError {
    fn from(error: StartError) -> Self {
        Self::Gateway(error)
    }
}
