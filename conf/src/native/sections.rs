//! The sections of every native document, brought together.
//!
//! Lists of several documents follow each other in load order; maps are united,
//! names given twice refused; what there is one of must stand in one place.

use crate::fields::Fields;
use crate::node::{Entry, Node, Value};
use crate::report::Report;

/// What all documents say, by section.
#[derive(Debug, Default)]
pub(crate) struct Sections<'a> {
    pub(crate) gateway: Option<&'a Entry>,
    pub(crate) identity: Option<&'a Entry>,
    pub(crate) defaults: Option<&'a Entry>,
    pub(crate) limits: Option<&'a Entry>,
    pub(crate) dns: Option<&'a Entry>,
    pub(crate) admin: Option<&'a Entry>,
    pub(crate) drain: Option<&'a Entry>,
    pub(crate) trust: Vec<&'a Node>,
    pub(crate) listeners: Vec<&'a Node>,
    pub(crate) destinations: Vec<&'a Node>,
    pub(crate) passthrough: Vec<&'a Node>,
    pub(crate) tcp: Vec<&'a Node>,
    pub(crate) policies: Vec<&'a Node>,
    pub(crate) logs: Vec<&'a Node>,
    pub(crate) lists: Vec<&'a Entry>,
    pub(crate) formats: Vec<&'a Entry>,
    pub(crate) authorisers: Vec<&'a Entry>,
}

impl<'a> Sections<'a> {
    /// The sections of these documents, in load order.
    pub(crate) fn of(documents: &'a [Node], report: &'a Report) -> Self {
        let mut sections = Self::default();
        for document in documents {
            Fields::read(document, report, |fields| sections.add(fields));
        }
        sections
    }

    fn add(&mut self, fields: &Fields<'a>) {
        fields.need("version", "1");
        fields.choice("version", &[("1", ())]);
        one(&mut self.gateway, fields, "gateway");
        one(&mut self.identity, fields, "identity");
        self.trust.extend(fields.many("trust"));
        self.listeners.extend(fields.many("listeners"));
        sources(fields);
        one(&mut self.defaults, fields, "defaults");
        self.destinations.extend(fields.many("destinations"));
        self.passthrough.extend(fields.many("passthrough"));
        self.tcp.extend(fields.many("tcp"));
        named(&mut self.lists, fields, "lists");
        named(&mut self.authorisers, fields, "authorisers");
        self.policies.extend(fields.many("policies"));
        named(&mut self.formats, fields, "formats");
        self.logs.extend(fields.many("logs"));
        one(&mut self.limits, fields, "limits");
        one(&mut self.dns, fields, "dns");
        one(&mut self.admin, fields, "admin");
        one(&mut self.drain, fields, "drain");
    }
}

fn one<'a>(slot: &mut Option<&'a Entry>, fields: &Fields<'a>, key: &'static str) {
    let Some(entry) = fields.entry(key) else {
        return;
    };
    match slot {
        None => *slot = Some(entry),
        Some(first) => {
            let first = &first.origin;
            let message = format!("`{key}` is given twice: it also stands at {first}");
            fields.report.error(&entry.origin, message);
        }
    }
}

fn named<'a>(all: &mut Vec<&'a Entry>, fields: &Fields<'a>, key: &'static str) {
    let Some(node) = fields.take(key) else {
        return;
    };
    let Value::Map(entries) = &node.value else {
        let kind = node.kind();
        fields.report.error(
            &node.origin,
            format!("found {kind} where a map `name: …` belongs"),
        );
        return;
    };
    for entry in entries {
        match all.iter().find(|known| known.key == entry.key) {
            None => all.push(entry),
            Some(first) => {
                let (name, first) = (&entry.key, &first.origin);
                let message = format!("`{name}` is given twice: it also stands at {first}");
                fields.report.error(&entry.origin, message);
            }
        }
    }
}

/// Folders are read in `read`; here only their spelling is judged.
fn sources(fields: &Fields<'_>) {
    for source in fields.many("sources") {
        Fields::read(source, fields.report, |fields| {
            fields.not_yet("kubernetes", "write `dir: FOLDER`");
            fields.text("dir");
            if !fields.has("kubernetes") {
                fields.need("dir", "/etc/egress/conf.d");
            }
        });
    }
}
