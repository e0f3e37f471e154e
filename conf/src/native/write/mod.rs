//! The native format, written: a configuration as it was understood, whatever
//! it was written in, becomes the document that means the same.
//!
//! One file a section, each the counterpart of the one that reads it. What is
//! left at its default is left out, what everything shares stands under
//! `defaults`. Whatever cannot be said is an error, never silence; and
//! [`crate::convert`] reads again what was written.

mod authoriser;
mod destination;
mod expression;
mod log;
mod matcher;
mod passage;
mod pattern;
mod pool;
mod route;
mod rule;
mod settings;
mod shared;
mod source;
mod tcp;
mod upstream;
mod via;

use policy::AdmissionSpec;
use policy::authoriser::Authoriser;
use policy::destination::Upstream;
use policy::origin::Origin;

use crate::report::Report;
use crate::snapshot::{Settings, local_domains};
use crate::yaml::emit::{Map, Out, document};
use shared::Shared;

/// Whether a remark names the place from which something comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remarks {
    /// `# from virtual-service.yaml:12`.
    Origins,
    /// Nothing: two texts without them are equal if they mean the same.
    None,
}

/// What every section is written by.
#[derive(Debug)]
struct Writer<'a> {
    report: &'a Report,
    remarks: Remarks,
    /// The mesh's own trust domain and its aliases.
    local: Vec<Box<str>>,
    reporter_uid: String,
    upstreams: &'a [Upstream],
    authorisers: &'a [Authoriser],
    shared: Shared,
}

/// The document that says what a configuration says. What cannot be said is
/// reported as an error.
pub(crate) fn write(
    spec: &AdmissionSpec,
    settings: &Settings,
    remarks: Remarks,
    report: &Report,
) -> String {
    let writer = Writer {
        report,
        remarks,
        local: local_domains(&settings.trust),
        reporter_uid: settings.gateway.reporter_uid(),
        upstreams: &spec.upstreams,
        authorisers: &spec.authorisers,
        shared: Shared::of(spec),
    };
    let mut root = Map::default();
    root.put("version", Out::word(1));
    root.extend(settings::sections(settings));
    root.put_map("defaults", writer.shared.defaults(spec.default_policy));
    let destinations = spec.destinations.iter();
    root.put_all("destinations", destinations.map(|d| writer.destination(d)));
    root.put_all(
        "passthrough",
        spec.passages.iter().map(|p| writer.passage(p)),
    );
    root.put_all("tcp", spec.tcp.iter().map(|route| writer.tcp_route(route)));
    root.put_map("authorisers", writer.authorisers(&spec.authorisers));
    root.put_all("policies", writer.policies(&spec.rules));
    root.extend(writer.logs(&settings.logs));
    document(&root)
}

impl Writer<'_> {
    fn remark(&self, origin: &Origin) -> Option<String> {
        (self.remarks == Remarks::Origins).then(|| format!("from {origin}"))
    }

    /// Something has no native spelling.
    fn unsayable(&self, origin: &Origin, what: &str) {
        let message =
            format!("{what} cannot be written in the native format: write it in another way");
        self.report.error(origin, message);
    }
}
