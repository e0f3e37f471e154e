//! Mixer's kinds (config.istio.io, until Istio 1.7): rules send *instances*,
//! which are values taken from an attempt, to *handlers*, which write a line
//! about them or check them.
//!
//! What reports becomes a log, what checks becomes a rule that refuses. Where
//! Mixer could not evaluate a `match` it took the rule as not matching, so that
//! a caller without identity went unchecked; here a check then applies.

mod catalog;
mod checking;
mod denier;
mod expression;
mod handler;
mod instance;
mod list;
mod listchecker;
mod listentry;
mod logentry;
mod name;
mod reporting;
mod rule;
mod status;
mod stdio;

use policy::rule::Rule;

use super::kind::Kind;
use super::object::{Object, Objects};
use super::scope::Scope;
use crate::remote::RemoteList;
use crate::snapshot::Log;

use catalog::Catalog;

/// What Mixer's objects say.
#[derive(Debug, Default)]
pub(super) struct Lowered {
    pub(super) rules: Vec<Rule>,
    /// Nothing where no rule reports at this gateway.
    pub(super) logs: Option<Vec<Log>>,
    /// Lists kept elsewhere.
    pub(super) lists: Vec<RemoteList>,
}

/// Reads all of Mixer's objects.
pub(super) fn lower(objects: &Objects<'_>, scope: &Scope<'_>) -> Lowered {
    let catalog = Catalog::read(objects, scope);
    let mut lowered = Lowered {
        lists: catalog.remote_lists().cloned().collect(),
        ..Lowered::default()
    };
    lowered
        .lists
        .sort_by(|one, other| one.name.cmp(&other.name));
    for object in objects.of_kind(Kind::Rule) {
        rule::lower(object, &catalog, scope, &mut lowered);
    }
    lowered
}

/// Later releases let an object name its language; that of 1.1 is the one read.
fn refuse_other_language(object: &Object<'_>, scope: &Scope<'_>) {
    let language = object.annotation("policy.istio.io/lang").unwrap_or("CEXL");
    if language != "CEXL" {
        let message = format!(
            "expressions in `{language}` cannot be honoured: write them in CEXL, and delete the annotation `policy.istio.io/lang`"
        );
        scope.report.error(object.origin, message);
    }
}

#[cfg(test)]
mod tests;
