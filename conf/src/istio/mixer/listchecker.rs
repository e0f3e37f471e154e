//! `listchecker`: a list, and whether it names what passes or what does not.

use std::borrow::Cow;
use std::time::Duration;

use crate::fields::Fields;
use crate::istio::proto::{choice, duration};
use crate::istio::scope::Scope;
use crate::node::Node;
use crate::remote::{Content, RemoteList};

/// Mixer's own numbers for lists kept elsewhere.
const REFRESH: Duration = Duration::from_secs(60);
const TTL: Duration = Duration::from_secs(300);

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
    pub(super) entries: Cow<'a, [Node]>,
    pub(super) entry_type: EntryType,
    /// Whether what is on the list is refused, and not what is off it.
    pub(super) is_blacklist: bool,
    /// Where it is fetched from, if it is.
    pub(super) remote: Option<Box<RemoteList>>,
    /// Whether nobody knows what is on it. Then whatever is checked by it is
    /// refused.
    pub(super) is_unknown: bool,
}

impl<'a> ListChecker<'a> {
    /// `name` is the handler's, by which messages call the list.
    pub(super) fn read(fields: &Fields<'a>, name: &str, scope: &Scope<'_>) -> Self {
        // How long a proxy may remember an answer: here it is asked each time.
        duration(fields, "cachingInterval");
        fields.number("cachingUseCount", 0..=u64::from(u32::MAX));
        let remote = remote(fields, name, scope);
        if !fields.has("providerUrl") && !fields.has("overrides") {
            let message = "the list has no entries: write them under `overrides`";
            fields.report.error(fields.origin(), message);
        }
        fields.refuse_null(&["blacklist", "overrides", "entryType"]);
        let mut entries = Cow::Borrowed(fields.many("overrides"));
        let mut is_unknown = fields.has("providerUrl");
        if let Some(list) = &remote
            && let Content::Entries(fetched) = list.content(scope.lists, scope.report)
        {
            is_unknown = false;
            entries.to_mut().extend(fetched);
        }
        Self {
            entries,
            remote,
            is_unknown,
            entry_type: choice(fields, "entryType", &ENTRY_TYPES).unwrap_or(EntryType::Strings),
            is_blacklist: fields.truth("blacklist").unwrap_or(false),
        }
    }
}

/// A list kept elsewhere, how often it is fetched, and how long it is believed.
fn remote(fields: &Fields<'_>, name: &str, scope: &Scope<'_>) -> Option<Box<RemoteList>> {
    let some = |time: Duration| Some(time).filter(|time| !time.is_zero());
    let refresh = duration(fields, "refreshInterval").and_then(some);
    let ttl = duration(fields, "ttl").and_then(some);
    let (reach, timeout) = (scope.reach.clone(), scope.connect_timeout);
    let entry = fields.entry("providerUrl")?;
    let list = fields.parsed("providerUrl", |url| {
        RemoteList::at(url, name, reach.clone(), timeout, &entry.origin)
    })?;
    if list.is_plain_text() {
        let message = "this list is fetched in plain text, and whoever is on the way writes it: write `https://`";
        fields.report.warning(&entry.node.origin, message);
    }
    Some(Box::new(RemoteList {
        refresh: refresh.unwrap_or(REFRESH),
        ttl: ttl.unwrap_or(TTL),
        ..list
    }))
}
