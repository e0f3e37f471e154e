//! Files into something to run on: read → compile → load certificates.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use conf::{Environment, Problem, Snapshot};
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
    pub watched: Vec<PathBuf>,
}

/// What configurations may ask of the process's surroundings.
#[must_use]
pub fn environment() -> Environment {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Environment {
        pod_name: std::env::var("POD_NAME").ok(),
        hostname: host.trim().to_owned(),
        namespace: None,
        lists: Default::default(),
    }
}

/// Reads and compiles files and folders.
///
/// # Errors
/// Every problem with its place.
pub fn compile(paths: &[PathBuf]) -> Result<Loaded<Snapshot>, LoadError> {
    let reading = conf::read::read(paths);
    let compiled = conf::compile(&reading.files, &environment());
    let mut problems = reading.problems;
    match compiled {
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
pub fn load(paths: &[PathBuf], sinks: &Sinks) -> Result<Loaded<Live>, LoadError> {
    let Loaded { value, mut watched } = compile(paths)?;
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
