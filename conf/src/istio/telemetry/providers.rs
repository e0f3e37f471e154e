//! Providers: where an access log goes, and in which form. Those that are no
//! files are known by name only, so that whoever asks for one is told.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Scope, refuse};
use crate::fields::{Fields, text};
use crate::native::{labels, text_format};
use crate::node::Node;
use crate::snapshot::{Layout, Sink};
use crate::spelling::nearest;

/// The provider that every mesh has.
pub(super) const ENVOY: &str = "envoy";

/// A log to a file.
#[derive(Clone, Debug)]
pub(super) struct Provider {
    pub(super) name: Arc<str>,
    pub(super) sink: Sink,
    pub(super) layout: Layout,
}

/// Every provider of a mesh, by name; without a file those of other kinds.
#[derive(Debug, Default)]
pub(super) struct Providers(Vec<(Arc<str>, Option<Provider>)>);

impl Providers {
    /// Reads `extensionProviders` beside the one that is built in.
    pub(super) fn read<'m>(fields: &Fields<'m>, standard: &Layout) -> Self {
        let mut all = Self::default();
        for node in fields.many("extensionProviders") {
            let read = |fields: &Fields<'m>| provider(fields, standard);
            all.0
                .extend(Fields::read_proto(node, fields.report, read).flatten());
        }
        all
    }

    /// Adds the one that is built in, unless the mesh has one of that name.
    pub(super) fn with_envoy(mut self, layout: Layout) -> Self {
        if !self.0.iter().any(|(name, _)| &**name == ENVOY) {
            let envoy = Provider {
                name: ENVOY.into(),
                sink: Sink::Stdout,
                layout,
            };
            self.0.push((ENVOY.into(), Some(envoy)));
        }
        self
    }

    /// The provider that `node` names.
    pub(super) fn find(&self, name: &str, node: &Node, scope: &Scope<'_>) -> Option<Provider> {
        let message = match self.0.iter().find(|(known, _)| **known == *name) {
            Some((_, Some(provider))) => return Some(provider.clone()),
            Some((_, None)) => format!(
                "not supported yet: the provider `{name}` writes to no file: write one with `envoyFileAccessLog`"
            ),
            None => match nearest(name, self.0.iter().map(|(known, _)| &**known)) {
                Some(meant) => format!("unknown provider `{name}`: did you mean `{meant}`?"),
                None => format!(
                    "unknown provider `{name}`: define it under `extensionProviders` in the ConfigMap `istio` of `{}`, or write `{ENVOY}`",
                    scope.gateway.root_namespace
                ),
            },
        };
        scope.report.error(&node.origin, message);
        None
    }
}

fn provider(fields: &Fields<'_>, standard: &Layout) -> Option<(Arc<str>, Option<Provider>)> {
    const OTHERS: [&str; 14] = [
        "envoyExtAuthzHttp",
        "envoyExtAuthzGrpc",
        "zipkin",
        "lightstep",
        "datadog",
        "stackdriver",
        "opencensus",
        "skywalking",
        "opentelemetry",
        "prometheus",
        "envoyHttpAls",
        "envoyTcpAls",
        "envoyOtelAls",
        "sds",
    ];
    super::pass_over(fields, &OTHERS);
    fields.need("name", "egress-log");
    let name = fields.text("name");
    let file = fields.take("envoyFileAccessLog").and_then(|node| {
        Fields::read_proto(node, fields.report, |fields| file(fields, standard)).flatten()
    });
    let name: Arc<str> = name?.into();
    let provider = file.map(|(sink, layout)| Provider {
        name: Arc::clone(&name),
        sink,
        layout,
    });
    Some((name, provider))
}

fn file(fields: &Fields<'_>, standard: &Layout) -> Option<(Sink, Layout)> {
    fields.need("path", "/dev/stdout");
    let path = fields.take("path");
    let omits = fields.truth("omitEmptyValues");
    if let (Some(true), Some(entry)) = (omits, fields.entry("omitEmptyValues")) {
        let message = "`omitEmptyValues` has no effect here: what is absent is `-` or `null`";
        fields.report.warning(&entry.origin, message);
    }
    let layout = fields
        .take("logFormat")
        .and_then(|node| Fields::read_proto(node, fields.report, format).flatten());
    let sink = sink(path?, fields)?;
    Some((sink, layout.unwrap_or_else(|| standard.clone())))
}

/// `text`, or `labels` for JSON.
fn format(fields: &Fields<'_>) -> Option<Layout> {
    refuse(fields, &[("formatters", "delete it")]);
    if let (Some(_), Some(entry)) = (fields.entry("text"), fields.entry("labels")) {
        let message = "`text` and `labels` exclude each other: write one of them";
        fields.report.error(&entry.origin, message);
    }
    let text = fields.take("text");
    let names = fields.take("labels");
    match (text, names) {
        (Some(node), _) => text_format(node, fields.report).map(Layout::Text),
        (None, Some(node)) => Some(Layout::Labels(labels(node, fields.report))),
        (None, None) => None,
    }
}

/// A file, or one of the two streams by the names they have as files.
pub(super) fn sink(node: &Node, fields: &Fields<'_>) -> Option<Sink> {
    match text(node, fields.report)? {
        "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1" => Some(Sink::Stdout),
        "/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2" => Some(Sink::Stderr),
        path if path.starts_with('/') => Some(Sink::File {
            path: PathBuf::from(path),
            rotate: None,
        }),
        path => {
            let message = format!("`{path}` is no whole path: begin it with `/`");
            fields.report.error(&node.origin, message);
            None
        }
    }
}
