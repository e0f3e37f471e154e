//! Which attempts a log tells.

use std::fmt;
use std::sync::Arc;

use crate::expr::{Attributes, Expr, Truth};
use crate::matching::Toward;
use crate::pattern::HostPattern;
use crate::request::Request;
use crate::rule::Matcher;
use crate::ruleset::{hosts, hosts_of};
use crate::tunnel::Tunnel;

/// The condition of a log. Empty parts ask nothing.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// One of these holds. An attempt without canonical request matches none.
    pub when: Vec<Matcher>,
    /// None of these holds.
    pub unless: Vec<Matcher>,
    /// The status is one of these.
    pub statuses: Vec<StatusPattern>,
    /// The decision is one of these.
    pub decisions: Vec<DecisionWord>,
    /// A condition on all that is known when the attempt is recorded.
    pub expr: Option<Arc<Expr>>,
}

/// What became of an attempt, as a filter asks.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The status sent, 0 when none was.
    pub status: u16,
    /// Whether policy let it go on.
    pub allowed: bool,
    /// Whether a shadow rule would have refused.
    pub shadow_denied: bool,
    /// Whether an audit rule marks it.
    pub audited: bool,
}

impl LogFilter {
    /// Whether deciding needs the canonical request.
    #[must_use]
    pub fn asks_request(&self) -> bool {
        !self.when.is_empty() || !self.unless.is_empty()
    }

    /// The hosts outside of which the log tells nothing; empty: any. So that of
    /// many logs only a few need be asked about an attempt.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostPattern> {
        let of_expr = self.expr.as_deref().map(hosts).unwrap_or_default();
        if !of_expr.is_empty() {
            return of_expr;
        }
        let mut all = Vec::new();
        for matcher in &self.when {
            match hosts_of(matcher) {
                none if none.is_empty() => return Vec::new(),
                some => all.extend(some),
            }
        }
        all
    }

    /// Whether the log tells this attempt. In doubt it does not, as in Mixer.
    #[must_use]
    pub fn selects(
        &self,
        request: Option<&Request<'_>>,
        outcome: Outcome,
        attempt: &dyn Attributes,
    ) -> bool {
        let holds = |m: &Matcher| request.is_some_and(|r| m.holds(r, Toward::Permit));
        self.selects_where(holds, outcome, attempt)
    }

    /// As [`LogFilter::selects`], for a tunnel.
    #[must_use]
    pub fn selects_tunnel(
        &self,
        tunnel: Option<&Tunnel<'_>>,
        outcome: Outcome,
        attempt: &dyn Attributes,
    ) -> bool {
        let holds = |m: &Matcher| tunnel.is_some_and(|t| m.holds_for_tunnel(t, Toward::Permit));
        self.selects_where(holds, outcome, attempt)
    }

    fn selects_where(
        &self,
        holds: impl Fn(&Matcher) -> bool,
        outcome: Outcome,
        attempt: &dyn Attributes,
    ) -> bool {
        let any = |matchers: &[Matcher]| matchers.iter().any(&holds);
        (self.when.is_empty() || any(&self.when))
            && !any(&self.unless)
            && (self.statuses.is_empty() || self.statuses.iter().any(|s| s.matches(outcome.status)))
            && (self.decisions.is_empty() || self.decisions.iter().any(|d| d.matches(outcome)))
            && self
                .expr
                .as_ref()
                .is_none_or(|expr| expr.test(attempt) == Truth::True)
    }
}

/// A set of statuses: `200`, `4xx`, `>=500`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusPattern {
    first: u16,
    last: u16,
}

/// Why a text is no set of statuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusError(String);

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no set of statuses: write `200`, `4xx` or `>=500`",
            self.0
        )
    }
}

impl std::error::Error for StatusError {}

impl StatusPattern {
    /// Reads `200`, `4xx`, `>=500`, `<400`, `0` (nothing was sent).
    ///
    /// # Errors
    /// When the text has none of these forms.
    pub fn parse(text: &str) -> Result<Self, StatusError> {
        let number = |digits: &str| digits.trim().parse::<u16>().ok().filter(|n| *n <= 599);
        let range = if let Some(least) = text.strip_prefix(">=") {
            number(least).map(|first| (first, 599))
        } else if let Some(above) = text.strip_prefix('<') {
            number(above)
                .and_then(|n| n.checked_sub(1))
                .map(|last| (0, last))
        } else if let Some(class) = text.strip_suffix("xx") {
            number(class)
                .filter(|c| (1..=5).contains(c))
                .map(|c| (c * 100, c * 100 + 99))
        } else {
            number(text).map(|n| (n, n))
        };
        let (first, last) = range.ok_or_else(|| StatusError(text.to_owned()))?;
        Ok(Self { first, last })
    }

    fn matches(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

/// The spelling that reads as the same set.
impl fmt::Display for StatusPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = *self;
        match last.saturating_sub(first) {
            0 => write!(f, "{first}"),
            99 if first % 100 == 0 && first > 0 => write!(f, "{}xx", first / 100),
            _ if last == 599 => write!(f, ">={first}"),
            _ => write!(f, "<{}", last.saturating_add(1)),
        }
    }
}

