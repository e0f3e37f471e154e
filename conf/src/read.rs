//! Files and folders into texts. The only module that touches the file system.
//!
//! A folder stands for its `*.yaml`, `*.yml` and `*.json` files by name, as with
//! kubectl; what a file names under `sources` is read after it. Folders within a
//! folder are not read, and none that holds a configuration is passed over in
//! silence: what refuses may stand there. Nothing else is judged here but
//! whether it can be read.

mod within;

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::Utf8Error;

use policy::origin::Origin;

use crate::file::{SourceFile, relative_to};
use crate::node::{Node, Value};
use crate::problem::Problem;
use crate::report::Report;
use crate::yaml;

/// What was read. With problems, the files that could be read are there still.
#[derive(Debug)]
pub struct Reading {
    /// In load order.
    pub files: Vec<SourceFile>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// Reads files and folders, and what they name under `sources`.
#[must_use]
pub fn read(paths: &[PathBuf]) -> Reading {
    read_watched(paths, &mut |_| {})
}

/// As [`read`], and says each file and folder before it is read, whether or not
/// it is there: a change in one of them is a change of the configuration.
pub fn read_watched(paths: &[PathBuf], watch: &mut dyn FnMut(&Path)) -> Reading {
    let mut reader = Reader {
        files: Vec::new(),
        watch,
        seen: HashSet::new(),
        within: Vec::new(),
        report: Report::default(),
    };
    for path in paths {
        let named = Origin::new(path.to_string_lossy(), 1, 1);
        reader.path(path, &named);
    }
    reader.refuse_unread();
    Reading {
        problems: reader.report.finish(&reader.files),
        files: reader.files,
    }
}

struct Reader<'w> {
    files: Vec<SourceFile>,
    watch: &'w mut dyn FnMut(&Path),
    /// Resolved names: a file is read once, and folders may name each other.
    seen: HashSet<PathBuf>,
    /// Folders within those that were read, each with the place that named the
    /// outer one.
    within: Vec<(PathBuf, Origin)>,
    report: Report,
}

impl Reader<'_> {
    fn path(&mut self, path: &Path, named: &Origin) {
        (self.watch)(path);
        let known = fs::canonicalize(path).and_then(|real| {
            let is_folder = fs::metadata(&real)?.is_dir();
            Ok((self.seen.insert(real), is_folder))
        });
        match known {
            Ok((false, _)) => {}
            Ok((true, true)) => self.folder(path, named),
            Ok((true, false)) => self.file(path, named),
            Err(error) => self.unreadable(path, named, &error),
        }
    }

    fn folder(&mut self, path: &Path, named: &Origin) {
        match within::visible(path) {
            Ok(inside) => {
                inside.files.iter().for_each(|file| self.path(file, named));
                let within = inside.folders.into_iter();
                self.within
                    .extend(within.map(|folder| (folder, named.clone())));
            }
            Err(error) => self.unreadable(path, named, &error),
        }
    }

    /// Refuses folders within folders that hold a configuration nobody named.
    fn refuse_unread(&mut self) {
        for (folder, named) in std::mem::take(&mut self.within) {
            let found = within::unread(&folder, &mut self.seen, self.watch);
            let Some(found) = found else { continue };
            let (file, inner) = (found.display(), found.parent().unwrap_or(&folder).display());
            let message = format!(
                "`{file}` is not read, since folders within a folder are not: write `--config {inner}` too, or give the folder a name that begins with `.`"
            );
            self.report.error(&named, message);
        }
    }

    fn file(&mut self, path: &Path, named: &Origin) {
        let name = path.to_string_lossy().into_owned();
        match bytes(path) {
            Err(error) => self.unreadable(path, named, &error),
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => self.text(SourceFile::new(name, text)),
                Err(error) => {
                    let origin = place(&name, error.as_bytes(), error.utf8_error());
                    let message = "a byte that is not UTF-8: save the file as UTF-8";
                    self.report.error(&origin, message);
                }
            },
        }
    }

    fn text(&mut self, file: SourceFile) {
        // What is wrong with the documents is told when they are compiled.
        let documents = match file.text.contains("sources") {
            true => yaml::documents(&file, &Report::default()),
            false => Vec::new(),
        };
        self.files.push(file);
        for source in documents.iter().filter_map(|root| root.entry("sources")) {
            for folder in source.one_or_many().iter().filter_map(|s| s.entry("dir")) {
                self.named_folder(folder);
            }
        }
    }

    fn named_folder(&mut self, node: &Node) {
        if let Value::Scalar(dir) = &node.value {
            let dir = &*dir.text;
            let path = relative_to(&node.origin.file, dir);
            if path.is_file() {
                let message = format!("`{dir}` is a file: name the folder it stands in");
                self.report.error(&node.origin, message);
            } else {
                self.path(&path, &node.origin);
            }
        }
    }

    fn unreadable(&self, path: &Path, named: &Origin, error: &io::Error) {
        let path = path.display();
        self.report
            .error(named, format!("cannot read `{path}`: {error}"));
    }
}

