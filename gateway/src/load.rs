//! Files into something to run on: read → compile → load certificates.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use conf::remote::KnownLists;
use conf::{Environment, Problem, Snapshot, SourceFile};
use policy::destination::{Pem, UpstreamTls};

use crate::live::{Live, LiveError};
use crate::record::Sinks;
use crate::watched::Watched;

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
        self.problems.len() + self.files.len()
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{problem}")?;
        }
        for error in &self.files {
            writeln!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

/// A configuration, and the files it was made from.
#[derive(Debug)]
pub struct Loaded<T> {
    /// What was made.
    pub value: T,
    /// Everything that was read: a change in one is a change of it.
    pub watched: Watched,
    /// The files as they were read.
    pub files: Arc<[SourceFile]>,
}

/// What configurations may ask of the process's surroundings.
#[must_use]
pub fn environment(lists: KnownLists) -> Environment {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Environment {
        pod_name: std::env::var("POD_NAME").ok(),
        hostname: host.trim().to_owned(),
        namespace: None,
        lists,
    }
}

/// Reads and compiles files and folders. Remote lists are not fetched: nothing
/// is known of them.
///
/// # Errors
/// Every problem with its place.
pub fn compile(paths: &[PathBuf]) -> Result<Loaded<Snapshot>, LoadError> {
    compile_with(paths, KnownLists::new())
}

fn compile_with(paths: &[PathBuf], lists: KnownLists) -> Result<Loaded<Snapshot>, LoadError> {
    let mut watched = Watched::default();
    let reading = conf::read::read_watched(paths, &mut |path| watched.add(path));
    let compiled = conf::compile(&reading.files, &environment(lists));
    let mut problems = reading.problems;
    match compiled {
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
pub fn load(
    paths: &[PathBuf],
    sinks: &Sinks,
    lists: KnownLists,
) -> Result<Loaded<Live>, LoadError> {
    let mut loaded = compile_with(paths, lists)?;
    let certificates = certificates(&loaded.value);
    certificates
        .iter()
        .for_each(|path| loaded.watched.add(path));
    match Live::load(loaded.value, sinks) {
        Ok(value) => Ok(Loaded {
            value,
            watched: loaded.watched,
            files: loaded.files,
        }),
        Err(files) => Err(of_files(files, loaded.watched)),
    }
}

/// Files read before, with what is known of remote lists now. So a list takes
/// effect, or is given up, whatever the files have become meanwhile.
///
/// # Errors
/// As [`load`].
pub fn load_again(
    files: &[SourceFile],
    sinks: &Sinks,
    lists: KnownLists,
) -> Result<Live, LoadError> {
    let snapshot = conf::compile(files, &environment(lists))
        .map_err(|problems| of_problems(problems, Watched::default()))?;
    Live::load(snapshot, sinks).map_err(|files| of_files(files, Watched::default()))
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
    let lists = snapshot.lists().iter().map(|list| &list.upstream);
    let upstreams = snapshot.admission().upstreams().iter().chain(lists);
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
