//! A set of methods as a matcher holds it.
//!
//! Built once from configuration; asked on every request, where a known method
//! is one bit and only an unusual one is compared by name.

use super::method::{Method, lawful_name};
use std::error::Error;
use std::fmt;

/// A set of methods. The empty set contains no method.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MethodSet {
    known: u8,
    others: Vec<Box<str>>,
}

impl MethodSet {
    /// Reads method names from configuration. Names that are never proxied
    /// (`CONNECT`, `TRACE`, `TRACK`) may stand in a set, as they do in Istio's
    /// DENY rules, and contain no request.
    ///
    /// # Errors
    /// The first name that no request can have, such as `get`, which would
    /// otherwise make a DENY rule that never denies.
    pub fn parse<S: AsRef<str>>(
        names: impl IntoIterator<Item = S>,
    ) -> Result<MethodSet, InvalidMethod> {
        let mut set = MethodSet::default();
        for name in names {
            set.insert(name.as_ref())?;
        }
        Ok(set)
    }

    fn insert(&mut self, name: &str) -> Result<(), InvalidMethod> {
        let invalid = |_| InvalidMethod {
            name: name.to_owned(),
        };
        let name = lawful_name(name.as_bytes()).map_err(invalid)?;
        match Method::parse(name.as_bytes()) {
            Ok(method) if bit(&method) != 0 => self.known |= bit(&method),
            _ if self.has_other(name) => {}
            _ => self.others.push(name.into()),
        }
        Ok(())
    }

    /// Whether the set contains `method`.
    pub fn contains(&self, method: &Method<'_>) -> bool {
        match method {
            Method::Other(_) => self.has_other(method.as_str()),
            known => self.known & bit(known) != 0,
        }
    }

    /// Its names, those of common methods first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let known = KNOWN
            .iter()
            .filter(|method| self.known & bit(method) != 0)
            .map(Method::as_str);
        known.chain(self.others.iter().map(|name| &**name))
    }

    fn has_other(&self, name: &str) -> bool {
        self.others.iter().any(|other| **other == *name)
    }
}

const KNOWN: [Method<'static>; 7] = [
    Method::Get,
    Method::Head,
    Method::Post,
    Method::Put,
    Method::Patch,
    Method::Delete,
    Method::Options,
];

/// The bit of a method with a variant of its own, zero for any other.
const fn bit(method: &Method<'_>) -> u8 {
    match method {
        Method::Get => 1,
        Method::Head => 1 << 1,
        Method::Post => 1 << 2,
        Method::Put => 1 << 3,
        Method::Patch => 1 << 4,
        Method::Delete => 1 << 5,
        Method::Options => 1 << 6,
        Method::Other(_) => 0,
    }
}

/// A name in configuration that no request can have as its method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidMethod {
    name: String,
}

impl fmt::Display for InvalidMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InvalidMethod { name } = self;
        let upper = name.to_ascii_uppercase();
        match lawful_name(upper.as_bytes()) {
            Ok(meant) => write!(f, "`{name}` is no method: write `{meant}`"),
            Err(_) => write!(
                f,
                "`{name}` is no method: write up to 32 upper-case letters and hyphens, such as `GET`"
            ),
        }
    }
}

impl Error for InvalidMethod {}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(names: &[&str], method: &str) -> bool {
        let set = MethodSet::parse(names).unwrap();
        set.contains(&Method::parse(method.as_bytes()).unwrap())
    }

    #[test]
    fn contains_what_was_written_and_nothing_else() {
        let every = [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "MKCOL",
        ];
        for written in every {
            for asked in every {
                assert_eq!(
                    contains(&[written], asked),
                    written == asked,
                    "{written} {asked}"
                );
            }
        }
    }

    #[test]
    fn holds_known_and_other_methods_together() {
        assert!(contains(&["GET", "PROPFIND"], "GET"));
        assert!(contains(&["GET", "PROPFIND"], "PROPFIND"));
        assert!(!contains(&["GET", "PROPFIND"], "POST"));
    }

    #[test]
    fn names_make_the_same_set_again() {
        let names = ["PURGE", "OPTIONS", "GET", "MKCOL"];
        let set = MethodSet::parse(names).unwrap();
        assert_eq!(
            set.names().collect::<Vec<_>>(),
            ["GET", "OPTIONS", "PURGE", "MKCOL"]
        );
        assert_eq!(MethodSet::parse(set.names()).unwrap(), set);
    }

    #[test]
    fn the_empty_set_contains_nothing() {
        assert!(!contains(&[], "GET"));
        assert!(!contains(&[], "PROPFIND"));
    }

    #[test]
    fn a_name_written_twice_counts_once() {
        let once = MethodSet::parse(["GET", "MKCOL"]);
        assert_eq!(MethodSet::parse(["GET", "MKCOL", "MKCOL", "GET"]), once);
    }

    #[test]
    fn methods_that_are_never_proxied_load_from_istio_rules() {
        assert!(MethodSet::parse(["TRACE", "CONNECT", "TRACK"]).is_ok());
    }

    #[test]
    fn says_what_to_write_instead_of_a_name_no_request_can_have() {
        let message = |name| MethodSet::parse([name]).map_err(|error| error.to_string());
        assert_eq!(
            message("get"),
            Err("`get` is no method: write `GET`".to_owned())
        );
        for name in ["", "*", "GE*", "GET POST"] {
            let expected = format!(
                "`{name}` is no method: write up to 32 upper-case letters and hyphens, such as `GET`"
            );
            assert_eq!(message(name), Err(expected));
        }
    }
}