/// The content of a file, and a byte more than [`yaml`] takes of one too large.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let most = u64::try_from(yaml::MAX_FILE).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn place(name: &str, bytes: &[u8], error: Utf8Error) -> Origin {
    let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
    let before = String::from_utf8_lossy(before);
    let line = before.split('\n').count();
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count();
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Origin::new(name, number(line), number(column).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// What is read, and what is watched.
    fn watched(paths: &[PathBuf]) -> (Reading, Vec<PathBuf>) {
        let mut watched = Vec::new();
        let reading = read_watched(paths, &mut |path| watched.push(path.to_owned()));
        (reading, watched)
    }

    fn names(reading: &Reading, folder: &Path) -> Vec<String> {
        let relative = |file: &SourceFile| {
            let path = Path::new(&*file.name).strip_prefix(folder).unwrap();
            path.to_string_lossy().into_owned()
        };
        reading.files.iter().map(relative).collect()
    }

    #[test]
    fn a_folder_stands_for_its_visible_yaml_files_by_name() {
        let root = tempfile::tempdir().unwrap();
        for name in [
            "b.yaml",
            "a.yml",
            ".hidden.yaml",
            "note.txt",
            "c.yaml.bak",
            "d.json",
            "..2024_01_01/d.yaml",
            "notes/readme.txt",
        ] {
            write(root.path(), name, "version: 1\n");
        }
        write(
            root.path(),
            "cases/a.yaml",
            "- { as: sa:a/b, expect: allow }\n",
        );
        let (reading, watched) = watched(&[root.path().to_owned()]);
        assert_eq!(names(&reading, root.path()), ["a.yml", "b.yaml", "d.json"]);
        assert_eq!(reading.problems, []);
        assert!(watched.contains(&root.path().to_owned()));
    }

    #[test]
    fn a_configuration_in_a_folder_within_is_never_passed_over() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "a.yaml", "version: 1\n");
        let below = root.path().join("below");
        // None of these is a configuration; each is told once it becomes one.
        fs::create_dir_all(below.join("deep")).unwrap();
        std::os::unix::fs::symlink(root.path(), below.join("loop")).unwrap();
        let (reading, seen) = watched(&[root.path().to_owned()]);
        assert_eq!(reading.problems, []);
        assert!(seen.contains(&below) && seen.contains(&below.join("deep")));

        let deny = write(&below, "deep/deny.yaml", "kind: AuthorizationPolicy\n");
        let (reading, seen) = watched(&[root.path().to_owned()]);
        let told: Vec<&str> = reading.problems.iter().map(|p| &*p.message).collect();
        let (deny, deep) = (deny.display(), below.join("deep"));
        let expected = format!(
            "`{deny}` is not read, since folders within a folder are not: write `--config {}` too, or give the folder a name that begins with `.`",
            deep.display()
        );
        assert_eq!(told, [expected]);
        assert!(seen.contains(&deep));

        let reading = read(&[root.path().to_owned(), deep]);
        assert_eq!(
            names(&reading, root.path()),
            ["a.yaml", "below/deep/deny.yaml"]
        );
        assert_eq!(reading.problems, []);
    }

    #[test]
    fn sources_are_read_after_the_file_that_names_them_and_only_once() {
        let root = tempfile::tempdir().unwrap();
        let main = write(
            root.path(),
            "main.yaml",
            "version: 1\nsources: [{dir: more}, {dir: ./more}]\n",
        );
        write(root.path(), "more/x.yaml", "sources: {dir: ..}\n");
        let reading = read(&[main.clone(), main]);
        assert_eq!(names(&reading, root.path()), ["main.yaml", "more/x.yaml"]);
        assert_eq!(reading.problems, []);
    }

    #[test]
    fn what_cannot_be_read_is_told_where_it_was_named_and_still_watched() {
        let root = tempfile::tempdir().unwrap();
        let main = write(
            root.path(),
            "main.yaml",
            "version: 1\nsources:\n  - dir: gone\n  - dir: main.yaml\n",
        );
        let absent = root.path().join("absent.yaml");
        let (reading, watched) = watched(&[main.clone(), absent.clone()]);
        let told: Vec<_> = reading
            .problems
            .iter()
            .map(|p| (p.origin.line, p.origin.column, p.message.clone()))
            .collect();
        let gone = root.path().join("gone");
        assert_eq!(
            told,
            [
                (
                    1,
                    1,
                    format!(
                        "cannot read `{}`: No such file or directory (os error 2)",
                        absent.display()
                    )
                ),
                (
                    3,
                    10,
                    format!(
                        "cannot read `{}`: No such file or directory (os error 2)",
                        gone.display()
                    )
                ),
                (
                    4,
                    10,
                    "`main.yaml` is a file: name the folder it stands in".to_owned()
                ),
            ]
        );
        assert!(watched.contains(&gone) && watched.contains(&absent));
        assert_eq!(names(&reading, root.path()), ["main.yaml"]);
    }

    #[test]
    fn bytes_that_are_no_text_are_told_by_their_place() {
        let root = tempfile::tempdir().unwrap();
        let path = write(root.path(), "a.yaml", b"version: 1\n# caf\xe9\n");
        let problem = read(&[path]).problems.remove(0);
        assert_eq!((problem.origin.line, problem.origin.column), (2, 6));
        assert_eq!(
            problem.message,
            "a byte that is not UTF-8: save the file as UTF-8"
        );
    }
}
