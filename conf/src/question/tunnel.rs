//! A tunnel as a person writes it: `tls://HOST:PORT` for TLS that passes through
//! by its server name, `tcp://HOST:PORT` for bytes. The port is that of a
//! listener; the host of bytes is what the mutual TLS around them is for. And
//! `CONNECT HOST:PORT`, as a forward proxy is asked, or HBONE for what is no HTTP.

use std::fmt;
use std::net::IpAddr;

use policy::canonical::Authority;
use policy::destination::Carries;
use policy::door::View;
use policy::principal::Principal;
use policy::refusal::Refusal;
use policy::source::Caller;
use policy::{Admission, RawTunnel, To, Tunnel, TunnelPlan};

use crate::snapshot::{Listener, ListenerMode, Settings};
use crate::spelling::listed;

const HTTPS: u16 = 443;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelQuestion {
    /// Who asks; `None`: nobody verified.
    pub principal: Option<Principal>,
    /// Where the connection comes from.
    pub address: IpAddr,
    /// What for.
    pub to: Meant,
    /// The canonical host that the mutual TLS around it is for.
    pub outer: Option<Box<str>>,
    /// The name of the listener it comes in by; `None`: the first that fits.
    pub listener: Option<Box<str>>,
}

/// What a tunnel is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meant {
    /// TLS of the application's own.
    Tls {
        /// Its server name, as sent.
        server_name: Box<str>,
        /// The port callers come to.
        port: u16,
    },
    /// Bytes.
    Bytes {
        /// The port callers come to.
        port: u16,
    },
    /// CONNECT, and TLS for the same host within.
    Connect {
        /// Host and port, as sent.
        authority: Box<str>,
    },
}

/// What is asked for, without who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    to: Meant,
    outer: Option<Box<str>>,
}

/// What a text asks of a forward proxy. With a scheme it is a request, to be
/// refused like any other of that method.
fn authority(text: &str) -> Option<&str> {
    let authority = text.strip_prefix("CONNECT ")?;
    (!authority.contains("://")).then_some(authority)
}

impl Wanted {
    /// Whether a text means a tunnel at all.
    pub(crate) fn is_meant(text: &str) -> bool {
        text.starts_with("tls://") || text.starts_with("tcp://") || authority(text).is_some()
    }

    /// `tls://www.googleapis.com`, `tls://www.googleapis.com:8443`,
    /// `tcp://db.example.com:5432`, `tcp://:5432`, `CONNECT www.googleapis.com:443`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(authority) = authority(text) {
            // Kept as it is written, so that a question can hold an attack.
            let to = Meant::Connect {
                authority: authority.into(),
            };
            return Ok(Self { to, outer: None });
        }
        let wrong = || {
            format!(
                "`{text}` is no tunnel: write such as `tls://www.googleapis.com:443`, `tcp://db.example.com:5432` or `tcp://:5432`"
            )
        };
        let (scheme, place) = text.split_once("://").ok_or_else(wrong)?;
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0)),
            None => (place, (scheme == "tls").then_some(HTTPS)),
        };
        let port = port.ok_or_else(wrong)?;
        let canonical = Authority::parse(host.as_bytes()).ok();
        let outer = canonical.map(|authority| authority.host().into());
        let to = match (scheme, host) {
            ("tls", "") => return Err(wrong()),
            ("tls", host) => Meant::Tls {
                server_name: host.into(),
                port,
            },
            _ if outer.is_none() && !host.is_empty() => return Err(wrong()),
            _ => Meant::Bytes { port },
        };
        Ok(Self { to, outer })
    }

    /// Asked by somebody; `outer` is the name the mutual TLS is for, if it is
    /// another.
    pub(crate) fn by(
        self,
        principal: Option<Principal>,
        address: IpAddr,
        outer: Option<Box<str>>,
        listener: Option<Box<str>>,
    ) -> TunnelQuestion {
        TunnelQuestion {
            principal,
            address,
            to: self.to,
            outer: outer.or(self.outer),
            listener,
        }
    }
}

impl TunnelQuestion {
    /// Puts a question together, as [`super::Question::ask`]; `None` where the
    /// text means no tunnel.
    ///
    /// # Errors
    /// What cannot be read, and what to write instead.
    pub fn ask(who: &str, text: &str, trust_domain: &str) -> Option<Result<Self, String>> {
        Wanted::is_meant(text).then(|| {
            let wanted = Wanted::parse(text)?;
            let principal = super::caller(who, trust_domain)?;
            Ok(wanted.by(principal, super::NOWHERE, None, None))
        })
    }

