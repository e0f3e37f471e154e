//! Rules on callers, and listeners by which nobody is verified.

use policy::rule::{Effect, Rule};

use crate::report::Report;
use crate::snapshot::Listener;

/// Warns of permissions no caller can have: every listener takes what comes
/// without a certificate, and the rule asks for a workload.
pub(crate) fn warn_of_unverified(listeners: &[Listener], rules: &[Rule], report: &Report) {
    if listeners.is_empty() || listeners.iter().any(Listener::knows_callers) {
        return;
    }
    for rule in rules.iter().filter(|rule| asks_for_workloads(rule)) {
        let message = "nobody can be allowed by this: it speaks of workloads, and no listener \
                       verifies callers; write a listener with `mode: mtls`, or allow by address \
                       (`from: ip:CIDR`)";
        report.warning(&rule.origin, message);
    }
}

fn asks_for_workloads(rule: &Rule) -> bool {
    let mut matchers = rule.matchers.iter();
    matches!(rule.effect, Effect::Allow)
        && !rule.matchers.is_empty()
        && matchers.all(|matcher| {
            let mut from = matcher.from.iter();
            !matcher.from.is_empty() && from.all(|source| source.speaks_of_workloads())
        })
}

#[cfg(test)]
mod tests {
    use crate::{Environment, SourceFile, compile};

    #[test]
    fn a_permission_nobody_can_have_is_told() {
        let warnings = |mode: &str, rule: &str| {
            let text = format!(
                "version: 1\nlisteners: [{{ port: 80, mode: {mode} }}]\n\
                 destinations: [{{ host: a.test }}]\npolicies:\n  - {rule}\n"
            );
            let snapshot =
                compile(&[SourceFile::new("a.yaml", text)], &Environment::default()).unwrap();
            let warnings = snapshot.warnings().iter();
            warnings.map(|w| w.to_string()).collect::<Vec<_>>()
        };
        let workload = "allow: { from: sa:default/sleep, host: a.test }";
        let told = warnings("plaintext", workload).concat();
        assert!(
            told.contains("a.yaml:5:5: warning: nobody can be allowed by this"),
            "{told}"
        );
        for (mode, rule) in [
            ("mtls", workload),
            (
                "plaintext",
                "allow: { from: [sa:default/sleep, 'ip:10.0.0.0/8'], host: a.test }",
            ),
            ("plaintext", "allow: { host: a.test }"),
            (
                "plaintext",
                "deny: { from: sa:default/sleep, host: a.test }",
            ),
        ] {
            assert_eq!(warnings(mode, rule), [""; 0], "{mode} {rule}");
        }
    }
}
