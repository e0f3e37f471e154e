//! Remote lists: entries that stand at a URL.
//!
//! What a list server answered is an input of compilation as files are. Nothing
//! is fetched here: a snapshot says which lists it wants, the gateway fetches
//! them, and a list whose content is not known is `Unknown`, never empty.
//!
//! Two numbers govern a list: it is asked for every `refresh`, and what it last
//! said is believed for `ttl` (Mixer's word), however long its server is silent.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use policy::canonical::Authority;
use policy::destination::{
    Reach, TlsPolicy, Upstream, UpstreamHost, UpstreamProtocol, UpstreamTls,
};
use policy::origin::Origin;

use crate::file::SourceFile;
use crate::node::{Node, Scalar, Value};
use crate::report::Report;
use crate::yaml;

/// Entries of one list. A list server must not make us compile without end.
const MAX_ENTRIES: usize = 100_000;
/// How often a list is asked for without a word.
pub(crate) const REFRESH: Duration = Duration::from_secs(60);
/// How long content is believed without a word.
pub(crate) const TTL: Duration = Duration::from_secs(24 * 3600);
/// The key of Mixer's lists of addresses.
const WHITELIST: &str = "whitelist";
/// How places within fetched content begin, which no file of YAML does.
const PLACE: &str = "list `";

/// A list and where it is to be fetched.
#[derive(Clone, Debug)]
pub struct RemoteList {
    /// In records, messages and metrics; the URL may hold a secret.
    pub name: Arc<str>,
    /// Host and port, as the request names them.
    pub authority: Box<str>,
    /// Path and query.
    pub target: Box<str>,
    /// Its server: an external server as any other.
    pub upstream: Upstream,
    /// It is asked for this often.
    pub refresh: Duration,
    /// Content that was last confirmed longer ago is not believed.
    pub ttl: Duration,
    /// What stands in for content that is not known.
    pub on_error: OnError,
}

/// Which way decisions fall that ask a list nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnError {
    /// Whatever asks the list is refused.
    #[default]
    Deny,
    /// The operator would rather let it go on.
    Allow,
}

/// What was fetched, by [`RemoteList::source`].
pub type KnownLists = BTreeMap<String, Arc<str>>;

/// What a list holds.
#[derive(Debug)]
pub(crate) enum Content {
    /// These entries, be there none.
    Entries(Vec<Node>),
    /// Nobody knows: it was never fetched, or too long ago.
    Unknown(OnError),
}

impl RemoteList {
    /// The list at `url`, of which everything else is as without a word.
    ///
    /// # Errors
    /// When it is no URL of a list, with what to write instead.
    pub(crate) fn at(
        url: &str,
        name: &str,
        reach: Reach,
        connect_timeout: Duration,
        origin: &Origin,
    ) -> Result<Self, UrlError> {
        let Url {
            tls,
            authority,
            target,
        } = Url::parse(url)?;
        let canonical = Authority::parse(authority.as_bytes()).map_err(|_| UrlError)?;
        let (tls, port) = match tls {
            true => (UpstreamTls::On(TlsPolicy::default()), 443),
            false => (UpstreamTls::Off, 80),
        };
        Ok(Self {
            name: name.into(),
            authority: match canonical.port() {
                Some(other) if other != port => format!("{}:{other}", canonical.host()).into(),
                Some(_) | None => canonical.host().into(),
            },
            target,
            upstream: Upstream {
                host: UpstreamHost::Named(canonical.host().into()),
                port: canonical.port().unwrap_or(port),
                addresses: Vec::new(),
                tls,
                protocol: UpstreamProtocol::Http1,
                reach,
                connect_timeout,
                idle_timeout: Duration::ZERO,
                bounds: Default::default(),
                outlier: None,
                via: None,
                origin: Arc::new(origin.clone()),
            },
            refresh: REFRESH,
            ttl: TTL,
            on_error: OnError::default(),
        })
    }

    /// Whether it is fetched without TLS.
    pub(crate) fn is_plain_text(&self) -> bool {
        self.upstream.tls == UpstreamTls::Off
    }

    /// All that content depends on: content fetched from elsewhere, or from
    /// there by another trust, is not this list's, whatever its name. Not to be
    /// shown: it holds the URL.
    #[must_use]
    pub fn source(&self) -> String {
        let Self {
            name,
            authority,
            target,
            upstream,
            ..
        } = self;
        let Upstream {
            host,
            port,
            addresses,
            tls,
            reach,
            ..
        } = upstream;
        format!("{name} {authority}{target} {host:?}:{port} {addresses:?} {tls:?} {reach:?}")
    }

