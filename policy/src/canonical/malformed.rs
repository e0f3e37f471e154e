//! Every reason for which a request has no canonical form.
//!
//! A closed list: one variant a rule, and for each its status, its code and its
//! words, all in one table. It carries no request data, so that a reason can be
//! counted and logged without repeating what a hostile client wrote.

use std::error::Error;
use std::fmt;

macro_rules! reasons {
    ($($variant:ident $status:literal $code:literal $words:literal)*) => {
        /// Why a request has no canonical form. The request is refused before any
        /// policy is asked, and no destination is ever dialled for it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Malformed {
            $(#[doc = concat!("`", $code, "` (", $status, "): ", $words, ".")] $variant,)*
        }

        impl Malformed {
            /// Every reason, in the order in which the rules are applied.
            pub const ALL: &[Malformed] = &[$(Malformed::$variant,)*];

            /// The reason in snake case: at once log field, metric label and the
            /// word used in documents.
            pub const fn code(self) -> &'static str {
                match self { $(Malformed::$variant => $code,)* }
            }

            /// The HTTP status to answer with: 400, 405 or 414.
            pub const fn status(self) -> u16 {
                match self { $(Malformed::$variant => $status,)* }
            }

            const fn words(self) -> &'static str {
                match self { $(Malformed::$variant => $words,)* }
            }
        }
    };
}

reasons! {
    MethodToken 400 "method_token" "the method is not 1 to 32 upper-case letters and hyphens beginning with a letter"
    MethodRefused 405 "method_refused" "TRACE and TRACK are never proxied, and CONNECT by forward proxies alone"

    HostMissing 400 "host_missing" "the request names no host: send exactly one Host field"
    HostRepeated 400 "host_repeated" "the request names its host more than once: send exactly one Host field"
    HostEmpty 400 "host_empty" "the host is empty"
    HostByte 400 "host_byte" "the host holds a control character, a space or a byte outside ASCII: write international names as A-labels"
    HostDelimiter 400 "host_delimiter" "the host holds one of `@ , % / \\ ? #`: write a name and at most a port"
    HostIpv6 400 "host_ipv6" "the host is not an IPv6 address in brackets: write it as `[2001:db8::1]`"
    HostColon 400 "host_colon" "the host holds more than one colon: write IPv6 addresses in brackets"
    HostLength 400 "host_length" "the host name is empty or longer than 253 characters"
    HostLabel 400 "host_label" "a label of the host name is not 1 to 63 letters, digits, underscores and inner hyphens"
    HostIpv4 400 "host_ipv4" "the host name ends in a number but is not a plain IPv4 address: write four decimal numbers without leading zeros"
    HostPort 400 "host_port" "the port is not a decimal number from 1 to 65535 without leading zeros"

    TargetTooLong 414 "target_too_long" "the request target is longer than 8192 bytes"
    TargetEmpty 400 "target_empty" "the request target is empty"
    TargetByte 400 "target_byte" "the request target holds a control character, a space, a byte outside ASCII, or `\"`, `<` or `>` in its query: percent-encode it"
    TargetFragment 400 "target_fragment" "the request target holds a fragment: `#` is never sent to a server"
    TargetForm 400 "target_form" "the request target is neither a path nor an http or https URL"
    TargetAuthority 400 "target_authority" "the request target names another host or port than the Host field"

    PathByte 400 "path_byte" "the path holds a character that RFC 3986 does not allow there: percent-encode it"
    PathEscape 400 "path_escape" "the path holds a `%` that two hexadecimal digits do not follow"
    PathControl 400 "path_control" "the path holds a percent-encoded control character"
    PathEncodedSlash 400 "path_encoded_slash" "the path holds a percent-encoded slash or backslash, which the destination does not keep"
    PathDoubleEncoding 400 "path_double_encoding" "the path is percent-encoded twice, which the destination does not keep"
    PathUtf8 400 "path_utf8" "the decoded path is not valid UTF-8"
    PathConfusable 400 "path_confusable" "the decoded path holds a Unicode character that some servers read as a dot, a slash, `;` or `%`"
    PathDotSegment 400 "path_dot_segment" "the path holds a `.` or `..` segment: send the resolved path"
    PathEmptySegment 400 "path_empty_segment" "a segment of the path has parameters but no name"
    PathEncodedDotSegment 400 "path_encoded_dot_segment" "the path, once decoded, holds a `.` or `..` segment: send the resolved path"
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl Error for Malformed {}

#[cfg(test)]
mod tests {
    use super::Malformed;
    use std::collections::BTreeSet;

    #[test]
    fn every_reason_has_a_code_of_its_own() {
        let codes: BTreeSet<_> = Malformed::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Malformed::ALL.len());
    }

    #[test]
    fn codes_are_snake_case() {
        for reason in Malformed::ALL {
            let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_');
            assert!(reason.code().chars().all(plain), "{}", reason.code());
        }
    }

    #[test]
    fn only_length_and_refused_methods_are_not_a_bad_request() {
        for reason in Malformed::ALL {
            let expected = match reason {
                Malformed::TargetTooLong => 414,
                Malformed::MethodRefused => 405,
                _ => 400,
            };
            assert_eq!(reason.status(), expected, "{}", reason.code());
        }
    }

    #[test]
    fn words_end_without_a_period() {
        for reason in Malformed::ALL {
            assert!(!reason.to_string().ends_with('.'), "{reason}");
        }
    }
}
