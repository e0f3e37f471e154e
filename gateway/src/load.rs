//! Files into something to run on: read → compile → load certificates.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use conf::{Converted, Environment, Problem, Severity, Snapshot, SourceFile};
use policy::destination::{Pem, UpstreamTls};

use crate::live::{Live, LiveError};
use crate::record::Sinks;

/// Why a configuration does not take effect. Everything found is in it.
#[derive(Debug)]
pub struct LoadError {
    problems: Vec<Problem>,
    files: Vec<LiveError>,
}

impl LoadError {
    /// How many things are wrong.
    #[must_use]
    pub fn count(&self) -> usize {
        Counts::of(&self.problems).errors + self.files.len()
    }

    /// What the configuration's files are about, notes included.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

/// Everything but notes, which only `egret check` tells.
impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problems = self.problems.iter();
        for problem in problems.filter(|p| p.severity != Severity::Note) {
            writeln!(f, "{problem}")?;
        }
        for error in &self.files {
            writeln!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

/// How many problems there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Configurations with one are refused.
    pub errors: usize,
    /// What the operator should know.
    pub warnings: usize,
    /// What he may want to know.
    pub notes: usize,
}

impl Counts {
    /// Counts problems.
    #[must_use]
    pub fn of(problems: &[Problem]) -> Self {
        let of = |severity| problems.iter().filter(|p| p.severity == severity).count();
        Self {
            errors: of(Severity::Error),
            warnings: of(Severity::Warning),
            notes: of(Severity::Note),
        }
    }
}

/// `2 errors, 1 warning, 0 notes`, without errors where there are none.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count| if count == 1 { "" } else { "s" };
        let Self {
            errors,
            warnings,
            notes,
        } = *self;
        if errors > 0 {
            write!(f, "{errors} error{}, ", plural(errors))?;
        }
        write!(
            f,
            "{warnings} warning{}, {notes} note{}",
            plural(warnings),
            plural(notes)
        )
    }
}

/// Where a configuration is, and what it takes for granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// The namespace of objects that name none; `default` without a word.
    pub namespace: Option<String>,
}

/// A configuration, and the files it was made from.
#[derive(Debug)]
pub struct Loaded<T> {
    /// What was made.
    pub value: T,
    /// Everything that was read: a change in one is a change of it.
    pub watched: Vec<PathBuf>,
}

/// What configurations may ask of the process's surroundings.
#[must_use]
pub fn environment(source: &Source) -> Environment {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Environment {
        pod_name: std::env::var("POD_NAME").ok(),
        hostname: host.trim().to_owned(),
        namespace: source.namespace.clone(),
    }
}

/// Reads and compiles files and folders.
///
/// # Errors
/// Every problem with its place.
pub fn compile(source: &Source) -> Result<Loaded<Snapshot>, LoadError> {
    made(source, conf::compile)
}

/// As [`compile`], into the native format.
///
/// # Errors
/// Every problem with its place.
pub fn convert(source: &Source) -> Result<Converted, LoadError> {
    made(source, conf::convert).map(|loaded| loaded.value)
}

/// What `make` makes of the files.
fn made<T>(
    source: &Source,
    make: impl Fn(&[SourceFile], &Environment) -> Result<T, Vec<Problem>>,
) -> Result<Loaded<T>, LoadError> {
    let reading = conf::read::read(&source.paths);
    let made = make(&reading.files, &environment(source));
    let mut problems = reading.problems;
    match made {
        Ok(value) if problems.is_empty() => Ok(Loaded {
            value,
            watched: reading.watched,
        }),
        Ok(_) => Err(LoadError {
            problems,
            files: Vec::new(),
        }),
        Err(more) => {
            problems.extend(more);
            Err(LoadError {
                problems,
                files: Vec::new(),
            })
        }
    }
}

/// As [`compile`], and reads the certificates the configuration names.
///
/// # Errors
/// Every problem, those of files included.
pub fn load(source: &Source, sinks: &Sinks) -> Result<Loaded<Live>, LoadError> {
    let Loaded { value, mut watched } = compile(source)?;
    watched.extend(certificates(&value));
    let live = Live::load(value, sinks).map_err(|files| LoadError {
        problems: Vec::new(),
        files,
    })?;
    Ok(Loaded {
        value: live,
        watched,
    })
}

/// The files of keys, certificates, roots and revocation lists.
fn certificates(snapshot: &Snapshot) -> Vec<PathBuf> {
    let settings = snapshot.settings();
    let identity = settings.identity.iter().flat_map(|files| {
        let always = [&files.chain, &files.key, &files.roots];
        always.into_iter().chain(&files.crl)
    });
    let trust = settings
        .trust
        .iter()
        .filter_map(|domain| domain.roots.as_ref());
    let upstreams = snapshot.admission().upstreams().iter();
    let tls = upstreams.filter_map(|upstream| match &upstream.tls {
        UpstreamTls::On(policy) => Some(policy),
        UpstreamTls::Off => None,
    });
    let upstream = tls.flat_map(|policy| {
        let client = policy.client.iter().flat_map(|c| [&c.chain, &c.key]);
        policy.ca.iter().chain(client).filter_map(Pem::file)
    });
    identity.chain(trust).chain(upstream).cloned().collect()
}

/// Tells whether any of the files differs from what it was.
#[must_use]
pub fn fingerprint(paths: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in paths {
        path.hash(&mut hasher);
        if path.is_dir() {
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            let mut names: Vec<_> = entries.map(|entry| entry.path()).collect();
            names.sort();
            names.hash(&mut hasher);
        } else {
            std::fs::read(path).ok().hash(&mut hasher);
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use conf::SourceFile;

    use super::*;

    #[test]
    fn problems_are_counted_by_their_kind() {
        let told = |errors, warnings, notes| {
            Counts {
                errors,
                warnings,
                notes,
            }
            .to_string()
        };
        assert_eq!(told(2, 1, 0), "2 errors, 1 warning, 0 notes");
        assert_eq!(told(0, 0, 1), "0 warnings, 1 note");
    }

    #[test]
    fn a_refusal_tells_no_notes_and_counts_errors_alone() {
        let text = "version: 1\nlisteners: [{ port: 8443 }]\npolicies: [{ allow: { host: a.example } }, { deny: {} }]\n";
        let filter = "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: { name: other, namespace: elsewhere }\nspec: {}\n";
        let files = [
            SourceFile::new("a.yaml", text),
            SourceFile::new("b.yaml", filter),
        ];
        let problems = conf::compile(&files, &Environment::default()).unwrap_err();
        let error = LoadError {
            problems,
            files: Vec::new(),
        };
        let counts = Counts::of(error.problems());
        assert_eq!((counts.errors, counts.warnings, counts.notes), (1, 1, 1));
        assert_eq!(error.count(), 1);
        let shown = error.to_string();
        assert!(shown.contains("error: ") && shown.contains("warning: "));
        assert!(!shown.contains("note: "), "{shown}");
    }
}
