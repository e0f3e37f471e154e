//! Rules as an operator means them: the input of the compiler.
//!
//! Native policies, Mixer rules and AuthorizationPolicies all become these.

use std::sync::Arc;

use crate::authoriser::AuthoriserRef;
use crate::canonical::MethodSet;
use crate::expr::Expr;
use crate::origin::Origin;
use crate::pattern::{HostPattern, PathPattern, ValuePattern};
use crate::source::SourcePattern;

/// One condition on a request. Keys are a conjunction, the entries of a key
/// alternatives; an empty key asks nothing.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    /// Who calls.
    pub from: Arc<[SourcePattern]>,
    /// The canonical host.
    pub hosts: Vec<HostPattern>,
    /// The canonical path, without query.
    pub paths: Vec<PathPattern>,
    /// Path and query together: what Mixer calls `request.path`.
    pub targets: Vec<PathPattern>,
    /// The method.
    pub methods: Option<MethodSet>,
    /// The port that is meant: in the sidecars' view the one the host names, else
    /// the listener's; at a gateway both, of which a refusal needs one, a
    /// permission the two.
    pub ports: Vec<u16>,
    /// The port as the host names it, else the listener's. At a gateway that is the
    /// caller's word, which Istio's permissions of `a.example:8443` go by; a refusal
    /// takes the listener's, too.
    pub host_ports: Vec<u16>,
    /// The port of the listener, as callers mean it; no caller chooses it.
    pub listener_ports: Vec<u16>,
    /// The server name of the TLS connection.
    pub server_names: Vec<HostPattern>,
    /// Every named header.
    pub headers: Vec<NamedPattern>,
    /// Every named query parameter.
    pub query: Vec<NamedPattern>,
    /// A condition in the expression language, of type bool. Its conjuncts
    /// are asked one by one: one that is false settles it, whatever others
    /// cannot tell.
    pub expr: Option<Arc<Expr>>,
}

/// A pattern for the values of a header or query parameter.
#[derive(Clone, Debug)]
pub struct NamedPattern {
    /// Header names are lower case.
    pub name: Box<str>,
    /// What its values must be.
    pub pattern: ValuePattern,
}

/// What a matching rule does.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Refuses, whatever else allows.
    Deny(Answer),
    /// Lets the request go on, unless a deny rule matches.
    Allow,
    /// Marks the record, decides nothing.
    Audit,
    /// Lets no request go on that this authoriser does not allow. It allows
    /// nothing by itself.
    Refer(AuthoriserRef),
}

/// How a deny rule answers.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status, 403 unless the operator chose another.
    pub status: u16,
    /// The body, with attributes of the request put in.
    pub body: Template,
}

/// A text with places for attributes of the request: `${request.path}`.
#[derive(Clone, Debug, Default)]
pub struct Template(pub Vec<TemplatePart>);

/// A piece of a [`Template`].
#[derive(Clone, Debug)]
pub enum TemplatePart {
    /// As it stands.
    Text(Box<str>),
    /// The value of an expression; nothing when it is absent.
    Value(Arc<Expr>),
}

/// Whether a rule decides or only tells what it would have decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Enforcement {
    /// It decides.
    #[default]
    Enforced,
    /// It is evaluated and recorded, never enforced.
    Shadow,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The name in records.
    pub name: Arc<str>,
    /// What it does.
    pub effect: Effect,
    /// Whether it decides.
    pub enforcement: Enforcement,
    /// It applies when one of these holds …
    pub matchers: Vec<Matcher>,
    /// … and none of these.
    pub unless: Vec<Matcher>,
    /// Where it was written.
    pub origin: Arc<Origin>,
}

/// What happens to a request that no rule speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DefaultPolicy {
    /// It is refused. Absence never means permission.
    #[default]
    Deny,
    /// It goes on to the routes (Istio's own rule, or the operator's word).
    Allow,
}
