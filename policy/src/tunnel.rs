//! A connection that passes through untouched: all that is known of it is who
//! opened it, by which door, and, if it is TLS, for which server name. One that
//! shows no name leads where the port does, and has that host; to a forward proxy
//! CONNECT names host and port.
//!
//! Rules are asked as Istio asks AuthorizationPolicies of traffic that is not
//! HTTP: the host is the server name, and a key that only HTTP has can neither
//! be shown nor ruled out. Hence it never holds where a rule permits and always
//! where one refuses: to permit one path of a host is not to permit a tunnel to
//! it, and to refuse one is to refuse the tunnel in which it might be asked for.

use std::borrow::Cow;

use crate::canonical::{Authority, Malformed};
use crate::destination::{Carries, TcpLead, UpstreamRef};
use crate::door::{Door, View};
use crate::expr::{Attribute, Attributes, Truth, Value};
use crate::matching::{Key, Toward, from_holds};
use crate::pattern::is_address;
use crate::refusal::Refusal;
use crate::rule::Matcher;
use crate::ruleset::{Grant, Marks, RuleId};
use crate::source::Caller;

/// What a connection asks for, and by which way it came.
#[derive(Clone, Copy, Debug)]
pub struct RawTunnel<'a> {
    /// What says where to.
    pub to: To<'a>,
    /// Who opened it.
    pub caller: &'a Caller,
    /// Whose part the listener takes.
    pub view: View,
    /// The port of the listener, as callers mean it: nothing but CONNECT names
    /// another.
    pub port: u16,
    /// When it began, in nanoseconds since 1970.
    pub time: i128,
}

/// What says where a tunnel leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To<'a> {
    /// The server name of TLS that the application brings, as sent.
    ServerName(&'a str),
    /// The port, for bytes that say nothing themselves.
    Port {
        /// The canonical host that the mutual TLS around them is for, if it
        /// names one.
        server_name: Option<&'a str>,
    },
    /// CONNECT's host and port, as sent.
    Authority(&'a str),
}

/// A tunnel with a canonical host.
#[derive(Clone, Debug)]
pub struct Tunnel<'a> {
    raw: RawTunnel<'a>,
    host: Cow<'a, str>,
}

/// The number of a passage within its snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PassageId(pub(crate) u32);

/// By what a tunnel goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    Passage(PassageId),
    /// A TCP route of the snapshot, and one of its leads.
    Tcp {
        route: u32,
        lead: u32,
    },
}

/// Where a granted tunnel leads. Comes only from routing, and only with a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelPlan {
    pub(crate) grant: Grant,
    pub(crate) way: Way,
    pub(crate) carries: Carries,
    pub(crate) upstream: UpstreamRef,
}

/// A tunnel that may be opened, and where to.
#[derive(Debug)]
pub struct AdmittedTunnel<'a> {
    /// What is asked for.
    pub tunnel: Tunnel<'a>,
    /// Where to.
    pub plan: TunnelPlan,
}

/// A tunnel that may not be opened.
#[derive(Debug)]
pub struct RefusedTunnel<'a> {
    /// Why.
    pub refusal: Refusal,
    /// Its canonical form, unless it has none.
    pub tunnel: Option<Tunnel<'a>>,
    /// The rule that decided, for and against.
    pub rule: Option<RuleId>,
    /// What other rules remarked.
    pub marks: Marks,
}

impl RawTunnel<'_> {
    /// By which way it came.
    #[must_use]
    pub fn door(&self) -> Door {
        Door::of(self.view, None, self.port)
    }
}

impl TunnelPlan {
    /// The permission it stands on.
    #[must_use]
    pub fn grant(&self) -> Grant {
        self.grant
    }

    /// What may pass. What leads by its server name has shown it already; what
    /// CONNECT asked for has yet to.
    #[must_use]
    pub fn carries(&self) -> Carries {
        self.carries
    }

    /// The upstream.
    #[must_use]
    pub fn upstream(&self) -> UpstreamRef {
        self.upstream
    }
}

/// Brings a server name into the form hosts are matched in. An address is none
/// (RFC 6066, section 3), nor is a name with a port.
fn canonical(sent: &str) -> Result<Cow<'_, str>, Refusal> {
    let malformed = |_| Refusal::MalformedServerName;
    let authority = Authority::parse(sent.as_bytes()).map_err(malformed)?;
    if authority.port().is_some() || is_address(authority.host()) {
        return Err(Refusal::MalformedServerName);
    }
    Ok(authority.into_host())
}

impl<'a> Tunnel<'a> {
    /// A tunnel by its server name.
    pub(crate) fn canonicalise(raw: RawTunnel<'a>, sent: &'a str) -> Result<Self, Refusal> {
        let host = canonical(sent)?;
        Ok(Self { raw, host })
    }

    /// A tunnel to what CONNECT names. There is no port to fall back on (RFC 9110,
    /// section 9.3.6).
    pub(crate) fn asked_for(raw: RawTunnel<'a>, sent: &'a str) -> Result<Self, Refusal> {
        let authority = Authority::parse(sent.as_bytes()).map_err(Refusal::Malformed)?;
        let port = authority.port();
        let port = port.ok_or(Refusal::Malformed(Malformed::HostPort))?;
        Ok(Self {
            raw: RawTunnel { port, ..raw },
            host: authority.into_host(),
        })
    }

    /// INVARIANT(inner-name): TLS that passes by a port of TLS, or after CONNECT,
    /// is for the host policy was asked about.
    ///
    /// # Errors
    /// A server name, as sent, that is no host or another.
    pub fn check_inner(host: &str, sent: &str) -> Result<(), Refusal> {
        match canonical(sent)? == host {
            true => Ok(()),
            false => Err(Refusal::OtherServerName),
        }
    }