    /// The listener it comes in by.
    ///
    /// # Errors
    /// When there is none that would take it, or it could not know who asks.
    pub fn listener<'s>(&self, settings: &'s Settings) -> Result<&'s Listener, String> {
        let named = |l: &&Listener| self.listener.as_ref().is_none_or(|name| *l.name == **name);
        let mut all = settings.listeners.iter().filter(named);
        let Some(found) = all.find(|listener| self.is_taken_by(listener)) else {
            let what = match &self.to {
                Meant::Tls { port, .. } => format!("passes TLS on at port {port}"),
                Meant::Bytes { port } => format!("passes bytes on at port {port}"),
                Meant::Connect { .. } => "is a forward proxy or speaks HBONE".to_owned(),
            };
            let names = settings.listeners.iter().map(|listener| &*listener.name);
            return Err(format!("no listener {what}: there is {}", listed(names)));
        };
        match &self.principal {
            Some(principal) if !found.verifies_callers() => Err(format!(
                "the listener `{}` verifies nobody, so none of its callers is `{}`: ask as `anonymous`",
                found.name,
                principal.as_str()
            )),
            _ => Ok(found),
        }
    }

    fn is_taken_by(&self, listener: &Listener) -> bool {
        let (is_tls, port) = match self.to {
            // Whatever the listener's own port.
            Meant::Connect { .. } => return listener.mode.names_ports(),
            Meant::Tls { .. } if listener.mode == ListenerMode::Hbone => return true,
            Meant::Tls { port, .. } => (true, port),
            Meant::Bytes { port } => (false, port),
        };
        listener.port == port
            && match listener.mode {
                ListenerMode::Tcp | ListenerMode::PlainTcp => true,
                ListenerMode::Passthrough | ListenerMode::InnerTls => is_tls,
                ListenerMode::Plaintext => is_tls && listener.view == View::Mesh,
                ListenerMode::MutualTls
                | ListenerMode::Proxy
                | ListenerMode::PlainProxy
                | ListenerMode::Hbone => false,
            }
    }

    /// The question as policy takes it, by the way the listener would go. `time`
    /// is in nanoseconds since 1970.
    #[must_use]
    pub fn raw<'a>(
        &'a self,
        admission: &Admission,
        listener: &Listener,
        caller: &'a Caller,
        time: i128,
    ) -> RawTunnel<'a> {
        let outer = self.outer.as_deref();
        let by_port = RawTunnel {
            to: To::Port {
                server_name: outer.filter(|_| listener.mode.is_mutual()),
            },
            caller,
            view: listener.view,
            port: listener.port,
            time,
        };
        let carries_bytes = matches!(listener.mode, ListenerMode::Tcp | ListenerMode::PlainTcp);
        let to = match &self.to {
            Meant::Connect { authority } => To::Authority(authority),
            Meant::Tls { server_name, .. }
                if !carries_bytes || !admission.goes_by_port(by_port) =>
            {
                To::ServerName(server_name)
            }
            Meant::Tls { .. } | Meant::Bytes { .. } => by_port.to,
        };
        let port = match self.to {
            Meant::Tls { port, .. } | Meant::Bytes { port } => port,
            Meant::Connect { .. } => listener.port,
        };
        RawTunnel {
            to,
            port,
            ..by_port
        }
    }

    /// What becomes of it behind its plan: a port of TLS takes TLS for its host.
    ///
    /// # Errors
    /// What is no TLS, or is for another.
    pub fn check_inner(&self, tunnel: &Tunnel<'_>, plan: &TunnelPlan) -> Result<(), Refusal> {
        match (plan.carries(), &self.to) {
            (Carries::Bytes, _) | (Carries::Tls, Meant::Connect { .. }) => Ok(()),
            (Carries::Tls, Meant::Tls { server_name, .. }) => {
                Tunnel::check_inner(tunnel.host(), server_name)
            }
            (Carries::Tls, Meant::Bytes { .. }) => Err(Refusal::Plaintext),
        }
    }
}

