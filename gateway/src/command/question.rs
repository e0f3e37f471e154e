//! A request as a person writes it: `--as sa:default/sleep GET http://host/path`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{SystemTime, UNIX_EPOCH};

use conf::snapshot::Settings;
use policy::principal::Principal;
use policy::source::Caller;
use policy::{Admission, Headers, RawRequest};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Question {
    caller: Caller,
    method: String,
    authority: String,
    target: String,
    headers: Fields,
    port: u16,
}

/// Why a question makes no sense.
#[derive(Debug)]
pub(super) struct QuestionError(String);

impl fmt::Display for QuestionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who is meant by `sa:NAMESPACE/NAME`, a SPIFFE id, Istio's spelling, or
/// `anonymous`.
pub(super) fn principal(
    text: &str,
    settings: &Settings,
) -> Result<Option<Principal>, QuestionError> {
    if text == "anonymous" {
        return Ok(None);
    }
    let domain = settings
        .trust
        .first()
        .map_or("cluster.local", |t| &*t.domain);
    let name = match text.strip_prefix("sa:").and_then(|sa| sa.split_once('/')) {
        Some((namespace, account)) => format!("{domain}/ns/{namespace}/sa/{account}"),
        None => text.strip_prefix("spiffe://").unwrap_or(text).to_owned(),
    };
    let principal = Principal::from_name(&name).map_err(|error| {
        QuestionError(format!(
            "`{text}` is no caller: {error}; write `sa:NAMESPACE/NAME`, `spiffe://…` or `anonymous`"
        ))
    })?;
    Ok(Some(principal))
}

impl Question {
    /// Puts a question together. `header` lines are `name: value`.
    pub(super) fn new(
        admission: &Admission,
        settings: &Settings,
        who: &str,
        method: &str,
        url: &str,
        headers: &[String],
    ) -> Result<Self, QuestionError> {
        let (authority, target) = split_url(url)?;
        let principal = principal(who, settings)?;
        Ok(Self {
            caller: admission.caller(principal, IpAddr::V4(Ipv4Addr::LOCALHOST)),
            method: method.to_owned(),
            authority: authority.to_owned(),
            target,
            headers: Fields::parse(headers)?,
            port: settings.listeners.first().map_or(443, |l| l.port),
        })
    }

    /// The question as the policy takes it.
    pub(super) fn raw(&self) -> RawRequest<'_> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        RawRequest {
            method: self.method.as_bytes(),
            authority: self.authority.as_bytes(),
            target: self.target.as_bytes(),
            headers: &self.headers,
            caller: &self.caller,
            server_name: None,
            port: self.port,
            time: i128::try_from(now.as_nanos()).unwrap_or(0),
        }
    }
}

/// `http://host:port/path?query` or `host/path`; the rest is judged as sent.
fn split_url(url: &str) -> Result<(&str, String), QuestionError> {
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme))
        .unwrap_or(url);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if authority.is_empty() {
        return Err(QuestionError(format!(
            "`{url}` names no host: write `http://host/path`"
        )));
    }
    let target = if target.starts_with('/') {
        target.to_owned()
    } else {
        format!("/{target}")
    };
    Ok((authority, target))
}

#[derive(Clone, Debug)]
struct Fields(Vec<(String, String)>);

impl Fields {
    fn parse(lines: &[String]) -> Result<Self, QuestionError> {
        lines
            .iter()
            .map(|line| {
                let (name, value) = line.split_once(':').ok_or_else(|| {
                    QuestionError(format!("`{line}` is no header: write `name: value`"))
                })?;
                Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Headers for Fields {
    fn value(&self, name: &str, index: usize) -> Option<&[u8]> {
        let mut values = self.0.iter().filter(|(field, _)| field == name);
        values.nth(index).map(|(_, value)| value.as_bytes())
    }
}