    /// A tunnel to where its port leads.
    pub(crate) fn leading(raw: RawTunnel<'a>, lead: &TcpLead) -> Self {
        Self {
            raw,
            host: Cow::Owned(lead.host.to_string()),
        }
    }

    /// A tunnel whose host was found before, for records.
    #[must_use]
    pub fn again(raw: RawTunnel<'a>, host: &'a str) -> Self {
        let host = Cow::Borrowed(host);
        Self { raw, host }
    }

    /// The canonical name of TLS: the application's own, else that around it. After
    /// CONNECT it can be for no other host.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        match self.raw.to {
            To::ServerName(_) | To::Authority(_) => Some(&self.host),
            To::Port { server_name } => server_name,
        }
    }

    /// The canonical host: the server name, CONNECT's, or whom the port leads to.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// By which way it came.
    #[must_use]
    pub fn door(&self) -> Door {
        self.raw.door()
    }

    /// By what it goes.
    #[must_use]
    pub fn to(&self) -> To<'a> {
        self.raw.to
    }

    /// Who sent it.
    #[must_use]
    pub fn caller(&self) -> &'a Caller {
        self.raw.caller
    }
}

impl Matcher {
    /// Whether every key holds for a tunnel.
    #[must_use]
    pub fn holds_for_tunnel(&self, tunnel: &Tunnel<'_>, toward: Toward) -> bool {
        self.mismatch_of_tunnel(tunnel, toward).is_none()
    }

    /// The first key that does not hold for a tunnel.
    #[must_use]
    pub fn mismatch_of_tunnel(&self, tunnel: &Tunnel<'_>, toward: Toward) -> Option<Key> {
        if !self.from.is_empty() && !from_holds(&self.from, tunnel.caller(), toward) {
            return Some(Key::From);
        }
        if !self.hosts.is_empty() && !self.hosts.iter().any(|h| h.matches(tunnel.host())) {
            return Some(Key::Host);
        }
        if !self.paths.is_empty() && toward == Toward::Permit {
            return Some(Key::Path);
        }
        self.residual_mismatch_of_tunnel(tunnel, toward)
    }

    /// The first key that does not hold, of those no index knows.
    pub(crate) fn residual_mismatch_of_tunnel(
        &self,
        tunnel: &Tunnel<'_>,
        toward: Toward,
    ) -> Option<Key> {
        if toward == Toward::Permit
            && let Some(key) = self.key_of_http()
        {
            return Some(key);
        }
        let port = tunnel.raw.port;
        if !self.ports.is_empty() && !self.ports.contains(&port) {
            return Some(Key::Port);
        }
        if !self.host_ports.is_empty() && !self.host_ports.contains(&port) {
            return Some(Key::HostPort);
        }
        if !self.listener_ports.is_empty() && !self.listener_ports.contains(&port) {
            return Some(Key::ListenerPort);
        }
        let names = &self.server_names;
        let asked = tunnel.server_name();
        let named = || asked.is_some_and(|asked| names.iter().any(|name| name.matches(asked)));
        if !names.is_empty() && !named() {
            return Some(Key::ServerName);
        }
        let expr = self.expr.as_ref();
        match expr.map(|expr| expr.test_lacking(tunnel, is_of_http)) {
            None | Some(Truth::True) => None,
            Some(Truth::Absent(_)) if toward == Toward::Refuse => None,
            Some(Truth::False | Truth::Absent(_)) => Some(Key::Expr),
        }
    }

    /// A key that only HTTP has, if one of those is asked that no index knows.
    fn key_of_http(&self) -> Option<Key> {
        let asked = [
            (self.methods.is_some(), Key::Method),
            (!self.targets.is_empty(), Key::Target),
            (!self.headers.is_empty(), Key::Header),
            (!self.query.is_empty(), Key::Query),
        ];
        let mut asked = asked.into_iter();
        asked.find_map(|(asked, key)| asked.then_some(key))
    }
}

/// Whether an attribute speaks of an HTTP request. Its host does not: that is
/// the server name, as for the key `host`.
fn is_of_http(attribute: Attribute) -> bool {
    match attribute {
        Attribute::RequestHost | Attribute::RequestTime => false,
        other => other.name().starts_with("request."),
    }
}

impl Attributes for Tunnel<'_> {
    fn value(&self, attribute: Attribute) -> Option<Value<'_>> {
        let principal = self.caller().principal();
        let text = |text| Some(Value::String(Cow::Borrowed(text)));
        match attribute {
            Attribute::RequestHost
            | Attribute::DestinationService
            | Attribute::DestinationServiceHost
            | Attribute::DestinationServiceName => text(self.host()),
            Attribute::ConnectionRequestedServerName => self.server_name().and_then(text),
            Attribute::RequestTime | Attribute::ContextTime => {
                Some(Value::Timestamp(self.raw.time))
            }
            Attribute::SourcePrincipal | Attribute::SourceUser => {
                principal.and_then(|p| text(p.as_str()))
            }
            Attribute::SourceNamespace => principal.and_then(|p| text(p.namespace())),
            Attribute::SourceServiceAccount => principal.and_then(|p| text(p.service_account())),
            Attribute::SourceIp | Attribute::OriginIp => {
                Some(Value::Ip(self.caller().address().to_canonical()))
            }
            Attribute::ContextReporterKind => text("outbound"),
            Attribute::ContextProtocol => text(match self.raw.to {
                To::ServerName(_) => "tls",
                To::Port { .. } | To::Authority(_) => "tcp",
            }),
            Attribute::ConnectionMtls => Some(Value::Bool(principal.is_some())),
            _ => None,
        }
    }

    fn map_entry(&self, _: Attribute, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

#[cfg(test)]
#[path = "tunnel_tests.rs"]
mod tests;
