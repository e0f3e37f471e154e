//! Patterns over canonical hosts. Literals stay literals: a dot is a dot.

use super::PatternError;

/// What a host must look like.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// This host.
    Exact(Box<str>),
    /// Every name below this one, never the name itself: `*.b`. Kept with its
    /// dot.
    Subdomains(Box<str>),
    /// Every host that ends so: `*b`, also `b` itself and `evilb`.
    Suffix(Box<str>),
    /// Every host.
    Any,
}

impl HostPattern {
    /// Reads `a.b`, `*.b`, `*b` or `*`, and brings it into the form of
    /// canonical hosts: lower case, A-labels (RFC 5890), no final dot.
    ///
    /// # Errors
    /// What is no host: schemes, ports, paths, empty labels, a `*` elsewhere.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        refuse_urls(text)?;
        if let Some(domain) = text.strip_prefix("*.") {
            return Ok(Self::Subdomains(format!(".{}", name(domain, text)?).into()));
        }
        if let Some(suffix) = text.strip_prefix('*') {
            return Ok(Self::Suffix(suffix_of(suffix, text)?.into()));
        }
        if text.starts_with('[') {
            return literal(text);
        }
        Ok(Self::Exact(name(text, text)?.into()))
    }

    /// Whether a canonical host matches.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(exact) => **exact == *host,
            Self::Subdomains(suffix) => host.len() > suffix.len() && host.ends_with(&**suffix),
            Self::Suffix(suffix) => host.ends_with(&**suffix),
            Self::Any => true,
        }
    }

    /// The ending that all matching hosts share; `None` for an exact host.
    pub(super) fn suffix(&self) -> Option<&str> {
        match self {
            Self::Exact(_) => None,
            Self::Subdomains(suffix) | Self::Suffix(suffix) => Some(suffix),
            Self::Any => Some(""),
        }
    }
}

fn refuse_urls(text: &str) -> Result<(), PatternError> {
    let bare = text
        .split_once("://")
        .map_or(text, |(_, rest)| rest)
        .split(['/', '?', '#'])
        .next()
        .unwrap_or_default();
    if bare.len() != text.len() {
        return Err(PatternError::new(format!(
            "`{text}` is more than a host: write `{bare}`"
        )));
    }
    if let Some((host, port)) = text.rsplit_once(':') {
        if !text.starts_with('[') || text.find(']').is_some_and(|end| end < host.len()) {
            return Err(PatternError::at(
                host.len(),
                format!("a host has no port: write `{host}`, and the port `{port}` under `port`"),
            ));
        }
    }
    Ok(())
}

/// A whole name, as an A-label.
fn name(text: &str, whole: &str) -> Result<String, PatternError> {
    let error = |advice: &str| Err(PatternError::new(format!("`{whole}` is no host: {advice}")));
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.contains('*') {
        return error("a `*` stands only at the beginning: write `*.b` or `*b`");
    }
    let ascii = if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        match idna::domain_to_ascii(text) {
            Ok(ascii) => ascii,
            Err(_) => return error("its letters make no domain name"),
        }
    };
    match crate::canonical::Authority::parse(ascii.as_bytes()) {
        Ok(authority) => Ok(authority.host().to_owned()),
        Err(why) => error(&why.to_string()),
    }
}

/// The end of a name: any bytes a name may have.
fn suffix_of(text: &str, whole: &str) -> Result<String, PatternError> {
    let lower = text.to_ascii_lowercase();
    let lawful = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if lower.is_empty() || !lower.bytes().all(lawful) || lower.ends_with('.') {
        return Err(PatternError::new(format!(
            "`{whole}` is no host: write `*.b` for the names below `b`, or `*b` for all that end so"
        )));
    }
    Ok(lower)
}

/// `[2001:db8::1]`.
fn literal(text: &str) -> Result<HostPattern, PatternError> {
    match crate::canonical::Authority::parse(text.as_bytes()) {
        Ok(authority) => Ok(HostPattern::Exact(authority.host().into())),
        Err(why) => Err(PatternError::new(format!("`{text}` is no host: {why}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, host: &str) -> bool {
        HostPattern::parse(pattern).unwrap().matches(host)
    }

    #[test]
    fn a_wildcard_needs_a_label_and_a_suffix_does_not() {
        assert!(matches("*.cnn.com", "edition.cnn.com") && matches("*.cnn.com", "a.b.cnn.com"));
        assert!(!matches("*.cnn.com", "cnn.com") && !matches("*.cnn.com", "evilcnn.com"));
        assert!(matches("*cnn.com", "cnn.com") && matches("*cnn.com", "evilcnn.com"));
        assert!(matches("*", "[::1]"));
    }

    #[test]
    fn a_dot_is_a_dot() {
        assert!(matches("a.b", "a.b") && !matches("a.b", "axb"));
    }

    #[test]
    fn patterns_take_the_form_of_canonical_hosts() {
        assert!(matches("EDITION.cnn.com.", "edition.cnn.com"));
        assert!(matches("bücher.example", "xn--bcher-kva.example"));
        assert!(matches("[2001:DB8:0::1]", "[2001:db8::1]"));
        assert!(matches("192.0.2.1", "192.0.2.1"));
    }

    #[test]
    fn says_what_to_write_instead() {
        for (text, advice) in [
            ("https://cnn.com/x", "write `cnn.com`"),
            ("cnn.com/x", "write `cnn.com`"),
            ("cnn.com:443", "write `cnn.com`"),
            ("a.*.b", "write `*.b`"),
            ("*a*b", "write `*.b`"),
            ("*.", "no host"),
            ("a..b", "no host"),
            ("", "no host"),
            ("-a.b", "no host"),
            ("0x7f000001", "no host"),
        ] {
            let error = HostPattern::parse(text).unwrap_err();
            assert!(error.message().contains(advice), "{text}: {error}");
        }
    }
}
