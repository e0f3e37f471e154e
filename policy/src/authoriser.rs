//! External authorisers: servers whose word a `refer` rule requires, by Envoy's
//! ext_authz protocol. Plain data, and what follows from a word; the gateway
//! does the asking.
//!
//! An authoriser can only take away. Whatever it says, a deny rule still
//! refuses and what no rule allows stays refused: those are decided first, and
//! of what they refuse the authoriser hears nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::destination::{Upstream, UpstreamRef};
use crate::origin::Origin;
use crate::refusal::Refusal;
use crate::routing::{CompileError, Plan};
use crate::rule::{Effect, Enforcement, Rule};
use crate::ruleset::{Grant, RuleId};

/// An index into the authorisers of the same configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AuthoriserRef(pub u32);

impl AuthoriserRef {
    fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// The authoriser, if there is one.
    #[must_use]
    pub fn of(self, authorisers: &[Authoriser]) -> Option<&Authoriser> {
        authorisers.get(self.index())
    }
}

/// A server that is asked whether requests may go on. It is told of heads
/// alone: bodies are never sent to it.
#[derive(Clone, Debug)]
pub struct Authoriser {
    /// In rules and records; Istio's provider name.
    pub name: Arc<str>,
    /// Where it is. Reached, vetted and verified like any upstream.
    pub upstream: UpstreamRef,
    /// How it is asked.
    pub service: Service,
    /// The time it has for its whole answer, connecting included.
    pub timeout: Duration,
    /// What happens without its word.
    pub on_error: OnError,
    /// The caller's header fields it is told of, beside host, method and path.
    pub told: Vec<FieldNames>,
    /// Fields of its yes that are set in the request before it goes on.
    pub upstream_fields: Vec<FieldNames>,
    /// Fields of its no that the caller is given.
    pub denial_fields: Vec<FieldNames>,
    /// Where it was written.
    pub origin: Arc<Origin>,
}

/// The two forms of Envoy's ext_authz.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    /// The request's method and target, behind a prefix: 200 is a yes, a
    /// status of the 500s no word at all, any other a no.
    Http {
        /// Put before the path: `/check`, or nothing.
        prefix: Box<str>,
    },
    /// `envoy.service.auth.v3.Authorization/Check`.
    Grpc,
}

/// What happens when an authoriser gives no word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// The request is refused with this status.
    Deny(u16),
    /// It goes on: only by the operator's word.
    Allow,
}

/// Names of header fields, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldNames {
    /// `*`
    Any,
    /// `x-team`
    Exact(Box<str>),
    /// `x-team-*`
    Prefix(Box<str>),
    /// `*-team`
    Suffix(Box<str>),
}

impl FieldNames {
    /// Reads a name, or one with `*` at its beginning or end, in any case.
    ///
    /// # Errors
    /// Refuses what no field can be named (RFC 9110, section 5.1).
    pub fn parse(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        if lower == "*" {
            return Ok(Self::Any);
        }
        let (name, pattern): (&str, fn(Box<str>) -> Self) =
            match (lower.strip_prefix('*'), lower.strip_suffix('*')) {
                (Some(end), _) => (end, Self::Suffix),
                (None, Some(begin)) => (begin, Self::Prefix),
                (None, None) => (&lower, Self::Exact),
            };
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(format!(
                "`{text}` is no name of a header: write letters, digits and `-`, with a `*` at the beginning or the end"
            ));
        }
        Ok(pattern(name.into()))
    }

    /// Whether `name`, in lower case, is one of them.
    #[must_use]
    pub fn contain(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => **exact == *name,
            Self::Prefix(prefix) => name.starts_with(&**prefix),
            Self::Suffix(suffix) => name.ends_with(&**suffix),
        }
    }
}

/// As [`FieldNames::parse`] reads it.
impl fmt::Display for FieldNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(name) => f.write_str(name),
            Self::Prefix(begin) => write!(f, "{begin}*"),
            Self::Suffix(end) => write!(f, "*{end}"),
        }
    }
}

/// What came of asking an authoriser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It said yes.
    Yes,
    /// It said no.
    No,
    /// It said neither, or nothing in time.
    Nothing,
}

