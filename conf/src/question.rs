//! A request as a person writes it: who asks, `GET http://host/path`, and the
//! headers. Kept as it is written, so that a question can hold an attack.

mod tunnel;

use std::net::{IpAddr, Ipv4Addr};

use policy::door::View;
use policy::principal::Principal;
use policy::request::nominates;
use policy::source::Caller;
use policy::{Headers, RawRequest};

use crate::snapshot::{Listener, Settings};
use crate::spelling::listed;

pub(crate) use tunnel::Wanted;
pub use tunnel::{Meant, TunnelQuestion};

/// Whence a question comes that does not say.
pub(crate) const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The port that is meant where no listener says.
const HTTPS: u16 = 443;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who asks; `None`: nobody verified.
    pub principal: Option<Principal>,
    /// Where the connection comes from.
    pub address: IpAddr,
    /// As on the wire.
    pub method: Box<str>,
    /// Host and port, as on the wire.
    pub authority: Box<str>,
    /// Path and query, as on the wire.
    pub target: Box<str>,
    /// Name in lower case, and value.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// The server name of the TLS connection.
    pub server_name: Option<Box<str>>,
    /// The name of the listener it comes in by; `None`: the first.
    pub listener: Option<Box<str>>,
}

impl Question {
    /// Puts a question together. `who` is `sa:NAMESPACE/NAME` (of
    /// `trust_domain`), a SPIFFE id or `anonymous`; headers are `name: value`.
    ///
    /// # Errors
    /// What cannot be read, and what to write instead.
    pub fn ask(
        who: &str,
        method: &str,
        url: &str,
        headers: &[String],
        trust_domain: &str,
    ) -> Result<Self, String> {
        let text = format!("{method} {url}");
        let (method, authority, target) = request(&text)?;
        let header = |line: &String| {
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| format!("`{line}` is no header: write `name: value`"))?;
            let name = name.trim().to_ascii_lowercase();
            Ok::<_, String>((name.into(), value.trim().into()))
        };
        Ok(Self {
            principal: caller(who, trust_domain)?,
            address: NOWHERE,
            method: method.into(),
            authority: authority.into(),
            target: target.into(),
            headers: headers.iter().map(header).collect::<Result<_, _>>()?,
            server_name: None,
            listener: None,
        })
    }

    /// The listener it comes in by; none where there is no listener at all.
    ///
    /// # Errors
    /// When no listener has the name, and which there are; when the listener
    /// could not know who asks.
    pub fn listener<'s>(&self, settings: &'s Settings) -> Result<Option<&'s Listener>, String> {
        let listener = self.named(settings)?;
        match (listener, &self.principal) {
            (Some(open), Some(principal)) if !open.knows_callers() => Err(format!(
                "the listener `{}` verifies nobody, so none of its callers is `{}`: \
                 ask as `anonymous`, or by a listener that speaks mutual TLS",
                open.name,
                principal.as_str()
            )),
            _ => Ok(listener),
        }
    }

    fn named<'s>(&self, settings: &'s Settings) -> Result<Option<&'s Listener>, String> {
        let mut all = settings.listeners.iter();
        let Some(name) = &self.listener else {
            return Ok(all.next());
        };
        let found = all.find(|listener| *listener.name == **name);
        found.map(Some).ok_or_else(|| {
            let names = settings.listeners.iter().map(|listener| &*listener.name);
            format!("there is no listener `{name}`: write {}", listed(names))
        })
    }

    /// The question as policy takes it; by a listener that there is not, it comes
    /// in as by none. `time` is in nanoseconds since 1970.
    #[must_use]
    pub fn raw<'a>(
        &'a self,
        caller: &'a Caller,
        settings: &Settings,
        time: i128,
    ) -> RawRequest<'a> {
        let listener = self.named(settings).unwrap_or_default();
        RawRequest {
            method: self.method.as_bytes(),
            authority: self.authority.as_bytes(),
            target: self.target.as_bytes(),
            headers: self,
            caller,
            server_name: self.server_name.as_deref(),
            view: listener.map_or(View::Gateway, |l| l.view),
            port: listener.map_or(HTTPS, Listener::unnamed_port),
            time,
        }
    }
}

impl Headers for Question {
    fn value(&self, name: &str, index: usize) -> Option<&[u8]> {
        // As the gateway shows them.
        if name != "upgrade"
            && self
                .values("connection")
                .any(|value| nominates(value, name))
        {
            return None;
        }
        self.values(name).nth(index)
    }
}

impl Question {
    fn values<'s>(&'s self, name: &str) -> impl Iterator<Item = &'s [u8]> {
        let named = self
            .headers
            .iter()
            .filter(move |(known, _)| **known == *name);
        named.map(|(_, value)| value.as_bytes())
    }
}

pub(crate) fn caller(text: &str, trust_domain: &str) -> Result<Option<Principal>, String> {
    let name = match text
        .strip_prefix("sa:")
        .and_then(|account| account.split_once('/'))
    {
        _ if text == "anonymous" => return Ok(None),
        Some((namespace, name)) => format!("{trust_domain}/ns/{namespace}/sa/{name}"),
        None => text.strip_prefix("spiffe://").unwrap_or(text).to_owned(),
    };
    Principal::from_name(&name).map(Some).map_err(|_| {
        format!(
            "`{text}` is no caller: write `sa:NAMESPACE/NAME`, \
             `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/NAME` or `anonymous`"
        )
    })
}

/// Method, authority and target of `GET http://host:port/path?query`.
pub(crate) fn request(text: &str) -> Result<(&str, &str, String), String> {
    let wrong =
        || format!("`{text}` is no request: write such as `GET http://edition.cnn.com/health`");
    let (method, url) = text.split_once(' ').ok_or_else(wrong)?;
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"))
        .ok_or_else(wrong)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(end).ok_or_else(wrong)?;
    if method.is_empty() || authority.is_empty() {
        return Err(wrong());
    }
    let slash = if target.starts_with('/') { "" } else { "/" };
    Ok((method, authority, format!("{slash}{target}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Environment, SourceFile, compile};

    #[test]
    fn nobody_is_known_by_a_listener_that_verifies_nobody() {
        let listeners = "version: 1\nlisteners: [{ port: 80, mode: plaintext, name: open }, { port: 443, name: mesh }]\n";
        let files = [SourceFile::new("egress.yaml", listeners)];
        let snapshot = compile(&files, &Environment::default()).unwrap();
        let asked = |who: &str, listener: Option<&str>| {
            let mut question = Question::ask(who, "GET", "http://a.test/", &[], "cluster.local")?;
            question.listener = listener.map(Box::from);
            question.listener(snapshot.settings()).map(|_| ())
        };
        assert_eq!(asked("anonymous", None), Ok(()));
        assert_eq!(asked("sa:default/sleep", Some("mesh")), Ok(()));
        let refused = asked("sa:default/sleep", None).unwrap_err();
        assert!(
            refused.contains("`open` verifies nobody") && refused.contains("anonymous"),
            "{refused}"
        );
    }
}
