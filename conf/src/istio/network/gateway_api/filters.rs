//! `filters` of an HTTPRoute: what is changed, or answered, on the way.

use policy::destination::{Edits, HeaderEdits, Redirect};

use super::super::super::proto::refuse;
use super::super::headers::{joined, value};
use crate::fields::{Fields, parsed};
use crate::native::{changeable, host_name, path_alone};
use crate::node::Node;

/// What the filters of a rule come to.
#[derive(Debug, Default)]
pub(super) struct Filters {
    pub(super) headers: HeaderEdits,
    pub(super) redirect: Option<Redirect>,
    pub(super) rewrite: Option<UrlRewrite>,
}

/// Changes to what is asked of the upstream.
#[derive(Debug, Default)]
pub(super) struct UrlRewrite {
    pub(super) host: Option<Box<str>>,
    pub(super) path: Option<PathChange>,
}

/// A path that takes the place of another.
#[derive(Debug)]
pub(super) enum PathChange {
    Full(Box<str>),
    /// In the place of the segments that the match names.
    Prefix(Box<str>),
}

/// What is meant by a type of filter, and under which key it stands.
const TYPES: [(&str, &str); 8] = [
    ("RequestHeaderModifier", "requestHeaderModifier"),
    ("ResponseHeaderModifier", "responseHeaderModifier"),
    ("RequestRedirect", "requestRedirect"),
    ("URLRewrite", "urlRewrite"),
    ("RequestMirror", "requestMirror"),
    ("CORS", "cors"),
    ("ExternalAuth", "externalAuth"),
    ("ExtensionRef", "extensionRef"),
];

const REFUSED: [(&str, &str); 4] = [
    (
        "requestMirror",
        "a copy would leave that no policy was asked about: delete it",
    ),
    ("cors", "browsers do not come through here: delete it"),
    (
        "externalAuth",
        "write an AuthorizationPolicy with `action: CUSTOM`",
    ),
    (
        "extensionRef",
        "it names an extension of another gateway: write a policy or a route",
    ),
];

/// Reads the filters of a rule.
pub(super) fn of_rule(fields: &Fields<'_>) -> Filters {
    let filters = read(fields);
    if let (Some(_), Some(_)) = (&filters.redirect, &filters.rewrite) {
        let message = "`RequestRedirect` and `URLRewrite` exclude each other: write one of them";
        fields.report.error(fields.origin(), message);
    }
    filters
}

/// Reads the filters of a backend, which may change headers only.
pub(super) fn of_backend(fields: &Fields<'_>) -> HeaderEdits {
    let filters = read(fields);
    if filters.redirect.is_some() || filters.rewrite.is_some() {
        let message = "a backend's filters change headers only: write this one in the rule";
        fields.report.error(fields.origin(), message);
    }
    filters.headers
}

fn read(fields: &Fields<'_>) -> Filters {
    let mut filters = Filters::default();
    for node in fields.many("filters") {
        Fields::read_proto(node, fields.report, |fields| filter(fields, &mut filters));
    }
    filters
}

fn filter(fields: &Fields<'_>, filters: &mut Filters) {
    let report = fields.report;
    fields.need("type", "RequestHeaderModifier");
    if let Some(key) = fields.choice("type", &TYPES)
        && !fields.has(key)
    {
        let message = format!("a filter of this type is written under `{key}`: write it");
        report.error(fields.origin(), message);
    }
    refuse(fields, &REFUSED);
    let edits = |key: &'static str| {
        let node = fields.take(key);
        node.and_then(|node| Fields::read_proto(node, report, self::edits))
            .unwrap_or_default()
    };
    let own = HeaderEdits {
        request: edits("requestHeaderModifier"),
        response: edits("responseHeaderModifier"),
    };
    filters.headers = joined(std::mem::take(&mut filters.headers), own);
    if let Some(node) = fields.take("requestRedirect") {
        let redirect = Fields::read_proto(node, report, redirect);
        filters.redirect = redirect.or(filters.redirect.take());
    }
    if let Some(node) = fields.take("urlRewrite") {
        let rewrite = Fields::read_proto(node, report, |fields| UrlRewrite {
            host: fields.parsed("hostname", host_name),
            path: fields.take("path").and_then(|node| path(node, fields)),
        });
        filters.rewrite = rewrite.or(filters.rewrite.take());
    }
}

/// `set` and `add` are lists of `{ name, value }` here.
fn edits(fields: &Fields<'_>) -> Edits {
    let pairs = |key: &'static str| {
        let nodes = fields.many(key).iter();
        let pair = |fields: &Fields<'_>| {
            fields.need("name", "x-team");
            fields.need("value", "payments");
            let name = fields.parsed("name", changeable);
            let value = fields.take("value").and_then(|node| value(node, fields));
            name.zip(value)
        };
        nodes
            .filter_map(|node| Fields::read_proto(node, fields.report, pair).flatten())
            .collect()
    };
    let remove = fields.many("remove").iter();
    Edits {
        set: pairs("set"),
        add: pairs("add"),
        remove: remove
            .filter_map(|node| parsed(node, fields.report, changeable))
            .collect(),
    }
}

fn redirect(fields: &Fields<'_>) -> Redirect {
    let statuses = [301, 302, 303, 307, 308];
    let status = fields.number("statusCode", 300..=399).unwrap_or(302);
    if let (false, Some(node)) = (statuses.contains(&status), fields.take("statusCode")) {
        let message = "no redirection: write 301, 302, 303, 307 or 308";
        fields.report.error(&node.origin, message);
    }
    let path = fields.take("path");
    Redirect {
        status,
        scheme: fields
            .choice("scheme", &[("http", "http"), ("https", "https")])
            .map(Box::from),
        host: fields.parsed("hostname", host_name),
        port: fields.number("port", 1..=u16::MAX),
        path: path.and_then(|node| match self::path(node, fields)? {
            PathChange::Full(path) => Some(path),
            PathChange::Prefix(_) => {
                let message = "not supported yet: `ReplacePrefixMatch` of a redirection: write `ReplaceFullPath`";
                fields.report.error(&node.origin, message);
                None
            }
        }),
    }
}

/// `{ type: ReplaceFullPath, replaceFullPath: /x }`.
fn path(node: &Node, fields: &Fields<'_>) -> Option<PathChange> {
    let types = [("ReplaceFullPath", true), ("ReplacePrefixMatch", false)];
    // The prefix may be replaced by nothing, which leaves the root.
    let replacement = |text: &'_ str| path_alone(if text.is_empty() { "/" } else { text });
    Fields::read_proto(node, fields.report, |fields| {
        fields.need("type", "ReplacePrefixMatch");
        let is_full = fields.choice("type", &types);
        let full = fields.parsed("replaceFullPath", replacement);
        let prefix = fields.parsed("replacePrefixMatch", replacement);
        match (is_full?, full, prefix) {
            (true, Some(full), None) => Some(PathChange::Full(full)),
            (false, None, Some(prefix)) => Some(PathChange::Prefix(prefix)),
            (is_full, ..) => {
                let key = if is_full {
                    "replaceFullPath"
                } else {
                    "replacePrefixMatch"
                };
                let message =
                    format!("a path of this type is written under `{key}` alone: write it");
                fields.report.error(fields.origin(), message);
                None
            }
        }
    })
    .flatten()
}
