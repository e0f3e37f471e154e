//! The name of a workload: a SPIFFE id of Istio's five-part form.
//!
//! Parsing a name proves nothing about who called. The evidence that a caller
//! holds the name is a verified certificate, and lives in the gateway.

use std::fmt;

/// Longest SPIFFE id accepted, in bytes (SPIFFE-ID specification, section 2.3).
const MAX_ID: usize = 2048;
/// Longest trust domain accepted, in bytes (SPIFFE-ID specification, section 2.1).
const MAX_TRUST_DOMAIN: usize = 255;

/// A workload identity, `<trust domain>/ns/<namespace>/sa/<service account>`.
///
/// Kept as one string with the places of its parts, so that printing it (every
/// access record does) costs nothing and comparing parts needs no parsing.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    name: Box<str>,
    trust_domain: Box<str>,
    namespace: Box<str>,
    service_account: Box<str>,
}

/// Why a text is no principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrincipalError {
    /// It does not begin with `spiffe://`.
    Scheme,
    /// It is longer than 2048 bytes.
    TooLong,
    /// The trust domain is empty, too long, or holds another byte than `[a-z0-9._-]`.
    TrustDomain,
    /// The path is not exactly `/ns/<namespace>/sa/<service account>`.
    Path,
    /// A part is empty, a dot segment, or holds another byte than `[A-Za-z0-9._-]`.
    Segment,
}

impl fmt::Display for PrincipalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "a SPIFFE id begins with `spiffe://`",
            Self::TooLong => "a SPIFFE id has at most 2048 bytes",
            Self::TrustDomain => "a trust domain is 1 to 255 bytes of `a-z 0-9 . _ -`",
            Self::Path => {
                "a workload identity is `<trust domain>/ns/<namespace>/sa/<service account>`"
            }
            Self::Segment => {
                "namespace and service account are non-empty, of `A-Z a-z 0-9 . _ -`, and not `.` or `..`"
            }
        })
    }
}

impl std::error::Error for PrincipalError {}

impl Principal {
    /// Parses `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.
    ///
    /// # Errors
    /// When the grammar of the SPIFFE-ID specification or Istio's five parts
    /// are not met. No percent-encoding, port, user information, query or
    /// fragment passes: none of their bytes is in the grammar.
    pub fn from_uri(uri: &str) -> Result<Self, PrincipalError> {
        if uri.len() > MAX_ID {
            return Err(PrincipalError::TooLong);
        }
        let name = uri
            .strip_prefix("spiffe://")
            .ok_or(PrincipalError::Scheme)?;
        Self::from_name(name)
    }

    /// Parses Istio's spelling, the same without `spiffe://`.
    ///
    /// # Errors
    /// As [`Principal::from_uri`].
    pub fn from_name(name: &str) -> Result<Self, PrincipalError> {
        let mut parts = name.split('/');
        let trust_domain = parts.next().unwrap_or_default();
        check_trust_domain(trust_domain)?;
        let (Some("ns"), Some(namespace), Some("sa"), Some(service_account), None) = (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) else {
            return Err(PrincipalError::Path);
        };
        check_segment(namespace)?;
        check_segment(service_account)?;
        Ok(Self {
            name: name.into(),
            trust_domain: trust_domain.into(),
            namespace: namespace.into(),
            service_account: service_account.into(),
        })
    }

    /// `cluster.local/ns/default/sa/sleep`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// `cluster.local`.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// `default`.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// `sleep`.
    #[must_use]
    pub fn service_account(&self) -> &str {
        &self.service_account
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Principal({})", self.name)
    }
}

/// Checks a trust domain's grammar.
///
/// # Errors
/// [`PrincipalError::TrustDomain`].
pub fn check_trust_domain(name: &str) -> Result<(), PrincipalError> {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    if name.is_empty() || name.len() > MAX_TRUST_DOMAIN || !name.bytes().all(allowed) {
        return Err(PrincipalError::TrustDomain);
    }
    Ok(())
}

fn check_segment(segment: &str) -> Result<(), PrincipalError> {
    let allowed = |b: u8| matches!(b, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    if segment.is_empty() || segment == "." || segment == ".." || !segment.bytes().all(allowed) {
        return Err(PrincipalError::Segment);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_three_names_of_a_workload() {
        let p = Principal::from_uri("spiffe://cluster.local/ns/default/sa/sleep").unwrap();
        assert_eq!(p.as_str(), "cluster.local/ns/default/sa/sleep");
        assert_eq!(
            (p.trust_domain(), p.namespace(), p.service_account()),
            ("cluster.local", "default", "sleep")
        );
    }

    #[test]
    fn refuses_what_is_not_exactly_five_parts() {
        for path in [
            "cluster.local",
            "cluster.local/",
            "cluster.local/ns/default/sa",
            "cluster.local/ns/default/sa/sleep/extra",
            "cluster.local/ns/default/sa/sleep/",
            "cluster.local/sa/sleep/ns/default",
            "cluster.local/NS/default/sa/sleep",
        ] {
            assert_eq!(
                Principal::from_name(path),
                Err(PrincipalError::Path),
                "{path}"
            );
        }
    }

    #[test]
    fn refuses_bytes_outside_the_grammar() {
        for (uri, why) in [
            ("https://cluster.local/ns/a/sa/b", PrincipalError::Scheme),
            ("SPIFFE://cluster.local/ns/a/sa/b", PrincipalError::Scheme),
            ("spiffe:///ns/a/sa/b", PrincipalError::TrustDomain),
            (
                "spiffe://Cluster.local/ns/a/sa/b",
                PrincipalError::TrustDomain,
            ),
            (
                "spiffe://cluster.local:443/ns/a/sa/b",
                PrincipalError::TrustDomain,
            ),
            (
                "spiffe://u@cluster.local/ns/a/sa/b",
                PrincipalError::TrustDomain,
            ),
            ("spiffe://cluster.local/ns//sa/b", PrincipalError::Segment),
            ("spiffe://cluster.local/ns/../sa/b", PrincipalError::Segment),
            (
                "spiffe://cluster.local/ns/a/sa/b%2Fc",
                PrincipalError::Segment,
            ),
            (
                "spiffe://cluster.local/ns/a/sa/b?x",
                PrincipalError::Segment,
            ),
            (
                "spiffe://cluster.local/ns/a/sa/b#x",
                PrincipalError::Segment,
            ),
            (
                "spiffe://cluster.local/ns/a/sa/b\0",
                PrincipalError::Segment,
            ),
            ("spiffe://cluster.local/ns/a/sa/é", PrincipalError::Segment),
        ] {
            assert_eq!(Principal::from_uri(uri), Err(why), "{uri}");
        }
        let long = format!("spiffe://td/ns/a/sa/{}", "b".repeat(2048));
        assert_eq!(Principal::from_uri(&long), Err(PrincipalError::TooLong));
    }
}