/// As it is written.
impl fmt::Display for TunnelQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.to {
            Meant::Tls { server_name, port } => write!(f, "tls://{server_name}:{port}"),
            Meant::Bytes { port } => {
                let outer = self.outer.as_deref().unwrap_or_default();
                write!(f, "tcp://{outer}:{port}")
            }
            Meant::Connect { authority } => write!(f, "CONNECT {authority}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Environment, SourceFile, compile};

    const CONFIGURATION: &str = "version: 1
listeners:
  - { port: 80, mode: plaintext }
  - { port: 443, mode: passthrough, tls: mutual }
  - { port: 8443, mode: passthrough }
  - { port: 5432, mode: tcp }
  - { port: 9443, mode: tcp }
  - { port: 3128, mode: forward-proxy, tls: off }
passthrough: [{ host: a.test, at: ['gateway:443', 'gateway:8443', 'mesh:443'] }]
tcp:
  - { host: db.test, at: gateway:5432, sni: outer.test }
  - { host: web.test, at: gateway:9443, carries: tls }
defaults: { policy: allow }
";

    /// The host that a tunnel of `who` leads to, or why nowhere.
    fn asked(who: &str, text: &str) -> Result<String, String> {
        let file = SourceFile::new("egress.yaml", CONFIGURATION);
        let snapshot = compile(&[file], &Environment::default()).unwrap();
        let admission = snapshot.admission();
        let question = TunnelQuestion::ask(who, text, "cluster.local").unwrap()?;
        let listener = question.listener(snapshot.settings())?;
        let caller = admission.caller(question.principal.clone(), question.address);
        let raw = question.raw(admission, listener, &caller, 0);
        let admitted = admission
            .admit_tunnel(raw, 0)
            .map_err(|refused| refused.refusal.code().to_owned())?;
        question
            .check_inner(&admitted.tunnel, &admitted.plan)
            .map_err(|refusal| refusal.code().to_owned())?;
        Ok(admitted.tunnel.host().to_owned())
    }

    #[test]
    fn a_question_goes_the_way_of_its_listener() {
        for (who, text, expected) in [
            ("sa:a/b", "tls://a.test", Ok("a.test")),
            ("sa:a/b", "tls://A.test:443", Ok("a.test")),
            ("anonymous", "tls://a.test:8443", Ok("a.test")),
            ("sa:a/b", "tls://b.test:443", Err("unknown_passage")),
            (
                "sa:a/b",
                "tls://127.0.0.1:443",
                Err("malformed_server_name"),
            ),
            ("sa:a/b", "tcp://outer.test:5432", Ok("db.test")),
            ("sa:a/b", "tcp://:5432", Err("unknown_passage")),
            ("sa:a/b", "tls://outer.test:5432", Ok("db.test")),
            ("sa:a/b", "tls://web.test:9443", Ok("web.test")),
            ("sa:a/b", "tls://x.test:9443", Err("other_server_name")),
            ("sa:a/b", "tcp://:9443", Err("plaintext")),
            ("sa:a/b", "tls://a.test:8443", Err("verifies nobody")),
            (
                "anonymous",
                "tcp://a.test:8443",
                Err("no listener passes bytes on at port 8443"),
            ),
            (
                "anonymous",
                "tls://a.test:80",
                Err("no listener passes TLS on at port 80"),
            ),
            ("anonymous", "CONNECT a.test:443", Ok("a.test")),
            ("anonymous", "CONNECT A.test:443", Ok("a.test")),
            ("anonymous", "CONNECT a.test:3128", Err("no_tunnel")),
            ("anonymous", "CONNECT a.test", Err("host_port")),
            ("anonymous", "CONNECT u@a.test:443", Err("host_delimiter")),
            ("sa:a/b", "CONNECT a.test:443", Err("verifies nobody")),
            ("anonymous", "tls://:443", Err("is no tunnel")),
            ("anonymous", "tcp://a.test", Err("is no tunnel")),
            ("anonymous", "tcp://a b:443", Err("is no tunnel")),
        ] {
            let said = asked(who, text);
            let same = match (&said, expected) {
                (Ok(host), Ok(expected)) => host == expected,
                (Err(why), Err(expected)) => why.contains(expected),
                _ => false,
            };
            assert!(same, "{who} {text}: {said:?}");
        }
        for request in ["GET http://a.test/", "CONNECT http://a.test/"] {
            assert!(TunnelQuestion::ask("anonymous", request, "d").is_none());
        }
    }
}
