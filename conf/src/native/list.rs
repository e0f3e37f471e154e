//! `lists`: alternatives with a name, used as `{ list: NAME }` wherever
//! alternatives may stand. Written out, or fetched from a URL.

use std::time::Duration;

use policy::destination::UpstreamTls;

use super::addresses::reach;
use super::destination::Defaults;
use super::tls::tls;
use super::upstream::{addresses, refuse_nameless};
use crate::fields::{Fields, positive_duration};
use crate::node::{Entry, Node, Value};
use crate::remote::{Content, KnownLists, OnError, RemoteList};
use crate::report::Report;

/// Oftener than this no server should be asked.
const LEAST_REFRESH: Duration = Duration::from_millis(100);

/// Alternatives with a name.
#[derive(Debug)]
pub(super) struct List<'a> {
    pub(super) name: &'a str,
    pub(super) entries: Entries<'a>,
    /// Where it is fetched from, if it is.
    pub(super) remote: Option<RemoteList>,
}

/// Where entries stand.
#[derive(Debug)]
pub(super) enum Entries<'a> {
    /// In the configuration.
    Written(&'a [Node]),
    /// At a URL.
    Remote(Content),
}

/// Reads all lists; `known` is what was fetched of those with a URL.
pub(super) fn lists<'a>(
    entries: &[&'a Entry],
    defaults: &Defaults,
    known: &KnownLists,
    report: &'a Report,
) -> Vec<List<'a>> {
    let list = |entry: &&'a Entry| match &entry.node.value {
        Value::Map(_) => remote(entry, defaults, known, report),
        Value::List(_) | Value::Nothing | Value::Scalar(_) => written(entry, report),
    };
    entries.iter().map(list).collect()
}

fn written<'a>(Entry { key, origin, node }: &'a Entry, report: &Report) -> List<'a> {
    let entries = match &node.value {
        Value::List(entries) => entries.as_slice(),
        Value::Map(_) | Value::Nothing | Value::Scalar(_) => &[],
    };
    if entries.is_empty() {
        report.error(
            origin,
            format!("`{key}` has no entries: write such as `{key}: [/health, /sport]`"),
        );
    }
    List {
        name: key,
        entries: Entries::Written(entries),
        remote: None,
    }
}

fn remote<'a>(
    entry: &'a Entry,
    defaults: &Defaults,
    known: &KnownLists,
    report: &'a Report,
) -> List<'a> {
    let read = |fields: &Fields<'_>| read(fields, entry, defaults);
    let remote = Fields::read(&entry.node, report, read).flatten();
    let content = match &remote {
        Some(list) => list.content(known, report),
        None => Content::Unknown(OnError::Deny),
    };
    List {
        name: &entry.key,
        entries: Entries::Remote(content),
        remote,
    }
}

/// `{ url, refresh, ttl, onError, tls, addresses, allowAddresses }`.
fn read(fields: &Fields<'_>, named: &Entry, defaults: &Defaults) -> Option<RemoteList> {
    fields.need("url", "https://lists.example/topics.txt");
    let reach = reach(fields, &defaults.reach);
    let list = fields.parsed("url", |url| {
        let timeout = defaults.connect_timeout;
        RemoteList::at(url, &named.key, reach.clone(), timeout, &named.origin)
    });
    let refresh = fields.parsed("refresh", |text| match positive_duration(text)? {
        short if short < LEAST_REFRESH => Err(format!(
            "`{text}` is too often for any server: write at least `100ms`"
        )),
        refresh => Ok(refresh),
    });
    let ttl = fields.duration("ttl");
    if let Some(entry) = fields.entry("maxAge") {
        let message =
            "unknown field `maxAge`: write `ttl`, for how long the last good content is believed";
        fields.report.error(&entry.origin, message);
    }
    let words = [("deny", OnError::Deny), ("allow", OnError::Allow)];
    let on_error = fields.choice("onError", &words).unwrap_or_default();
    let tls = tls(fields);
    let mut list = list?;
    let upstream = &mut list.upstream;
    upstream.addresses = addresses(fields, upstream.port, &upstream.reach);
    match (&upstream.tls, fields.entry("tls")) {
        (UpstreamTls::Off, written) => plain_text(fields, written),
        (UpstreamTls::On(_), Some(entry)) if tls == UpstreamTls::Off => {
            let message = "`tls: off` contradicts the URL: write `http://`, or delete `tls`";
            fields.report.error(&entry.origin, message);
        }
        (UpstreamTls::On(_), _) => upstream.tls = tls,
    }
    refuse_nameless(upstream, fields.report);
    let ttl = ttl.unwrap_or(list.ttl);
    let refresh = refresh.unwrap_or(list.refresh.min(ttl));
    if ttl < refresh {
        let entry = fields.entry("ttl").or(fields.entry("refresh"));
        let origin = entry.map_or(fields.origin(), |entry| &entry.origin);
        let message = "the content would be given up before it is asked for again: write a `ttl` of several times `refresh`";
        fields.report.error(origin, message);
    }
    Some(RemoteList {
        refresh,
        ttl,
        on_error,
        ..list
    })
}

/// The operator may want it so, within his own network.
fn plain_text(fields: &Fields<'_>, tls: Option<&Entry>) {
    if let Some(entry) = tls {
        let message = "`tls` has no effect on an `http://` URL: write `https://`, or delete it";
        fields.report.error(&entry.origin, message);
    }
    if let Some(url) = fields.take("url") {
        let message = "this list is fetched in plain text, and whoever is on the way writes it: write `https://`";
        fields.report.warning(&url.origin, message);
    }
}
