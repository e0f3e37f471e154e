//! A rule that tells a `logentry` to `stdio` is a log.

use std::sync::Arc;

use policy::LogFilter;
use policy::rule::Matcher;

use super::logentry::LogEntry;
use super::name;
use super::rule::When;
use super::stdio::Stdio;
use crate::istio::scope::Scope;
use crate::snapshot::{Layout, Log, Overflow};

/// The log; nothing where the handler writes no lines of this level.
pub(super) fn log(
    when: &When<'_>,
    stdio: &Stdio,
    instance: &str,
    entry: &LogEntry,
    scope: &Scope<'_>,
) -> Option<Log> {
    let level = stdio.level(&entry.severity);
    if !stdio.writes(level) {
        let level = level.as_str();
        let message = format!(
            "lines of level `{level}` are below the handler's `outputLevel`: none is written"
        );
        scope.report.note(when.object.origin, message);
        return None;
    }
    let condition = when.condition.as_ref();
    Some(Log {
        name: name::full(when.object).into(),
        filter: LogFilter {
            when: of_callers(when),
            expr: condition.map(|(expr, _)| Arc::new(expr.clone())),
            ..LogFilter::default()
        },
        layout: Layout::Mixer {
            instance: instance.into(),
            fields: Arc::clone(&entry.variables),
        },
        level,
        sink: stdio.sink.clone(),
        overflow: Overflow::default(),
        open_tunnels: None,
        origin: Some(Arc::new(when.object.origin.clone())),
    })
}

/// Nothing where all callers are concerned: attempts without a request then
/// are, too.
fn of_callers(when: &When<'_>) -> Vec<Matcher> {
    if when.from.is_empty() {
        return Vec::new();
    }
    vec![Matcher {
        from: when.from.as_slice().into(),
        ..Matcher::default()
    }]
}