/// A word for what was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecisionWord {
    /// Policy let it go on.
    Allow,
    /// It was refused, by policy or otherwise.
    Deny,
    /// A shadow rule would have refused.
    ShadowDeny,
    /// An audit rule marks it.
    Audit,
}

/// Why a text is no decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionError(String);

impl fmt::Display for DecisionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = &self.0;
        write!(
            f,
            "`{word}` is no decision: write `allow`, `deny`, `shadow-deny` or `audit`"
        )
    }
}

impl std::error::Error for DecisionError {}

impl DecisionWord {
    /// Reads `allow`, `deny`, `shadow-deny` or `audit`.
    ///
    /// # Errors
    /// When the text is none of them.
    pub fn parse(text: &str) -> Result<Self, DecisionError> {
        match text {
            "allow" => Ok(Self::Allow),
            "deny" => Ok(Self::Deny),
            "shadow-deny" => Ok(Self::ShadowDeny),
            "audit" => Ok(Self::Audit),
            other => Err(DecisionError(other.to_owned())),
        }
    }

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::ShadowDeny => "shadow-deny",
            Self::Audit => "audit",
        }
    }

    fn matches(self, outcome: Outcome) -> bool {
        match self {
            Self::Allow => outcome.allowed,
            Self::Deny => !outcome.allowed,
            Self::ShadowDeny => outcome.shadow_denied,
            Self::Audit => outcome.audited,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use crate::expr::{Attribute, Value};
    use crate::pattern::HostPattern;

    use super::*;

    /// An attempt of which nothing is known.
    struct Nothing;

    impl Attributes for Nothing {
        fn value(&self, _: Attribute) -> Option<Value<'_>> {
            None
        }

        fn map_entry(&self, _: Attribute, _: &str) -> Option<Cow<'_, str>> {
            None
        }
    }

    #[test]
    fn reads_statuses_as_numbers_classes_and_bounds() {
        let matches = |text: &str, status| StatusPattern::parse(text).unwrap().matches(status);
        assert!(matches("200", 200) && !matches("200", 201));
        assert!(matches("4xx", 403) && !matches("4xx", 500));
        assert!(matches(">=500", 504) && !matches(">=500", 499));
        assert!(matches("<400", 0) && !matches("<400", 400));
        for text in ["", "abc", "6xx", "0xx", "1000", ">=", "-1"] {
            assert!(StatusPattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_set_is_spelled_so_that_it_reads_the_same() {
        for (text, spelled) in [
            ("200", "200"),
            ("0", "0"),
            ("<1", "0"),
            ("4xx", "4xx"),
            (">=500", "5xx"),
            (">=400", ">=400"),
            (">=599", "599"),
            ("<400", "<400"),
            ("<100", "<100"),
            ("<599", "<599"),
            (">=0", ">=0"),
        ] {
            let set = StatusPattern::parse(text).unwrap();
            assert_eq!(set.to_string(), spelled);
            assert_eq!(StatusPattern::parse(spelled).unwrap(), set, "{text}");
        }
        for word in ["allow", "deny", "shadow-deny", "audit"] {
            assert_eq!(DecisionWord::parse(word).unwrap().as_str(), word);
        }
    }

    #[test]
    fn an_attempt_without_request_is_told_only_by_logs_that_ask_none() {
        let outcome = Outcome {
            status: 0,
            allowed: false,
            shadow_denied: false,
            audited: false,
        };
        assert!(LogFilter::default().selects(None, outcome, &Nothing));
        let asks = LogFilter {
            when: vec![Matcher::default()],
            ..LogFilter::default()
        };
        assert!(!asks.selects(None, outcome, &Nothing));
    }

    #[test]
    fn hosts_are_those_outside_of_which_nothing_is_told() {
        let expr = |text: &str| Some(Arc::new(Expr::cexl(text).unwrap()));
        let at = |host: &str| Matcher {
            hosts: vec![HostPattern::parse(host).unwrap()],
            ..Matcher::default()
        };
        let asks = |text: &str| Matcher {
            expr: expr(text),
            ..Matcher::default()
        };
        let cnn = r#"request.method == "GET" && request.host.endsWith(".cnn.com")"#;
        for (when, expr, expected) in [
            (vec![], None, &[][..]),
            (vec![], expr(cnn), &["*.cnn.com"]),
            (
                vec![at("a"), at("*b")],
                expr("response.code == 200"),
                &["a", "*b"],
            ),
            (vec![at("a"), asks(cnn)], None, &["a", "*.cnn.com"]),
            // One of them asks for no host.
            (vec![at("a"), Matcher::default()], None, &[]),
            (vec![at("a"), asks("request.method == \"GET\"")], None, &[]),
        ] {
            let filter = LogFilter {
                when,
                expr,
                ..LogFilter::default()
            };
            let expected: Vec<_> = expected
                .iter()
                .map(|host| HostPattern::parse(host).unwrap())
                .collect();
            assert_eq!(filter.hosts(), expected, "{filter:?}");
        }
    }
}