    /// What stands in the place of a file name where content is spoken of.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{PLACE}{}`", self.name)
    }

    /// The entries of the list, by what is known of all lists. That nothing is
    /// known is said where the list was written.
    pub(crate) fn content(&self, known: &KnownLists, report: &Report) -> Content {
        if let Some(text) = known.get(&self.source()) {
            return Content::Entries(entries(&self.place(), text, report));
        }
        let falls = match self.on_error {
            OnError::Deny => "refused",
            OnError::Allow => "let go on, by `onError: allow`",
        };
        let name = &self.name;
        let message =
            format!("the content of list `{name}` is not known: what depends on it is {falls}");
        report.warning(&self.upstream.origin, message);
        Content::Unknown(self.on_error)
    }
}

/// Whether a place is within fetched content.
pub(crate) fn is_fetched(origin: &Origin) -> bool {
    origin.file.starts_with(PLACE)
}

/// Whether an entry names nothing in particular, whatever it is asked for: a
/// host, a path, a caller.
pub(crate) fn is_boundless(entry: &str) -> bool {
    if matches!(entry, "any" | "anonymous") {
        return true;
    }
    if let Some(range) = entry.strip_prefix("ip:") {
        return range.ends_with("/0");
    }
    let kinds = ["ns:", "sa:", "td:", "name:", "spiffe://"];
    let name = kinds.iter().find_map(|kind| entry.strip_prefix(kind));
    let name = name.unwrap_or(entry);
    // `cluster.local/ns/…/sa/…` is how a workload is written.
    let is_filler =
        |part: &str| matches!(part, "" | "ns" | "sa") || part.bytes().all(|b| b == b'*');
    name.contains('*') && name.split('/').all(is_filler)
}

/// One entry a line; empty lines and those that begin with `#` are none. Or
/// YAML, as Mixer's lists of addresses are: `whitelist: [192.0.2.1]`.
fn entries(place: &str, text: &str, report: &Report) -> Vec<Node> {
    let file: Arc<str> = place.into();
    let mut entries = Vec::new();
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let entry = line.trim();
        if entry.is_empty() || entry.starts_with('#') {
            continue;
        }
        if entries.is_empty() && entry.split(':').next() == Some(WHITELIST) {
            return whitelist(place, text, report);
        }
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        let column = u32::try_from(indent).unwrap_or(u32::MAX).saturating_add(1);
        let origin = Origin::new(Arc::clone(&file), number, column);
        if entries.len() >= MAX_ENTRIES {
            let message = format!("the list has more than {MAX_ENTRIES} entries: divide it");
            report.error(&origin, message);
            return entries;
        }
        entries.push(Node {
            origin,
            value: Value::Scalar(Scalar {
                text: entry.into(),
                verbatim: Some(column),
            }),
        });
    }
    entries
}

fn whitelist(place: &str, text: &str, report: &Report) -> Vec<Node> {
    let documents = yaml::documents(&SourceFile::new(place, text), report);
    let listed = documents.into_iter().filter_map(|root| match root.value {
        Value::Map(entries) => entries.into_iter().find(|e| &*e.key == WHITELIST),
        Value::Nothing | Value::Scalar(_) | Value::List(_) => None,
    });
    let mut all = Vec::new();
    for entry in listed {
        match entry.node.value {
            Value::List(nodes) => all.extend(nodes),
            Value::Nothing | Value::Scalar(_) | Value::Map(_) => {
                let message = format!(
                    "found {} where a list belongs: write `whitelist: [192.0.2.1]`",
                    entry.node.kind()
                );
                report.error(&entry.node.origin, message);
            }
        }
    }
    all.truncate(MAX_ENTRIES);
    // An entry that is a map would be read as operators' own words, `list` and
    // `regex` among them: a list server has no say in those.
    all.retain(|node| {
        let single = matches!(node.value, Value::Scalar(_));
        if !single {
            let message = format!("found {} where a single value belongs", node.kind());
            report.error(&node.origin, message);
        }
        single
    });
    all
}

/// A text that is no URL of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UrlError;

impl fmt::Display for UrlError {
    /// Does not repeat the text: it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "no URL of a list: write such as `https://lists.example/topics.txt`, \
             without user, password or fragment",
        )
    }
}

/// The parts of a URL (RFC 3986).
#[derive(Debug, PartialEq, Eq)]
struct Url<'a> {
    tls: bool,
    authority: &'a str,
    target: Box<str>,
}

impl<'a> Url<'a> {
    fn parse(text: &'a str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError)?;
        let tls = match &*scheme.to_ascii_lowercase() {
            "https" => true,
            "http" => false,
            _ => return Err(UrlError),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).ok_or(UrlError)?;
        let plain = target.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        if authority.is_empty() || authority.contains(['@', '*']) || !plain {
            return Err(UrlError);
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self {
            tls,
            authority,
            target: format!("{slash}{target}").into(),
        })
    }
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;
