//! Files into something to run on: read → compile → load certificates.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use conf::remote::KnownLists;
use conf::snapshot::Sink;
use conf::{Converted, Environment, Problem, Severity, Snapshot, SourceFile};
use policy::destination::{Pem, TlsPolicy, Upstream, UpstreamTls};

use crate::foreign;
use crate::live::{Live, LiveError};
use crate::record::Sinks;
use crate::sandbox::Reach;
use crate::watched::{Look, Watched};

/// Why a configuration does not take effect. Everything found is in it.
#[derive(Debug)]
pub struct LoadError {
    problems: Vec<Problem>,
    files: Vec<LiveError>,
    watched: Watched,
}

impl LoadError {
    /// What is wrong with what operators and list servers wrote.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// What was read of it.
    #[must_use]
    pub fn into_watched(self) -> Watched {
        self.watched
    }

    /// How many things are wrong.
    #[must_use]
    pub fn count(&self) -> usize {
        Counts::of(&self.problems).errors + self.files.len()
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
    pub watched: Watched,
    /// The files as they were read, if what they say may change without them: by
    /// remote lists.
    pub files: Arc<[SourceFile]>,
}

/// What configurations may ask of the process's surroundings.
#[must_use]
pub fn environment(source: &Source, lists: KnownLists) -> Environment {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Environment {
        pod_name: std::env::var("POD_NAME").ok(),
        hostname: host.trim().to_owned(),
        namespace: source.namespace.clone(),
        lists,
    }
}

/// Reads and compiles files and folders. Remote lists are not fetched: nothing
/// is known of them.
///
/// # Errors
/// Every problem with its place.
pub fn compile(source: &Source) -> Result<Loaded<Snapshot>, LoadError> {
    made(source, KnownLists::new(), conf::compile)
}

/// As [`compile`], into the native format.
///
/// # Errors
/// Every problem with its place.
pub fn convert(source: &Source) -> Result<Converted, LoadError> {
    made(source, KnownLists::new(), conf::convert).map(|loaded| loaded.value)
}

/// What `make` makes of the files.
fn made<T>(
    source: &Source,
    lists: KnownLists,
    make: impl Fn(&[SourceFile], &Environment) -> Result<T, Vec<Problem>>,
) -> Result<Loaded<T>, LoadError> {
    let mut watched = Watched::default();
    let reading = conf::read::read_watched(&source.paths, &mut |path| watched.add(path));
    let made = make(&reading.files, &environment(source, lists));
    let mut problems = reading.problems;
    match made {
        Ok(value) if problems.is_empty() => Ok(Loaded {
            value,
            watched,
            files: reading.files.into(),
        }),
        Ok(_) => Err(of_problems(problems, watched)),
        Err(more) => {
            problems.extend(more);
            Err(of_problems(problems, watched))
        }
    }
}

/// As [`compile`], with what is known of remote lists, and reads the
/// certificates the configuration names.
///
/// # Errors
/// Every problem, those of files included.
pub fn load(source: &Source, sinks: &Sinks, lists: KnownLists) -> Result<Loaded<Live>, LoadError> {
    let mut loaded = made(source, lists, conf::compile)?;
    let (certificates, authorities) = (certificates(&loaded.value), authorities(&loaded.value));
    let read = certificates.iter().chain(&authorities);
    read.for_each(|path| loaded.watched.add(path));
    let files = match loaded.value.lists().is_empty() {
        true => Arc::default(),
        false => loaded.files,
    };
    match Live::load(loaded.value, sinks) {
        Ok(value) => Ok(Loaded {
            value,
            watched: loaded.watched,
            files,
        }),
        Err(files) => Err(of_files(files, loaded.watched)),
    }
}

/// The files that running on a configuration takes.
///
/// # Errors
/// Every problem with its place.
pub(crate) fn reach(source: &Source) -> Result<Reach, LoadError> {
    let loaded = compile(source)?;
    let mut reach = Reach::default();
    loaded.watched.paths().for_each(|path| reach.read(path));
    let certificates = certificates(&loaded.value);
    certificates.iter().for_each(|path| reach.read(path));
    for log in &loaded.value.settings().logs {
        if let Sink::File { path, .. } = &log.sink {
            reach.write(path);
        }
    }
    Ok(reach)
}

/// The files `running` was made from, with what is known of remote lists now.
/// So a list takes effect, or is given up, whatever the files have become
/// meanwhile.
///
/// # Errors
/// Content of a list that is no good; a log that cannot be opened.
pub fn load_again(
    running: &Live,
    source: &Source,
    files: &[SourceFile],
    sinks: &Sinks,
    lists: KnownLists,
) -> Result<Live, LoadError> {
    let snapshot = conf::compile(files, &environment(source, lists))
        .map_err(|problems| of_problems(problems, Watched::default()))?;
    let live = running.again(snapshot, sinks);
    live.map_err(|files| of_files(files, Watched::default()))
}

/// The running configuration with what its certificates have become, if one has
/// changed since it was read, as `certificates` tells and will tell from then on.
///
/// # Errors
/// Every file that is missing or not what it should be.
pub(crate) fn renew(
    running: &Live,
    certificates: &mut Watched,
    sinks: &Sinks,
) -> Option<Result<Live, LoadError>> {
    if !certificates.differs(Look::Read) {
        return None;
    }
    *certificates = certificates.as_it_is();
    let renewed = running.renewed(sinks);
    Some(renewed.map_err(|files| of_files(files, Watched::default())))
}

fn of_problems(problems: Vec<Problem>, watched: Watched) -> LoadError {
    LoadError {
        problems,
        files: Vec::new(),
        watched,
    }
}

fn of_files(files: Vec<LiveError>, watched: Watched) -> LoadError {
    LoadError {
        problems: Vec::new(),
        files,
        watched,
    }
}

/// The files of keys, certificates, roots, revocation lists and credentials.
pub(crate) fn certificates(snapshot: &Snapshot) -> Vec<PathBuf> {
    let settings = snapshot.settings();
    let identity = settings.identity.iter().flat_map(|files| {
        let always = [&files.chain, &files.key, &files.roots];
        always.into_iter().chain(&files.crl)
    });
    let trust = settings
        .trust
        .iter()
        .filter_map(|domain| domain.roots.as_ref());
    let proxies = upstreams(snapshot).filter_map(|upstream| upstream.via.as_ref());
    let credentials = proxies.filter_map(|via| via.credentials.as_ref());
    let upstream = tls_policies(snapshot).flat_map(|policy| {
        let client = policy.client.iter().flat_map(|c| [&c.chain, &c.key]);
        policy.ca.iter().chain(client).filter_map(Pem::file)
    });
    let all = identity.chain(trust).chain(upstream).chain(credentials);
    all.cloned().collect()
}

/// Those the system trusts, if anything is verified by them.
fn authorities(snapshot: &Snapshot) -> Vec<PathBuf> {
    let is_there = |path: &PathBuf| path.parent().is_some_and(Path::exists);
    match tls_policies(snapshot).any(|policy| policy.ca.is_none()) {
        true => foreign::authorities()
            .into_iter()
            .filter(is_there)
            .collect(),
        false => Vec::new(),
    }
}

fn upstreams(snapshot: &Snapshot) -> impl Iterator<Item = &Upstream> {
    let lists = snapshot.lists().iter().map(|list| &list.upstream);
    snapshot.admission().upstreams().iter().chain(lists)
}

fn tls_policies(snapshot: &Snapshot) -> impl Iterator<Item = &TlsPolicy> {
    let spoken = upstreams(snapshot).map(|upstream| &upstream.tls);
    let proxies = upstreams(snapshot).filter_map(|upstream| upstream.via.as_ref());
    let tls = spoken.chain(proxies.map(|via| &via.tls));
    tls.filter_map(|tls| match tls {
        UpstreamTls::On(policy) => Some(policy),
        UpstreamTls::Off => None,
    })
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
        let error = of_problems(problems, Watched::default());
        let counts = Counts::of(error.problems());
        assert_eq!((counts.errors, counts.warnings, counts.notes), (1, 1, 1));
        assert_eq!(error.count(), 1);
        let shown = error.to_string();
        assert!(shown.contains("error: ") && shown.contains("warning: "));
        assert!(!shown.contains("note: "), "{shown}");
    }
}
