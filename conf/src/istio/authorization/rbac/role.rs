//! `ServiceRole`: what may be done.

use std::collections::HashMap;

use policy::Toward;
use policy::origin::Origin;

use super::super::super::kind::Kind;
use super::super::super::object::{Object, Objects};
use super::super::super::scope::Scope;
use super::super::clause::{Operation, Way};
use super::super::condition::{Attribute, named};
use super::super::hosts::hosts;
use super::super::operation::fields_of;
use super::super::written::{Context, Written, texts};
use crate::fields::{Fields, parsed};
use crate::node::Node;

/// Roles by namespace and name; of each, its rules and their places.
pub(super) type Roles<'a> = HashMap<(&'a str, &'a str), Vec<(&'a Origin, Operation)>>;

/// Reads every role that this gateway hears of.
pub(super) fn roles<'a>(objects: &Objects<'a>, scope: &'a Scope<'a>) -> Roles<'a> {
    let heard = objects.of_kind(Kind::ServiceRole);
    let heard = heard.filter(|object| scope.is_of_operator(object.namespace));
    let role = |object: &Object<'a>| {
        let context = Context {
            scope,
            namespace: object.namespace,
            toward: Toward::Permit,
        };
        let rules = object.spec(scope.report, |fields| {
            fields.need("rules", "[{ services: ['*'] }]");
            let nodes = fields.many("rules").iter();
            nodes.filter_map(|node| rule(node, &context)).collect()
        });
        ((object.namespace, object.name), rules.unwrap_or_default())
    };
    heard.map(role).collect()
}

fn rule<'a>(node: &'a Node, context: &Context<'a>) -> Option<(&'a Origin, Operation)> {
    let operation = Fields::read_restriction(node, context.report(), |fields| {
        fields.need("services", "['*']");
        let mut operation = fields_of(fields, context);
        let services = texts(fields, "services").unwrap_or_default();
        operation
            .clause
            .all
            .push(self::services(&services, context));
        for node in fields.many("constraints") {
            let constraint = Fields::read_restriction(node, context.report(), |fields| {
                constraint(fields, context)
            });
            operation.clause.all.extend(constraint);
        }
        operation
    });
    Some((&node.origin, operation?))
}

/// Hosts; our own service is whatever passes here.
fn services(values: &[Written<'_>], context: &Context<'_>) -> Vec<Way> {
    let ours = |written: &Written<'_>| context.scope.is_our_service(written.text);
    match values.iter().any(ours) {
        true => vec![Way::default()],
        false => hosts(values, context),
    }
}

/// `{ key, values }`.
fn constraint<'a>(fields: &Fields<'a>, context: &Context<'a>) -> Vec<Way> {
    let key = fields.need("key", "request.headers[version]");
    let attribute = key.and_then(|key| parsed(key, fields.report, constrained));
    fields.need("values", "[v1]");
    let values = texts(fields, "values").unwrap_or_default();
    attribute.map_or(Vec::new(), |attribute| attribute.ways(&values, context))
}

fn constrained(key: &str) -> Result<Attribute, String> {
    if key.starts_with("destination.") && key != "destination.port" {
        return Err(format!(
            "`{key}` is of workloads, and what lies behind this gateway is none: write `services`"
        ));
    }
    named(key)
}
