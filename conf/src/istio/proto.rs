//! Values as protocol buffers write them in YAML, beyond what `fields` knows.

use std::time::Duration;

use crate::fields::{Fields, parsed};
use crate::node::Node;
use crate::quantity::go_duration;
use crate::report::Report;
use crate::spelling::{listed, nearest};

/// A duration as Go writes it.
pub(super) fn duration(fields: &Fields<'_>, key: &'static str) -> Option<Duration> {
    fields.parsed(key, go_duration)
}

/// One of an enum's values, by name or by number. Names have a case.
pub(super) fn choice<T: Copy>(
    fields: &Fields<'_>,
    key: &'static str,
    values: &[(&str, u8, T)],
) -> Option<T> {
    choice_of(fields.take(key)?, fields.report, values)
}

/// As [`choice`], of a value.
pub(super) fn choice_of<T: Copy>(
    node: &Node,
    report: &Report,
    values: &[(&str, u8, T)],
) -> Option<T> {
    parsed(node, report, |text| {
        one_of(text, values, |name| name == text).ok_or_else(|| unknown(text, values))
    })
}

/// A protocol: as [`choice`], in any case, as Istio takes these.
pub(super) fn protocol<T: Copy>(fields: &Fields<'_>, values: &[(&str, u8, T)]) -> Option<T> {
    fields.parsed("protocol", |text| {
        one_of(text, values, |name| name.eq_ignore_ascii_case(text))
            .ok_or_else(|| unknown(text, values))
    })
}

fn one_of<T: Copy>(
    text: &str,
    values: &[(&str, u8, T)],
    is_meant: impl Fn(&str) -> bool,
) -> Option<T> {
    let number = text.parse();
    let known = values
        .iter()
        .find(|(name, known, _)| is_meant(name) || number == Ok(*known));
    known.map(|(_, _, meaning)| *meaning)
}

fn unknown<T>(text: &str, values: &[(&str, u8, T)]) -> String {
    let names = || values.iter().map(|(name, _, _)| *name);
    match nearest(text, names()) {
        Some(meant) => format!("unknown word `{text}`: did you mean `{meant}`?"),
        None => format!("unknown word `{text}`: write {}", listed(names())),
    }
}

/// Refuses fields that cannot be honoured, each with what to write instead.
pub(super) fn refuse(fields: &Fields<'_>, unsupported: &[(&'static str, &str)]) {
    for (key, instead) in unsupported {
        if let Some(entry) = fields.entry(key) {
            let message = format!("`{key}` cannot be honoured: {instead}");
            fields.report.error(&entry.origin, message);
        }
    }
}

/// Takes fields that are valid and change nothing here, such as what only
/// concerns a sidecar.
pub(super) fn pass_over(fields: &Fields<'_>, keys: &[&'static str]) {
    for key in keys {
        fields.entry(key);
    }
}