/// A request that may go on if its authoriser says so.
/// INVARIANT(referred-asked): the plan of a referred request is given out
/// against the authoriser's word alone.
#[derive(Debug)]
#[must_use = "a referred request goes nowhere until its authoriser is asked"]
pub struct Referral {
    pub(crate) authoriser: AuthoriserRef,
    pub(crate) rule: RuleId,
    pub(crate) grant: Grant,
    pub(crate) on_error: OnError,
    /// Not to be known before the authoriser's word: policy comes before
    /// routes, so that nobody learns from a 404 which hosts are configured.
    pub(crate) routed: Result<Plan, Refusal>,
}

impl Referral {
    /// Whom to ask.
    #[must_use]
    pub fn authoriser(&self) -> AuthoriserRef {
        self.authoriser
    }

    /// The rule that asks.
    #[must_use]
    pub fn rule(&self) -> RuleId {
        self.rule
    }

    /// What other rules say.
    #[must_use]
    pub fn grant(&self) -> Grant {
        self.grant
    }

    /// Where the request goes, given the authoriser's word.
    ///
    /// # Errors
    /// 403 after a no, and without a word unless the operator chose otherwise;
    /// 404 after a yes when no route serves.
    pub fn answered(self, word: Word) -> Result<Plan, Refusal> {
        match (word, self.on_error) {
            (Word::Yes, _) | (Word::Nothing, OnError::Allow) => self.routed,
            (Word::No, _) => Err(Refusal::AuthoriserDenied),
            (Word::Nothing, OnError::Deny(_)) => Err(Refusal::AuthoriserUnavailable),
        }
    }
}

/// The authorisers of a snapshot, and the one its rules ask.
#[derive(Debug, Default)]
pub(crate) struct Authorisers(Box<[Authoriser]>);

impl Authorisers {
    /// Every reference must lead somewhere, and all rules to the same
    /// authoriser: as in Istio, which allows a workload one provider.
    pub(crate) fn compile(
        authorisers: Vec<Authoriser>,
        rules: &[Rule],
        upstreams: &[Upstream],
    ) -> Result<Self, Vec<CompileError>> {
        let mut errors = Vec::new();
        let mut refuse = |origin: &Arc<Origin>, message: String| {
            errors.push(CompileError {
                origin: Arc::clone(origin),
                message,
            });
        };
        for authoriser in &authorisers {
            let upstream = usize::try_from(authoriser.upstream.0);
            if !upstream.is_ok_and(|index| index < upstreams.len()) {
                let message = "the upstream named here does not exist".to_owned();
                refuse(&authoriser.origin, message);
            }
        }
        let mut first: Option<(&Rule, AuthoriserRef)> = None;
        for rule in rules {
            let Effect::Refer(asked) = rule.effect else {
                continue;
            };
            if asked.of(&authorisers).is_none() {
                let message = "the authoriser named here does not exist: write it".to_owned();
                refuse(&rule.origin, message);
            }
            if rule.enforcement == Enforcement::Shadow {
                let message = "in shadow an authoriser is not asked, so this has no effect: enforce the rule, or delete it";
                refuse(&rule.origin, message.to_owned());
            }
            match first {
                None => first = Some((rule, asked)),
                Some((earlier, other)) if other != asked => {
                    let message = format!(
                        "a gateway asks one authoriser, and the rule at {} asks another: refer to that one",
                        earlier.origin
                    );
                    refuse(&rule.origin, message);
                }
                Some(_) => {}
            }
        }
        match errors.is_empty() {
            true => Ok(Self(authorisers.into())),
            false => Err(errors),
        }
    }

    pub(crate) fn get(&self, authoriser: AuthoriserRef) -> Option<&Authoriser> {
        authoriser.of(&self.0)
    }

    pub(crate) fn all(&self) -> &[Authoriser] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields_are_exact_or_open_at_one_end() {
        for (pattern, name, expected) in [
            ("*", "cookie", true),
            ("X-Team", "x-team", true),
            ("x-team", "x-team-2", false),
            ("x-team-*", "x-team-2", true),
            ("x-team-*", "x-team", false),
            ("*-team", "x-team", true),
            ("*-team", "x-team-2", false),
        ] {
            let names = FieldNames::parse(pattern).unwrap();
            assert_eq!(names.contain(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn what_no_field_can_be_named_is_refused() {
        for text in ["", "**", "x y", "x*y", "*x*", ":path", "é"] {
            assert!(FieldNames::parse(text).is_err(), "{text}");
        }
    }
}
