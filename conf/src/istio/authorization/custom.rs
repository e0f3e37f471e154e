//! `action: CUSTOM`: what an external authoriser decides upon.

use policy::origin::Origin;
use policy::rule::Rule;

use super::super::scope::Scope;

/// What a CUSTOM policy hands to an external authoriser.
#[derive(Debug)]
pub(super) struct Custom<'a> {
    /// `provider.name`.
    pub(super) provider: &'a str,
    /// Where `provider` stands.
    pub(super) origin: &'a Origin,
    /// What is to be asked about. Each refuses, as does an authoriser who does
    /// not answer.
    pub(super) rules: Vec<Rule>,
}

/// Makes rules of a CUSTOM policy.
pub(super) fn lower(custom: Custom<'_>, scope: &Scope<'_>) -> Vec<Rule> {
    let message = format!(
        "not supported yet: `action: CUSTOM` with the provider `{}`: write `action: DENY` or `action: ALLOW`",
        custom.provider
    );
    scope.report.error(custom.origin, message);
    custom.rules
}
