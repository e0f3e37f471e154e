//! What a configuration was read from, and whether it is still as it was.
//!
//! Everything is stamped *before* it is read: a change that comes while a
//! large configuration is being read or compiled differs from its stamp, and
//! is not taken for known.

use std::fs::Metadata;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// At what the file system says of files: cheap enough for several times
    /// a second.
    Glance,
    /// At the content: some mounts say nothing, and clocks tick too slowly to
    /// tell two changes apart.
    Read,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Watched(Vec<(PathBuf, Stamp)>);

impl Watched {
    /// Stamps a file or folder that is about to be read, be it there or not.
    pub fn add(&mut self, path: &Path) {
        self.0.push((path.to_owned(), Stamp::of(path)));
    }

    /// All of it as it is now: for when nobody knows what was read.
    #[must_use]
    pub(crate) fn as_it_is(&self) -> Self {
        let mut now = Self::default();
        self.paths().for_each(|path| now.add(path));
        now
    }

    /// The part of it that `paths` name, stamped as it was.
    #[must_use]
    pub(crate) fn of(&self, paths: &[PathBuf]) -> Self {
        let named = self.0.iter().filter(|(path, _)| paths.contains(path));
        Self(named.cloned().collect())
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|(path, _)| path.as_path())
    }

    /// Whether any of it differs from its stamp. What only seems to differ
    /// (touched, or another file with the same content) is stamped anew.
    pub(crate) fn differs(&mut self, look: Look) -> bool {
        self.0.iter_mut().any(|(path, stamp)| {
            let status = Status::of(path);
            if look == Look::Glance && status == stamp.status {
                return false;
            }
            stamp.status = status;
            stamp.content != content(path)
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    status: Option<Status>,
    content: u64,
}

impl Stamp {
    fn of(path: &Path) -> Self {
        Self {
            status: Status::of(path),
            content: content(path),
        }
    }
}

/// What changes whenever a file does. Links are followed: a mounted ConfigMap
/// changes by one link to the folder of its present version.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Status {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Status {
    fn of(path: &Path) -> Option<Self> {
        let of = |data: Metadata| Self {
            device: data.dev(),
            inode: data.ino(),
            size: data.size(),
            modified: (data.mtime(), data.mtime_nsec()),
            changed: (data.ctime(), data.ctime_nsec()),
        };
        std::fs::metadata(path).ok().map(of)
    }
}

/// The content of a file, the names in a folder.
fn content(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    if path.is_dir() {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
        names.sort();
        names.hash(&mut hasher);
    } else {
        // It may be a key.
        let content = std::fs::read(path).ok().map(Zeroizing::new);
        content.as_deref().hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn watched(paths: &[&Path]) -> Watched {
        let mut watched = Watched::default();
        paths.iter().for_each(|path| watched.add(path));
        watched
    }

    #[test]
    fn whatever_changes_is_seen_once_it_is_stamped() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        fs::create_dir(at("v1")).unwrap();
        fs::create_dir(at("v2")).unwrap();
        fs::write(at("v1/x"), "1").unwrap();
        fs::write(at("v2/x"), "2").unwrap();
        std::os::unix::fs::symlink("v1", at("..data")).unwrap();
        std::os::unix::fs::symlink("..data/x", at("mounted")).unwrap();
        fs::write(at("file"), "1").unwrap();
        fs::write(at("gone"), "1").unwrap();
        let absent = at("absent");
        let changes: [(&str, &dyn Fn()); 6] = [
            ("file", &|| fs::write(at("file"), "longer").unwrap()),
            ("gone", &|| fs::remove_file(at("gone")).unwrap()),
            ("absent", &|| fs::write(&absent, "").unwrap()),
            ("folder", &|| fs::write(at("folder/new"), "").unwrap()),
            ("folder", &|| fs::remove_file(at("folder/new")).unwrap()),
            ("mounted", &|| {
                std::os::unix::fs::symlink("v2", at("..tmp")).unwrap();
                fs::rename(at("..tmp"), at("..data")).unwrap();
            }),
        ];
        for (name, change) in changes {
            let path = at(name);
            for look in [Look::Glance, Look::Read] {
                assert!(!watched(&[&path]).differs(look), "{name} before");
            }
            let mut before = watched(&[&absent, &path]);
            change();
            assert!(before.differs(Look::Glance), "{name}");
            assert!(!watched(&[&path]).differs(Look::Glance), "{name} after");
        }
    }

    #[test]
    fn what_only_seems_to_change_is_no_change_and_looked_at_once() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        fs::write(&path, "same").unwrap();
        let mut watched = watched(&[&path]);
        let other = root.path().join("other");
        fs::write(&other, "same").unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(!watched.differs(Look::Glance));
        assert_eq!(watched.0[0].1, Stamp::of(&path));
    }

    #[test]
    fn a_change_the_file_system_does_not_tell_is_seen_by_reading() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        fs::write(&path, "1").unwrap();
        let mut watched = watched(&[&path]);
        fs::write(&path, "2").unwrap();
        // As if clock and size had not moved.
        watched.0[0].1.status = Status::of(&path);
        assert!(!watched.differs(Look::Glance));
        assert!(watched.differs(Look::Read));
    }
}
