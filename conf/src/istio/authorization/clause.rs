//! What one rule of a policy asks: a conjunction of fields, each of which holds
//! in one of several ways, and what must not hold.
//!
//! Istio's fields do not map one to one onto the keys of a matcher: `hosts` may
//! speak of ports, two fields of a source may both speak of callers. So every
//! field gives alternatives, and joining them gives matchers.

use std::sync::Arc;

use policy::canonical::MethodSet;
use policy::expr::Expr;
use policy::pattern::{HostPattern, PathPattern};
use policy::rule::{Matcher, NamedPattern};
use policy::source::SourcePattern;

use super::expression;
use super::hosts::common;

/// More ways than anybody means; a bound, since ways multiply.
const MAX_WAYS: usize = 1000;
/// Callers asked in one condition, whose text has a bound.
const MAX_ASKED: usize = 16;

/// One way in which a field holds. The entries of a key are alternatives, keys
/// a conjunction, an empty key asks nothing: as in a [`Matcher`].
#[derive(Clone, Debug, Default)]
pub(super) struct Way {
    pub(super) from: Vec<SourcePattern>,
    pub(super) hosts: Vec<HostPattern>,
    pub(super) methods: Vec<Box<str>>,
    pub(super) host_ports: Vec<u16>,
    pub(super) listener_ports: Vec<u16>,
    pub(super) server_names: Vec<HostPattern>,
    pub(super) headers: Vec<NamedPattern>,
    /// Conditions in the expression language, all of which must hold.
    pub(super) conditions: Vec<String>,
}

impl Way {
    /// That callers are among these.
    pub(super) fn from(from: Vec<SourcePattern>) -> Self {
        Self {
            from,
            ..Self::default()
        }
    }

    /// That a condition holds.
    pub(super) fn condition(condition: String) -> Self {
        Self {
            conditions: vec![condition],
            ..Self::default()
        }
    }

    /// Every way of both at once; none where they exclude each other.
    fn and(&self, other: &Self) -> Vec<Self> {
        // The index knows one list of callers; the longer one goes there.
        let (index, asked) = match self.from.len() >= other.from.len() {
            true => (&self.from, &other.from),
            false => (&other.from, &self.from),
        };
        let Some(both) = self.but_callers(other, index) else {
            return Vec::new();
        };
        if asked.is_empty() {
            return vec![both];
        }
        let asked = asked.chunks(MAX_ASKED).map(|callers| {
            let mut way = both.clone();
            way.conditions.push(expression::any_source(callers));
            way
        });
        asked.collect()
    }

    fn but_callers(&self, other: &Self, from: &[SourcePattern]) -> Option<Self> {
        Some(Self {
            from: from.to_vec(),
            hosts: both(&self.hosts, &other.hosts, common)?,
            methods: both(&self.methods, &other.methods, same)?,
            host_ports: both(&self.host_ports, &other.host_ports, same)?,
            listener_ports: both(&self.listener_ports, &other.listener_ports, same)?,
            server_names: both(&self.server_names, &other.server_names, common)?,
            headers: [&*self.headers, &other.headers].concat(),
            conditions: [&*self.conditions, &other.conditions].concat(),
        })
    }

    fn matcher(self, paths: &[PathPattern]) -> Result<Matcher, String> {
        let methods = match &*self.methods {
            [] => None,
            names => Some(MethodSet::parse(names).map_err(|error| error.to_string())?),
        };
        Ok(Matcher {
            from: self.from.into(),
            hosts: self.hosts,
            paths: paths.to_vec(),
            methods,
            host_ports: self.host_ports,
            listener_ports: self.listener_ports,
            server_names: self.server_names,
            headers: self.headers,
            expr: all(&self.conditions)?,
            ..Matcher::default()
        })
    }
}

