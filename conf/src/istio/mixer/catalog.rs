//! Every handler and instance of a configuration, by its full name.

use std::collections::HashMap;

use super::handler::{self, Handler};
use super::instance::{self, Instance};
use super::name::{self, What};
use super::{refuse_other_language, stdio};
use crate::istio::object::Objects;
use crate::istio::scope::Scope;
use crate::remote::RemoteList;

/// See the module. What is wrong stands there too, without a value: it was
/// reported once, and what names it is not wrong for that.
#[derive(Debug, Default)]
pub(super) struct Catalog<'a> {
    handlers: HashMap<String, Option<Handler<'a>>>,
    instances: HashMap<String, Option<Instance<'a>>>,
}

/// What a name in a rule means.
#[derive(Debug)]
pub(super) enum Found<'c, T> {
    /// This, whose full name it is.
    Known(&'c str, &'c T),
    /// Something that is wrong, which was reported.
    Wrong,
    /// Something that is not read here and only reports.
    Reporting,
    Unknown,
}

impl<'a> Catalog<'a> {
    pub(super) fn read(objects: &Objects<'a>, scope: &Scope<'a>) -> Self {
        let mut catalog = Self::default();
        let mut outputs = Vec::new();
        for object in handler::KINDS
            .into_iter()
            .flat_map(|kind| objects.of_kind(kind))
        {
            let (name, read) = handler::read(object, scope);
            if let Some(Handler::Stdio(stdio)) = &read {
                outputs.push((stdio.clone(), object.origin));
            }
            catalog.handlers.insert(name, read);
        }
        for object in instance::KINDS
            .into_iter()
            .flat_map(|kind| objects.of_kind(kind))
        {
            refuse_other_language(object, scope);
            let (name, read) = instance::read(object, scope);
            catalog.instances.insert(name, read);
        }
        let outputs = outputs.iter().map(|(stdio, origin)| (stdio, *origin));
        stdio::refuse_contradiction(outputs, scope.report);
        catalog
    }

    /// The lists that are fetched.
    pub(super) fn remote_lists(&self) -> impl Iterator<Item = &RemoteList> {
        self.handlers.values().filter_map(|handler| match handler {
            Some(Handler::ListChecker(list)) => list.remote.as_deref(),
            _ => None,
        })
    }

    /// The handler that a rule of `namespace` names.
    pub(super) fn handler(&self, reference: &str, namespace: &str) -> Found<'_, Handler<'a>> {
        let candidates = name::candidates(reference, What::Handler, namespace);
        match find(&self.handlers, &candidates) {
            Found::Known(_, Handler::Reporting) => Found::Reporting,
            Found::Unknown if name::kind(reference).is_some_and(handler::only_reports) => {
                Found::Reporting
            }
            found => found,
        }
    }

    /// The instance that a rule of `namespace` names.
    pub(super) fn instance(&self, reference: &str, namespace: &str) -> Found<'_, Instance<'a>> {
        let candidates = name::candidates(reference, What::Instance, namespace);
        match find(&self.instances, &candidates) {
            Found::Known(_, Instance::Reporting) => Found::Reporting,
            Found::Unknown if name::kind(reference).is_some_and(instance::only_reports) => {
                Found::Reporting
            }
            found => found,
        }
    }
}

fn find<'c, T>(all: &'c HashMap<String, Option<T>>, candidates: &[String]) -> Found<'c, T> {
    let mut known = candidates.iter().filter_map(|name| all.get_key_value(name));
    match known.next() {
        Some((name, Some(value))) => Found::Known(name, value),
        Some((_, None)) => Found::Wrong,
        None => Found::Unknown,
    }
}
