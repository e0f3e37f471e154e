//! Lists of texts as policies write them, and what every reader of one knows.

use policy::Toward;
use policy::source::NamePattern;

use super::super::scope::Scope;
use super::clause::{Clause, Way};
use crate::fields::{Fields, text};
use crate::node::Node;
use crate::report::Report;

/// One text and its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written<'a> {
    pub(super) text: &'a str,
    pub(super) node: &'a Node,
}

/// What a policy is read against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) scope: &'a Scope<'a>,
    /// Of the policy.
    pub(super) namespace: &'a str,
    /// What a match leads to.
    pub(super) toward: Toward,
}

impl<'a> Context<'a> {
    /// For what must not hold.
    fn opposite(self) -> Self {
        Self {
            toward: self.toward.opposite(),
            ..self
        }
    }

    pub(super) fn report(&self) -> &'a Report {
        self.scope.report
    }

    /// The mesh's own trust domain, and its aliases.
    pub(super) fn local(&self) -> &'a [Box<str>] {
        self.scope.local
    }
}

/// The texts of a list; nothing where the key is not written.
pub(super) fn texts<'a>(fields: &Fields<'a>, key: &'static str) -> Option<Vec<Written<'a>>> {
    fields.take(key)?;
    let nodes = fields.many(key).iter();
    Some(nodes.filter_map(|node| one(node, fields.report)).collect())
}

/// One text, which must not be empty: Istio refuses an empty one.
pub(super) fn one<'a>(node: &'a Node, report: &Report) -> Option<Written<'a>> {
    let text = text(node, report)?;
    if text.is_empty() {
        let message = "an empty text matches nothing: write a value, or `*` for any";
        report.error(&node.origin, message);
        return None;
    }
    Some(Written { text, node })
}

/// Reads a field and its opposite: `hosts` and `notHosts`. Each value of the
/// opposite is asked in the opposite direction.
pub(super) fn field<'a>(
    fields: &Fields<'a>,
    [key, not]: [&'static str; 2],
    context: &Context<'a>,
    clause: &mut Clause,
    ways: impl Fn(&[Written<'a>], &Context<'a>) -> Vec<Way>,
) {
    if let Some(values) = texts(fields, key) {
        clause.all.push(ways(&values, context));
    }
    if let Some(values) = texts(fields, not) {
        clause.unless.extend(ways(&values, &context.opposite()));
    }
}

/// Reads fields about tokens, which nobody verifies here: no request has one.
/// What asks for one never holds, hence is dropped where it would permit and
/// refused where it would refuse; what asks for none always holds.
pub(super) fn tokens<'a>(
    fields: &Fields<'a>,
    [key, not]: [&'static str; 2],
    what: &str,
    context: &Context<'a>,
    clause: &mut Clause,
) {
    texts(fields, not);
    let (Some(_), Some(entry)) = (texts(fields, key), fields.entry(key)) else {
        return;
    };
    clause.never = true;
    let report = context.report();
    match context.toward {
        Toward::Permit => report.warning(
            &entry.origin,
            format!("{what} is never here, since tokens are not verified: the rule never matches"),
        ),
        Toward::Refuse => report.error(
            &entry.origin,
            format!(
                "{what} cannot be honoured, since tokens are not verified: decide by principals"
            ),
        ),
    }
}

/// `abc`, `abc*`, `*abc` or `*`.
pub(super) fn pattern(written: Written<'_>, report: &Report) -> Option<NamePattern> {
    if has_inner_star(written.text) {
        let message = format!(
            "`{}` has a `*` inside, where it is no wildcard: write it first, last or alone",
            written.text
        );
        report.error(&written.node.origin, message);
        return None;
    }
    Some(NamePattern::parse(written.text))
}

/// Whether a `*` stands elsewhere than at one end.
pub(super) fn has_inner_star(text: &str) -> bool {
    let inner = text.strip_suffix('*').or(text.strip_prefix('*'));
    inner.unwrap_or(text).contains('*')
}
