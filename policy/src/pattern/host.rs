//! One pattern over canonical hosts. Hosts are literals: a dot is a dot, a
//! wildcard stands first or nowhere, and nothing here is a regular expression
//! (security: H7, H8).

use std::fmt;

use super::PatternError;
use super::host_name;

/// A pattern over canonical hosts: lower case, A-labels, no port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This host.
    Exact(Box<str>),
    /// Every host one or more labels below this one, never itself: `*.b`.
    Subdomains(Box<str>),
    /// Every host that ends so, letter for letter: `*b`. Never begins with a dot.
    Suffix(Box<str>),
    /// Every host.
    Any,
}

impl HostPattern {
    /// Reads `a.b`, `*.b`, `*b`, `*`, an IPv4 address or an IPv6 address in
    /// brackets. Names are lower-cased and turned into A-labels (UTS 46).
    ///
    /// # Errors
    /// Refuses ports, schemes, paths, a `*` elsewhere, and what is no name.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Some(rest) = text.strip_prefix("*.") {
            return Ok(Self::Subdomains(host_name::name(rest, 2)?));
        }
        match text.strip_prefix('*') {
            Some(rest) => Ok(Self::Suffix(host_name::tail(rest, 1)?)),
            None => Ok(Self::Exact(host_name::name_or_address(text)?)),
        }
    }

    /// Whether a canonical host matches.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => **exact == *host,
            Self::Suffix(suffix) => host.ends_with(&**suffix),
            Self::Subdomains(parent) => host
                .strip_suffix(&**parent)
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|labels| !labels.is_empty()),
        }
    }

    /// How many labels of a host that matches the caller chose. `*` leaves the
    /// choice of them all, of which the last two make a name somebody registered.
    #[must_use]
    pub fn labels_chosen(&self, host: &str) -> usize {
        let given = match self {
            Self::Exact(_) => return 0,
            Self::Subdomains(parent) => labels(parent),
            Self::Suffix(suffix) => labels(suffix),
            Self::Any => REGISTERED,
        };
        labels(host).saturating_sub(given)
    }

    /// Whether some host matches both patterns.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self.ending(), other.ending()) {
            (Some(one), Some(two)) => one.ends_with(&two) || two.ends_with(&one),
            (None, _) => self.exact().is_none_or(|host| other.matches(host)),
            (_, None) => other.exact().is_none_or(|host| self.matches(host)),
        }
    }

    fn exact(&self) -> Option<&str> {
        match self {
            Self::Exact(host) => Some(host),
            _ => None,
        }
    }

    /// What every matching host ends in, for the patterns that say only that.
    pub(super) fn ending(&self) -> Option<String> {
        match self {
            Self::Subdomains(parent) => Some(format!(".{parent}")),
            Self::Suffix(suffix) => Some(suffix.to_string()),
            Self::Exact(_) | Self::Any => None,
        }
    }
}

/// Labels of a name such as `example.com`.
const REGISTERED: usize = 2;

fn labels(name: &str) -> usize {
    name.split('.').count()
}

/// The spelling that [`HostPattern::parse`] reads.
impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Subdomains(parent) => write!(f, "*.{parent}"),
            Self::Suffix(suffix) => write!(f, "*{suffix}"),
            Self::Any => f.write_str("*"),
        }
    }
}

#[cfg(test)]
#[path = "host_tests.rs"]
mod tests;