/// What two lists of alternatives have in common; an empty one asks nothing.
/// Nothing where they have nothing in common.
fn both<T: Clone + PartialEq>(
    one: &[T],
    two: &[T],
    common: impl Fn(&T, &T) -> Option<T>,
) -> Option<Vec<T>> {
    let ([_, ..], [_, ..]) = (one, two) else {
        return Some([one, two].concat());
    };
    let mut found: Vec<T> = Vec::new();
    for shared in one
        .iter()
        .flat_map(|a| two.iter().filter_map(|b| common(a, b)))
    {
        if !found.contains(&shared) {
            found.push(shared);
        }
    }
    (!found.is_empty()).then_some(found)
}

fn same<T: Clone + PartialEq>(one: &T, two: &T) -> Option<T> {
    (one == two).then(|| one.clone())
}

fn all(conditions: &[String]) -> Result<Option<Arc<Expr>>, String> {
    let whole = match conditions {
        [] => return Ok(None),
        [only] => only.clone(),
        several => format!("({})", several.join(") && (")),
    };
    let expr = Expr::cel(&whole).map_err(|error| {
        format!("two fields name too many values to be asked together ({error}): write several")
    })?;
    Ok(Some(Arc::new(expr)))
}

/// A conjunction of fields.
#[derive(Clone, Debug, Default)]
pub(super) struct Clause {
    /// Of each list, one way must hold.
    pub(super) all: Vec<Vec<Way>>,
    /// None of these may hold.
    pub(super) unless: Vec<Way>,
    /// It asks what can never be here, such as a token.
    pub(super) never: bool,
}

/// A clause that also speaks of paths, as operations do.
#[derive(Clone, Debug, Default)]
pub(super) struct Operation {
    pub(super) clause: Clause,
    /// Empty: any.
    pub(super) paths: Vec<PathPattern>,
    /// Paths that are excepted.
    pub(super) not_paths: Vec<PathPattern>,
}

/// A rule's conditions as the compiler takes them.
#[derive(Debug, Default)]
pub(super) struct Matchers {
    pub(super) matchers: Vec<Matcher>,
    pub(super) unless: Vec<Matcher>,
}

impl Clause {
    /// Both.
    pub(super) fn and(mut self, other: &Self) -> Self {
        self.all.extend_from_slice(&other.all);
        self.unless.extend_from_slice(&other.unless);
        self.never |= other.never;
        self
    }

    /// Every way in which all fields hold together.
    fn ways(&self) -> Result<Vec<Way>, String> {
        let mut ways = vec![Way::default()];
        for field in &self.all {
            let joined = ways
                .iter()
                .flat_map(|way| field.iter().flat_map(|f| way.and(f)));
            ways = joined.take(MAX_WAYS + 1).collect();
            if ways.len() > MAX_WAYS {
                return Err(format!(
                    "this holds in more than {MAX_WAYS} ways: write several rules"
                ));
            }
        }
        Ok(ways)
    }
}

impl Operation {
    /// Whether it asks for hosts.
    pub(super) fn names_hosts(&self) -> bool {
        let mut ways = self.clause.all.iter().flatten();
        ways.any(|way| !way.hosts.is_empty())
    }

    /// As the compiler takes it.
    ///
    /// # Errors
    /// What is too much to be asked.
    pub(super) fn matchers(&self) -> Result<Matchers, String> {
        if self.clause.never {
            return Ok(Matchers::default());
        }
        let ways = self.clause.ways()?.into_iter();
        let unless = self.clause.unless.iter().cloned();
        let not_paths = (!self.not_paths.is_empty()).then(|| Matcher {
            paths: self.not_paths.clone(),
            ..Matcher::default()
        });
        let mut excepted = unless
            .map(|way| way.matcher(&[]))
            .collect::<Result<Vec<_>, _>>()?;
        excepted.extend(not_paths);
        Ok(Matchers {
            matchers: ways
                .map(|way| way.matcher(&self.paths))
                .collect::<Result<_, _>>()?,
            unless: excepted,
        })
    }
}
