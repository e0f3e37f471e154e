//! `action: CUSTOM`: what an external authoriser decides upon.

use policy::origin::Origin;
use policy::rule::{Effect, Rule};

use super::super::scope::Scope;
use crate::native::named_authoriser;

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

/// Makes rules of a CUSTOM policy. Its provider is one of MeshConfig's, or an
/// authoriser of the native format by the same name.
pub(super) fn lower(custom: Custom<'_>, scope: &Scope<'_>) -> Vec<Rule> {
    let provider = custom.provider;
    let Some(authoriser) = named_authoriser(scope.authorisers, provider) else {
        let message = format!(
            "there is no authoriser `{provider}`: write `authorisers: {{ {provider}: {{ grpc: {{ url: … }} }} }}` in a native document, or define it under `extensionProviders` of MeshConfig"
        );
        scope.report.error(custom.origin, message);
        return custom.rules;
    };
    let referred = |rule| Rule {
        effect: Effect::Refer(authoriser),
        ..rule
    };
    custom.rules.into_iter().map(referred).collect()
}
