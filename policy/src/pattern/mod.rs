//! Patterns over hosts, paths and values, and the indexes that find which of
//! many patterns match at a cost that does not grow with their number.
//!
//! A literal stays a literal: nothing here becomes a regular expression unless
//! it was written as one (CVE-2026-39350 was an unescaped dot). A regular
//! expression is RE2 and always matches a whole text. This module knows no
//! rules, routes or effects; its patterns carry plain numbers.

mod automaton;
mod error;
mod hits;
mod host;
mod host_map;
mod host_name;
mod index;
mod matcher;
mod path;
mod pool;
mod re2;
mod remembering;
mod spelling;
mod table;
mod template;
mod value;

pub use error::PatternError;
pub use hits::Hits;
pub use host::HostPattern;
pub use host_map::HostMap;
pub(crate) use host_name::is_address;
pub use index::PathIndex;
pub use matcher::Matcher;
pub use path::PathPattern;
pub use pool::{RegexLimits, RegexPool};
pub use re2::{Lowered, Re2};
pub use template::PathTemplate;
pub use value::ValuePattern;

/// How letters are compared, and which way a doubt is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Case {
    /// Byte for byte: for what permits. In doubt there is no hit.
    Sensitive,
    /// ASCII letters of either case are equal, `.` matches every character, and
    /// a text with escapes is also met without them, as views show it: for what
    /// denies. Every sensitive hit is also a folded one; in doubt there is a hit.
    Folded,
}
