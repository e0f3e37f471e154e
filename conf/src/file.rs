//! A configuration file as read: its name and its text.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One file of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// As the operator named it; what origins and problems show.
    pub name: Arc<str>,
    /// All of it.
    pub text: Arc<str>,
}

impl SourceFile {
    /// A file of that name and text.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }
}

/// Where `path`, written in the file `name`, leads: relative paths begin at the
/// file that holds them.
pub(crate) fn relative_to(name: &str, path: &str) -> PathBuf {
    let folder = Path::new(name).parent().unwrap_or(Path::new(""));
    folder.join(path)
}
