//! The types and values of the expression language (Mixer's value types).
//!
//! There is no conversion between types: what does not fit is refused when the
//! expression is compiled.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use super::Attribute;

/// The static type of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// Text, compared byte by byte.
    String,
    /// A signed 64-bit integer.
    Int64,
    /// A 64-bit floating-point number.
    Double,
    /// True or false.
    Bool,
    /// A point in time.
    Timestamp,
    /// A length of time.
    Duration,
    /// An IPv4 or IPv6 address.
    IpAddress,
    /// A DNS name, compared without regard to case.
    DnsName,
    /// An e-mail address, its domain compared as a DNS name.
    Email,
    /// A URI, its scheme and HTTP host compared without regard to case.
    Uri,
    /// A map of strings to strings, such as the request's headers.
    StringMap,
}

impl Type {
    /// A text that denotes a value of this type, for error messages.
    pub(super) fn example(self) -> &'static str {
        match self {
            Self::String | Self::StringMap => "text",
            Self::Int64 => "42",
            Self::Double => "4.2",
            Self::Bool => "true",
            Self::Timestamp => "2018-01-02T15:04:05Z",
            Self::Duration => "1m30s",
            Self::IpAddress => "192.0.2.1",
            Self::DnsName => "www.example.com",
            Self::Email => "someone@example.com",
            Self::Uri => "https://www.example.com/path",
        }
    }

    /// How a value of this type is made from a string, where one can be.
    pub(super) fn constructor(self) -> Option<&'static str> {
        match self {
            Self::Timestamp => Some("timestamp(\"…\")"),
            Self::Duration => Some("duration(\"…\")"),
            Self::IpAddress => Some("ip(\"…\")"),
            Self::DnsName => Some("dnsName(\"…\")"),
            Self::Email => Some("email(\"…\")"),
            Self::Uri => Some("uri(\"…\")"),
            _ => None,
        }
    }

    /// Whether `<` and its kin order values of this type.
    pub(super) fn is_ordered(self) -> bool {
        matches!(
            self,
            Self::String | Self::Int64 | Self::Double | Self::Timestamp | Self::Duration
        )
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::String => "STRING",
            Self::Int64 => "INT64",
            Self::Double => "DOUBLE",
            Self::Bool => "BOOL",
            Self::Timestamp => "TIMESTAMP",
            Self::Duration => "DURATION",
            Self::IpAddress => "IP_ADDRESS",
            Self::DnsName => "DNS_NAME",
            Self::Email => "EMAIL_ADDRESS",
            Self::Uri => "URI",
            Self::StringMap => "STRING_MAP",
        })
    }
}

/// A value, of an attribute or of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Text.
    String(Cow<'a, str>),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Double(f64),
    /// True or false.
    Bool(bool),
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    Timestamp(i128),
    /// Nanoseconds.
    Duration(i64),
    /// An address.
    Ip(IpAddr),
    /// A DNS name in lower case, as A-labels, without a final dot.
    DnsName(Cow<'a, str>),
    /// An e-mail address with its domain as in [`Value::DnsName`].
    Email(Cow<'a, str>),
    /// A URI with its scheme, and the host of HTTP, in lower case.
    Uri(Cow<'a, str>),
    /// A map of strings, whose entries are asked for one by one.
    Map(Map),
}

/// Which map of strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Map {
    /// The map that this attribute is.
    Of(Attribute),
    /// A map without entries (`emptyStringMap()`).
    Empty,
}

impl Value<'_> {
    /// The type of this value.
    pub fn ty(&self) -> Type {
        match self {
            Self::String(_) => Type::String,
            Self::Int(_) => Type::Int64,
            Self::Double(_) => Type::Double,
            Self::Bool(_) => Type::Bool,
            Self::Timestamp(_) => Type::Timestamp,
            Self::Duration(_) => Type::Duration,
            Self::Ip(_) => Type::IpAddress,
            Self::DnsName(_) => Type::DnsName,
            Self::Email(_) => Type::Email,
            Self::Uri(_) => Type::Uri,
            Self::Map(_) => Type::StringMap,
        }
    }

    /// The same value, borrowing its text.
    pub fn borrowed(&self) -> Value<'_> {
        let lend = |text| Cow::Borrowed(AsRef::<str>::as_ref(text));
        match self {
            Self::String(text) => Value::String(lend(text)),
            Self::DnsName(text) => Value::DnsName(lend(text)),
            Self::Email(text) => Value::Email(lend(text)),
            Self::Uri(text) => Value::Uri(lend(text)),
            Self::Int(number) => Value::Int(*number),
            Self::Double(number) => Value::Double(*number),
            Self::Bool(truth) => Value::Bool(*truth),
            Self::Timestamp(nanos) => Value::Timestamp(*nanos),
            Self::Duration(nanos) => Value::Duration(*nanos),
            Self::Ip(address) => Value::Ip(*address),
            Self::Map(map) => Value::Map(*map),
        }
    }

    /// The same value, owning its text.
    pub fn into_owned(self) -> Value<'static> {
        let keep = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::String(text) => Value::String(keep(text)),
            Self::DnsName(text) => Value::DnsName(keep(text)),
            Self::Email(text) => Value::Email(keep(text)),
            Self::Uri(text) => Value::Uri(keep(text)),
            Self::Int(number) => Value::Int(number),
            Self::Double(number) => Value::Double(number),
            Self::Bool(truth) => Value::Bool(truth),
            Self::Timestamp(nanos) => Value::Timestamp(nanos),
            Self::Duration(nanos) => Value::Duration(nanos),
            Self::Ip(address) => Value::Ip(address),
            Self::Map(map) => Value::Map(map),
        }
    }
}

/// As a text shows it: strings without quotes, times in seconds since 1970,
/// durations in seconds.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SECOND: i128 = 1_000_000_000;
        match self {
            Self::String(text) | Self::DnsName(text) | Self::Email(text) | Self::Uri(text) => {
                f.write_str(text)
            }
            Self::Int(number) => write!(f, "{number}"),
            Self::Double(number) => write!(f, "{number}"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Timestamp(nanos) => write!(f, "{}", nanos / SECOND),
            Self::Duration(nanos) => write!(f, "{}s", i128::from(*nanos) / SECOND),
            Self::Ip(address) => write!(f, "{address}"),
            Self::Map(_) => Ok(()),
        }
    }
}
