//! What operators wrote, understood: native YAML and every Istio kind become
//! one [`Snapshot`], or every [`Problem`] with file, line and column.
//!
//! Knows neither sockets nor clocks. Files are read in `read`, nowhere else.

mod callers;
pub mod cases;
mod chart;
mod convert;
mod digest;
mod fields;
mod file;
mod istio;
mod native;
mod node;
pub mod problem;
mod quantity;
pub mod question;
pub mod read;
pub mod remote;
mod report;
pub mod snapshot;
mod spelling;
pub mod text_format;
mod yaml;

use policy::Admission;
use policy::origin::Origin;

pub use convert::{Converted, convert};
pub use file::SourceFile;
pub use problem::{Problem, Severity};
pub use snapshot::Snapshot;

use node::Node;
use remote::KnownLists;
use report::Report;
use snapshot::{LINE_BYTES, Log};

/// What a configuration may depend on beside its files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// The pod's name, where there is a pod.
    pub pod_name: Option<String>,
    /// The host's name, which stands in for the pod's.
    pub hostname: String,
    /// The namespace of objects that name none; `default` without a word.
    pub namespace: Option<String>,
    /// What was fetched of remote lists.
    pub lists: KnownLists,
}

/// Compiles a configuration: all of it, or nothing.
///
/// # Errors
/// Every problem of every file, warnings too, by file and line.
pub fn compile(files: &[SourceFile], environment: &Environment) -> Result<Snapshot, Vec<Problem>> {
    let report = Report::default();
    let lowered = lower(files, environment, &report);
    if report.has_errors() {
        return Err(report.finish(files));
    }
    match Admission::compile(lowered.admission) {
        Ok(admission) => Ok(Snapshot {
            digest: digest::of(files, &lowered.lists, &environment.lists),
            lists: lowered.lists,
            settings: lowered.settings,
            admission,
            warnings: report.finish(files),
        }),
        Err(errors) => {
            errors
                .into_iter()
                .for_each(|error| report.error(&error.origin, error.message));
            Err(report.finish(files))
        }
    }
}

/// Reads what files say: native documents, then Istio's objects.
fn lower(files: &[SourceFile], environment: &Environment, report: &Report) -> native::Lowered {
    let of_file = |file| {
        let documents = yaml::documents(file, report);
        match chart::refuse(file, &documents, report) {
            true => Vec::new(),
            false => documents,
        }
    };
    let documents: Vec<Node> = files.iter().flat_map(of_file).collect();
    if documents.is_empty() && !report.has_errors() {
        let name = files.first().map_or("configuration", |file| &file.name);
        let message = "there is no configuration: write a document that begins `version: 1`";
        report.error(&Origin::new(name, 1, 1), message);
    }
    let (objects, documents): (Vec<Node>, Vec<Node>) =
        documents.into_iter().partition(istio::is_object);
    let mut lowered = native::lower(&documents, environment, report);
    istio::lower(&objects, &mut lowered, environment, report);
    if lowered.settings.listeners.is_empty() && !lowered.listeners_written {
        refuse_deafness(&documents, &objects, report);
    }
    refuse_long_lines(&lowered.settings.logs, report);
    let (listeners, rules) = (&lowered.settings.listeners, &lowered.admission.rules);
    callers::warn_of_unverified(listeners, rules, report);
    lowered
}

/// A line has an end, and no field of it is left out.
fn refuse_long_lines(logs: &[Log], report: &Report) {
    for log in logs.iter().filter(|log| log.layout.room().is_none()) {
        let message = format!(
            "a line of the log `{}` would be longer than {LINE_BYTES} bytes: write fewer fields, or shorter names",
            log.name
        );
        if let Some(origin) = &log.origin {
            report.error(origin, message);
        }
    }
}

/// Nothing says what to listen on.
fn refuse_deafness(documents: &[Node], objects: &[Node], report: &Report) {
    if let Some(gateway) = istio::first_gateway(objects) {
        // What is wrong with a Gateway of ours has been told.
        if !report.has_errors() {
            let message = "no Gateway is this gateway's, so that nothing is listened on: write in a native document whose they are, `gateway: { name: …, namespace: …, labels: { istio: … } }`, or `listeners: [{ port: 443 }]`";
            report.error(gateway, message);
        }
    } else if let Some(first) = documents.first().or(objects.first()) {
        let message = "`listeners` is missing: write such as `listeners: [{ port: 8443 }]`";
        report.error(&first.origin, message);
    }
}

#[cfg(test)]
mod tests;
