//! Conditions that no key of a matcher can ask, in the expression language.

use policy::source::{NamePattern, SourcePattern};

const PRINCIPAL: &str = "source.principal";

/// A text as the language quotes it.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\U{:08x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A text as RE2 takes it letter for letter.
pub(super) fn escaped(text: &str) -> String {
    let escaped = text.chars().map(|c| match c.is_ascii_punctuation() {
        true => format!("\\{c}"),
        false => c.to_string(),
    });
    escaped.collect()
}

/// That an attribute matches.
///
/// Never by `has`: whoever has no identity must leave it open whether a refusal
/// speaks of him, so that it does.
pub(super) fn matches(attribute: &str, pattern: &NamePattern) -> String {
    match pattern {
        NamePattern::Any => format!("{attribute} != \"\""),
        NamePattern::Exact(name) => format!("{attribute} == {}", quoted(name)),
        NamePattern::Prefix(begin) => format!("{attribute}.startsWith({})", quoted(begin)),
        NamePattern::Suffix(end) => format!("{attribute}.endsWith({})", quoted(end)),
    }
}

/// That an attribute matches a text in which every `*` stands for any number of
/// characters.
pub(super) fn matches_stars(attribute: &str, text: &str) -> String {
    let pieces: Vec<String> = text.split('*').map(escaped).collect();
    let regex = format!("^{}$", pieces.join(".*"));
    format!("{attribute}.matches({})", quoted(&regex))
}

/// That a caller is one of these.
pub(super) fn any_source(sources: &[SourcePattern]) -> String {
    let addresses: Vec<String> = sources
        .iter()
        .filter_map(|source| match source {
            SourcePattern::Address(range) => Some(format!("cidr(\"{range}\")")),
            _ => None,
        })
        .collect();
    let addresses =
        (!addresses.is_empty()).then(|| format!("source.ip in [{}]", addresses.join(", ")));
    let others = sources.iter().filter_map(one_source);
    let all: Vec<String> = addresses.into_iter().chain(others).collect();
    match &*all {
        [only] => only.clone(),
        several => format!("({})", several.join(") || (")),
    }
}

fn one_source(source: &SourcePattern) -> Option<String> {
    match source {
        SourcePattern::Address(_) => None,
        SourcePattern::Any => Some("true".to_owned()),
        SourcePattern::Anonymous => Some(format!("!has({PRINCIPAL})")),
        SourcePattern::Name(name) => Some(matches(PRINCIPAL, name)),
        SourcePattern::Workload {
            trust_domain,
            namespace,
            service_account,
        } => {
            let named = |pattern: &NamePattern| *pattern != NamePattern::Any;
            let part = |attribute, pattern| named(pattern).then(|| matches(attribute, pattern));
            let parts = [
                named(trust_domain).then(|| of_domain(trust_domain)),
                part("source.namespace", namespace),
                part("source.serviceAccount", service_account),
            ];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            Some(match &*parts {
                [] => matches(PRINCIPAL, &NamePattern::Any),
                parts => parts.join(" && "),
            })
        }
    }
}

/// The language knows no trust domain: it is what a principal begins with.
fn of_domain(pattern: &NamePattern) -> String {
    match pattern {
        NamePattern::Any | NamePattern::Prefix(_) => matches(PRINCIPAL, pattern),
        NamePattern::Exact(domain) => {
            matches(PRINCIPAL, &NamePattern::Prefix(format!("{domain}/").into()))
        }
        NamePattern::Suffix(end) => {
            let regex = format!("^[^/]*{}/", escaped(end));
            format!("{PRINCIPAL}.matches({})", quoted(&regex))
        }
    }
}
