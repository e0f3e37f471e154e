//! The method of a request: rule M12.
//!
//! Method names are case-sensitive (RFC 9110, section 9.1) and are never folded:
//! a spelling that some origin would fold is refused instead.

use super::malformed::Malformed;
use std::fmt;

/// The longest method name, in bytes.
const MAX_METHOD: usize = 32;

/// A method that may be proxied, were a rule to allow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method<'a> {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
    /// OPTIONS
    Options,
    /// Any other lawful name, such as `PROPFIND`.
    Other(OtherMethod<'a>),
}

/// The name of a method without a variant of its own; made only by
/// [`Method::parse`], so that one method has one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OtherMethod<'a>(&'a str);

impl<'a> Method<'a> {
    /// Reads the method of a request line or of `:method`.
    ///
    /// # Errors
    /// A name that is not `[A-Z][A-Z-]{0,31}`; CONNECT, TRACE and TRACK.
    pub fn parse(raw: &'a [u8]) -> Result<Method<'a>, Malformed> {
        match raw {
            b"GET" => Ok(Method::Get),
            b"HEAD" => Ok(Method::Head),
            b"POST" => Ok(Method::Post),
            b"PUT" => Ok(Method::Put),
            b"PATCH" => Ok(Method::Patch),
            b"DELETE" => Ok(Method::Delete),
            b"OPTIONS" => Ok(Method::Options),
            // A tunnel to anywhere; an echo of headers the client may not see.
            b"CONNECT" | b"TRACE" | b"TRACK" => Err(Malformed::MethodRefused),
            _ => lawful_name(raw).map(|name| Method::Other(OtherMethod(name))),
        }
    }

    /// The name as it stood in the request.
    pub fn as_str(&self) -> &'a str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
            Method::Other(OtherMethod(name)) => name,
        }
    }
}

impl fmt::Display for Method<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name of the shape that methods have, whether or not it may be proxied.
pub(super) fn lawful_name(raw: &[u8]) -> Result<&str, Malformed> {
    let lawful = raw.len() <= MAX_METHOD
        && raw.first().is_some_and(u8::is_ascii_uppercase)
        && raw
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || *byte == b'-');
    if !lawful {
        return Err(Malformed::MethodToken);
    }
    std::str::from_utf8(raw).map_err(|_| Malformed::MethodToken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_methods_of_rfc_9110_and_patch() {
        for name in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let method = Method::parse(name.as_bytes());
            assert_eq!(method.map(|method| method.as_str()), Ok(name));
            assert!(!matches!(method, Ok(Method::Other(_))), "{name}");
        }
    }

    #[test]
    fn takes_any_other_name_of_upper_case_letters_and_hyphens() {
        for name in ["PROPFIND", "M-SEARCH", "A", "A-", &"Z".repeat(32)] {
            let method = Method::parse(name.as_bytes());
            assert_eq!(method.map(|method| method.to_string()), Ok(name.to_owned()));
            assert!(matches!(method, Ok(Method::Other(_))), "{name}");
        }
    }

    #[test]
    fn refuses_a_name_that_is_no_method() {
        for name in [
            "",
            "get",
            "Get",
            "-GET",
            "GET1",
            "GE T",
            "GET\0",
            "G\u{c9}T",
            &"Z".repeat(33),
        ] {
            assert_eq!(
                Method::parse(name.as_bytes()),
                Err(Malformed::MethodToken),
                "{name}"
            );
        }
        assert_eq!(Method::parse(b"GET\xff"), Err(Malformed::MethodToken));
    }

    #[test]
    fn never_proxies_tunnels_and_echoes() {
        for name in ["CONNECT", "TRACE", "TRACK"] {
            assert_eq!(
                Method::parse(name.as_bytes()),
                Err(Malformed::MethodRefused),
                "{name}"
            );
        }
        assert_eq!(
            Method::parse(b"CONNECT").map_err(Malformed::status),
            Err(405)
        );
    }
}
