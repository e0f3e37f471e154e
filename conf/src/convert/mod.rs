//! A configuration in the native format, whatever it was written in.
//!
//! What was written is read and compiled again before anybody sees it, and
//! written once more: if that is not the same text, it did not say the same.

use policy::Admission;
use policy::AdmissionSpec;
use policy::destination::{Pem, UpstreamTls};

use crate::file::SourceFile;
use crate::native::{self, Lowered, Remarks};
use crate::problem::{Problem, Severity};
use crate::report::Report;
use crate::{Environment, lower};

/// What the written text is called, should anything be wrong with it.
const NAME: &str = "converted.yaml";

/// A configuration in the native format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// One native document.
    pub text: String,
    /// What the operator should know: warnings and notes of the originals.
    pub remarks: Vec<Problem>,
}

/// Writes the native document that decides and records as the files do. Paths
/// of files in it begin where the process was started.
///
/// # Errors
/// Every problem of the files, what cannot be said in the native format
/// included.
pub fn convert(files: &[SourceFile], environment: &Environment) -> Result<Converted, Vec<Problem>> {
    let report = Report::default();
    let Lowered {
        admission,
        settings,
        ..
    } = lower(files, environment, &report);
    if report.has_errors() {
        return Err(report.finish(files));
    }
    let text = native::write(&admission, &settings, Remarks::Origins, &report);
    let bare = native::write(&admission, &settings, Remarks::None, &Report::default());
    warn_of_keys(&admission, &report);
    let errors = Admission::compile(admission).err().unwrap_or_default();
    for error in errors {
        report.error(&error.origin, error.message);
    }
    if !report.has_errors() {
        let again = SourceFile::new(NAME, text.as_str());
        check(&again, &bare, environment)?;
    }
    let failed = report.has_errors();
    let remarks = report.finish(files);
    match failed {
        true => Err(remarks),
        false => Ok(Converted { text, remarks }),
    }
}

/// Whether the text compiles, and says what was meant.
fn check(file: &SourceFile, bare: &str, environment: &Environment) -> Result<(), Vec<Problem>> {
    let files = std::slice::from_ref(file);
    let report = Report::default();
    let read = lower(files, environment, &report);
    let written = native::write(&read.admission, &read.settings, Remarks::None, &report);
    let errors = Admission::compile(read.admission).err().unwrap_or_default();
    for error in errors {
        report.error(&error.origin, error.message);
    }
    if !report.has_errors() && written != *bare {
        let line = (1..).zip(written.lines().zip(bare.lines()));
        let first = line.clone().find(|(_, (again, meant))| again != meant);
        let (line, meant) = first.map_or((1, bare), |(line, (_, meant))| (line, meant));
        let message = format!(
            "this is not what was meant, which is `{}`: report it",
            meant.trim()
        );
        report.error(&policy::origin::Origin::new(NAME, line, 1), message);
    }
    match report.has_errors() {
        false => Ok(()),
        true => {
            let mut problems = report.finish(files);
            problems.retain(|problem| problem.severity == Severity::Error);
            Err(problems)
        }
    }
}

/// A key that stood in a Secret stands in the text.
fn warn_of_keys(spec: &AdmissionSpec, report: &Report) {
    for upstream in &spec.upstreams {
        let UpstreamTls::On(tls) = &upstream.tls else {
            continue;
        };
        if let Some(client) = &tls.client
            && matches!(client.key, Pem::Text(_))
        {
            let message = "the private key of this upstream stands in what is written: keep it as one, or write it to a file and name that";
            report.warning(&upstream.origin, message);
        }
    }
}

#[cfg(test)]
mod tests;
