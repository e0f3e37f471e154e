//! `listchecker`: a list, and whether it names what passes or what does not.

use crate::fields::Fields;
use crate::istio::proto::{choice, duration};
use crate::node::Node;

/// How entries are compared with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryType {
    Strings,
    AnyCase,
    Addresses,
    Regex,
}

const ENTRY_TYPES: [(&str, u8, EntryType); 4] = [
    ("STRINGS", 0, EntryType::Strings),
    ("CASE_INSENSITIVE_STRINGS", 1, EntryType::AnyCase),
    ("IP_ADDRESSES", 2, EntryType::Addresses),
    ("REGEX", 3, EntryType::Regex),
];

/// The list.
#[derive(Clone, Debug)]
pub(super) struct ListChecker<'a> {
    pub(super) entries: &'a [Node],
    pub(super) entry_type: EntryType,
    /// Whether what is on the list is refused, and not what is off it.
    pub(super) is_blacklist: bool,
}

impl<'a> ListChecker<'a> {
    pub(super) fn read(fields: &Fields<'a>) -> Self {
        // How long a proxy may remember an answer: here it is asked each time.
        duration(fields, "cachingInterval");
        fields.number("cachingUseCount", 0..=u64::from(u32::MAX));
        let is_remote = refuse_remote(fields);
        if !is_remote && !fields.has("overrides") {
            let message = "the list has no entries: write them under `overrides`";
            fields.report.error(fields.origin(), message);
        }
        Self {
            entries: fields.many("overrides"),
            entry_type: choice(fields, "entryType", &ENTRY_TYPES).unwrap_or(EntryType::Strings),
            is_blacklist: fields.truth("blacklist").unwrap_or(false),
        }
    }
}

/// A list kept elsewhere, and how often it is fetched.
fn refuse_remote(fields: &Fields<'_>) -> bool {
    duration(fields, "refreshInterval");
    duration(fields, "ttl");
    fields.not_yet("providerUrl", "write the entries under `overrides`");
    fields.has("providerUrl")
}
