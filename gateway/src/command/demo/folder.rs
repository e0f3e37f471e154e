//! A private place for the demo's files: keys, configuration, logs.
//!
//! Only its owner may look in, and it is gone with the value. Its name is
//! random and its folder always new: one that somebody laid out in wait, in a
//! directory everybody may write to, is never used.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::error::DemoError;

const OWNER_ONLY: u32 = 0o700;

/// See the module.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes it among the temporary files.
    pub(super) fn create() -> Result<Self, DemoError> {
        let name = format!("egret-demo-{:08x}", fastrand::u32(..));
        let path = std::env::temp_dir().join(name);
        match DirBuilder::new().mode(OWNER_ONLY).create(&path) {
            Ok(()) => Ok(Self(path)),
            Err(error) => Err(DemoError::File(path, error)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Where a file of that name lies, or would.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), DemoError> {
        let path = self.file(name);
        fs::write(&path, text).map_err(|error| DemoError::File(path, error))
    }

    /// What stands in a file; nothing if it is not there.
    pub(super) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("egret: cannot remove `{}`: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_its_owner_may_look_in_and_nothing_stays() {
        let folder = Folder::create().unwrap();
        let path = folder.path().to_owned();
        folder.write("key", "secret").unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
        drop(folder);
        assert!(!path.exists());
    }
}
