//! `ServiceRoleBinding`: who may do it.

use std::slice;

use policy::Toward;
use policy::rule::{Effect, Enforcement, Rule};

use super::super::super::kind::Kind;
use super::super::super::object::{Object, Objects};
use super::super::super::proto::{choice, refuse};
use super::super::super::scope::Scope;
use super::super::clause::{Clause, Operation};
use super::super::condition::{Attribute, named};
use super::super::rule::{Head, combinations};
use super::super::source::{addresses, namespaces, principals};
use super::super::written::{Context, Written, field, one, tokens};
use super::config::ENFORCEMENTS;
use super::role::Roles;
use crate::fields::{Fields, text};
use crate::node::{Entry, Value};

/// A rule for each rule of the role of each binding.
pub(super) fn rules<'a>(
    objects: &Objects<'a>,
    roles: &Roles<'a>,
    scope: &'a Scope<'a>,
) -> Vec<Rule> {
    let heard = objects.of_kind(Kind::ServiceRoleBinding);
    let heard = heard.filter(|object| scope.is_of_operator(object.namespace));
    let read = heard.filter_map(|object| {
        object.spec(scope.report, |fields| binding(fields, object, roles, scope))
    });
    read.flatten().collect()
}

fn binding<'a>(
    fields: &Fields<'a>,
    object: &Object<'a>,
    roles: &Roles<'a>,
    scope: &'a Scope<'a>,
) -> Vec<Rule> {
    let context = Context {
        scope,
        namespace: object.namespace,
        toward: Toward::Permit,
    };
    refuse(
        fields,
        &[(
            "actions",
            "write a ServiceRole, and its name under `roleRef`",
        )],
    );
    fields.refuse_null(&["mode"]);
    let enforced = choice(fields, "mode", &ENFORCEMENTS).unwrap_or(true);
    fields.need("subjects", "[{ user: cluster.local/ns/default/sa/sleep }]");
    let subjects = fields.many("subjects").iter().filter_map(|node| {
        Fields::read_restriction(node, fields.report, |fields| subject(fields, &context))
    });
    let subjects: Vec<Clause> = subjects.collect();
    let head = Head {
        effect: Effect::Allow,
        enforcement: match enforced {
            true => Enforcement::Enforced,
            false => Enforcement::Shadow,
        },
        name: Head::name(object.namespace, object.name),
    };
    if !enforced {
        let message = "a permissive binding neither allows nor remarks: write `mode: ENFORCED` when it should";
        scope.report.warning(object.origin, message);
    }
    let Some(role) = role(fields, object, roles) else {
        return Vec::new();
    };
    let mut rules = Vec::new();
    for (number, (origin, operation)) in role.iter().enumerate() {
        let operation = slice::from_ref(operation);
        match combinations(&subjects, operation, &Clause::default()) {
            Ok(combinations) => rules.extend(head.rules(number, origin, combinations)),
            Err(message) => scope.report.error(object.origin, message),
        }
    }
    rules
}

/// `roleRef: { kind: ServiceRole, name }`, or `role: name`.
fn role<'r, 'a>(
    fields: &Fields<'a>,
    object: &Object<'a>,
    roles: &'r Roles<'a>,
) -> Option<&'r Vec<(&'a policy::origin::Origin, Operation)>> {
    let node = match fields.take("role") {
        Some(node) if !fields.has("roleRef") => Some(node),
        _ => {
            let reference = fields.need("roleRef", "{ kind: ServiceRole, name: … }")?;
            Fields::read_proto(reference, fields.report, |fields| {
                fields.need("kind", "ServiceRole");
                fields.choice("kind", &[("ServiceRole", ())]);
                fields.need("name", "my-role")
            })
            .flatten()
        }
    }?;
    let name = text(node, fields.report)?;
    let known = roles.get(&(object.namespace, name));
    if known.is_none() {
        let message = format!(
            "there is no ServiceRole `{name}` in namespace `{}`: write one",
            object.namespace
        );
        fields.report.error(&node.origin, message);
    }
    known
}

/// One of `subjects`.
fn subject<'a>(fields: &Fields<'a>, context: &Context<'a>) -> Clause {
    let mut clause = Clause::default();
    if let Some(user) = fields
        .take("user")
        .and_then(|node| one(node, fields.report))
    {
        // Everybody, verified or not; those who are, `source.principal: "*"`.
        if user.text != "*" {
            clause.all.push(principals(&[user], context));
        }
    }
    field(
        fields,
        ["names", "notNames"],
        context,
        &mut clause,
        principals,
    );
    field(
        fields,
        ["namespaces", "notNamespaces"],
        context,
        &mut clause,
        namespaces,
    );
    field(fields, ["ips", "notIps"], context, &mut clause, addresses);
    tokens(
        fields,
        ["groups", "notGroups"],
        "a group",
        context,
        &mut clause,
    );
    refuse(
        fields,
        &[("group", "tokens are not verified: name a `user`")],
    );
    if let Some(node) = fields.take("properties") {
        match &node.value {
            Value::Map(entries) if entries.is_empty() => {
                let message = "no `properties` are anybody's: write one, or delete the key";
                fields.report.error(&node.origin, message);
            }
            Value::Map(entries) => entries
                .iter()
                .for_each(|entry| property(entry, context, &mut clause)),
            _ => {
                let message = format!("found {} where a map `key: value` belongs", node.kind());
                fields.report.error(&node.origin, message);
            }
        }
    }
    if fields.is_empty() {
        let message = "an empty subject: write such as `user: cluster.local/ns/default/sa/sleep`, or `user: \"*\"` for everybody";
        fields.report.error(fields.origin(), message);
    }
    clause
}

/// `source.namespace: default`.
fn property<'a>(entry: &'a Entry, context: &Context<'a>, clause: &mut Clause) {
    let report = context.report();
    let Some(value) = one(&entry.node, report) else {
        return;
    };
    match named(&entry.key) {
        Err(message) => report.error(&entry.origin, message),
        Ok(Attribute::Token) => {
            clause.never = true;
            let message = format!(
                "`{}` is never here, since tokens are not verified: the subject is nobody",
                entry.key
            );
            report.warning(&entry.origin, message);
        }
        Ok(attribute) => clause
            .all
            .push(attribute.ways(&[value] as &[Written<'a>], context)),
    }
}
