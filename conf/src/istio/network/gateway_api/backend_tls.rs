//! BackendTLSPolicy: how TLS is spoken to a host. It becomes the DestinationRule
//! that says the same, to be asked where no DestinationRule speaks of TLS.

use std::sync::Arc;

use policy::destination::Pem;
use policy::pattern::HostPattern;

use super::super::super::kind::Kind;
use super::super::super::object::{Object, Objects};
use super::super::super::proto::{pass_over, refuse};
use super::super::super::scope::Scope;
use super::super::super::secret;
use super::super::destination_rule::DestinationRule;
use super::super::origination::Originate;
use super::super::service::{Service, covers};
use super::ISTIO;
use crate::fields::Fields;
use crate::native::host_name;

/// Every policy as rules, those for single ports first.
pub(in super::super) fn backend_tls_policies<'a>(
    objects: &Objects<'a>,
    services: &[Service<'a>],
    scope: &Scope<'a>,
) -> Vec<DestinationRule<'a>> {
    let reader = Reader {
        objects,
        services,
        scope,
    };
    let all = objects.of_kind(Kind::BackendTlsPolicy);
    let read =
        all.filter_map(|object| object.spec(scope.report, |fields| reader.policy(object, fields)));
    let mut rules: Vec<_> = read.flatten().collect();
    rules.sort_by_key(|(is_whole, _)| *is_whole);
    rules.into_iter().map(|(_, rule)| rule).collect()
}

/// Whether a rule is for every port, and the rule.
type Ranked<'a> = (bool, DestinationRule<'a>);

struct Reader<'r, 'a> {
    objects: &'r Objects<'a>,
    services: &'r [Service<'a>],
    scope: &'r Scope<'a>,
}

impl<'a> Reader<'_, 'a> {
    fn policy(&self, object: &Object<'a>, fields: &Fields<'a>) -> Vec<Ranked<'a>> {
        let report = self.scope.report;
        refuse(
            fields,
            &[("options", "write `validation`, or a DestinationRule")],
        );
        fields.need(
            "validation",
            "{ hostname: edition.cnn.com, wellKnownCACertificates: System }",
        );
        let validation = fields.take("validation").and_then(|node| {
            Fields::read_proto(node, report, |fields| self.validation(object, fields)).flatten()
        });
        fields.need(
            "targetRefs",
            "[{ group: networking.istio.io, kind: Hostname, name: edition.cnn.com }]",
        );
        let nodes = fields.many("targetRefs").iter();
        let targets = nodes.filter_map(|node| {
            Fields::read_proto(node, report, |fields| self.target(object, fields))
        });
        let targets: Vec<_> = targets.flatten().collect();
        let Some(tls) = validation else {
            return Vec::new();
        };
        let rule = |(host, ports): (HostPattern, Option<Vec<u16>>)| {
            let rule = DestinationRule::of_tls(object, host, ports.as_deref(), tls.clone());
            (ports.is_none(), rule)
        };
        targets.into_iter().map(rule).collect()
    }

    /// The hosts a target means, each with the ports if not all.
    fn target(
        &self,
        object: &Object<'a>,
        fields: &Fields<'a>,
    ) -> Vec<(HostPattern, Option<Vec<u16>>)> {
        let report = self.scope.report;
        fields.need("kind", "Hostname");
        fields.need("name", "edition.cnn.com");
        let group = fields.text("group").unwrap_or_default();
        let section = fields.text("sectionName");
        let (Some(kind), Some(name)) = (fields.text("kind"), fields.text("name")) else {
            return Vec::new();
        };
        let namespace = object.namespace;
        let hosts: Vec<HostPattern> = match (group, kind) {
            (ISTIO, "ServiceEntry") => {
                let entry = self.objects.named(Kind::ServiceEntry, namespace, name);
                let declared = self.services.iter().filter(|service| {
                    entry.is_some_and(|entry| std::ptr::eq(service.origin, entry.origin))
                });
                declared.map(|service| service.host.clone()).collect()
            }
            (ISTIO, "Hostname") => HostPattern::parse(name).into_iter().collect(),
            ("" | "core", "Service") => {
                let host = HostPattern::parse(&format!("{name}.{namespace}.svc.cluster.local"));
                host.into_iter().collect()
            }
            _ => {
                let message = format!(
                    "a `{kind}` of `{group}` is no upstream: write `group: {ISTIO}`, `kind: Hostname`"
                );
                report.error(fields.origin(), message);
                return Vec::new();
            }
        };
        let over = |host: &HostPattern| {
            let mut services = self.services.iter();
            services.find(|service| covers(&service.host, host))
        };
        let targets = hosts.into_iter().filter_map(|host| {
            let service = over(&host)?;
            let ports = service.ports.iter();
            let ports = section.map(|section| {
                let named = ports.filter(|port| port.name == section);
                named.map(|port| port.number).collect::<Vec<_>>()
            });
            Some((host, ports))
        });
        let targets: Vec<_> = targets.collect();
        let nothing = |ports: &Option<Vec<u16>>| ports.as_ref().is_some_and(Vec::is_empty);
        if targets.is_empty() || targets.iter().all(|(_, ports)| nothing(ports)) {
            let at = section.map_or(String::new(), |section| format!(" with a port `{section}`"));
            let message =
                format!("no object declares the {kind} `{name}`{at}: write a ServiceEntry");
            report.warning(fields.origin(), message);
        }
        targets
    }

    fn validation(&self, object: &Object<'a>, fields: &Fields<'a>) -> Option<Originate> {
        let report = self.scope.report;
        fields.need("hostname", "edition.cnn.com");
        let host = fields.parsed("hostname", host_name);
        let names = fields
            .many("subjectAltNames")
            .iter()
            .filter_map(|node| Fields::read_proto(node, report, name).flatten());
        let names: Vec<Box<str>> = names.collect();
        let system = fields.choice("wellKnownCACertificates", &[("System", ())]);
        let ca = self.authorities(object, fields);
        match (system, fields.entry("caCertificateRefs")) {
            (Some(()), Some(entry)) => {
                let message = "`caCertificateRefs` and `wellKnownCACertificates` exclude each other: write one of them";
                report.error(&entry.origin, message);
            }
            (None, None) => {
                let message = "whom to trust is missing: write `wellKnownCACertificates: System`, or `caCertificateRefs`";
                report.error(fields.origin(), message);
            }
            _ => {}
        }
        let host = host?;
        Some(Originate {
            ca,
            client: None,
            // With names of its own, the certificate need not have the server's.
            names: match names.is_empty() {
                true => vec![host.clone()],
                false => names,
            },
            server_name: Some(host),
        })
    }

    /// The certificates of all references together.
    fn authorities(&self, object: &Object<'a>, fields: &Fields<'a>) -> Option<Pem> {
        let report = self.scope.report;
        let mut all = String::new();
        for node in fields.many("caCertificateRefs") {
            Fields::read_proto(node, report, |fields| {
                pass_over(fields, &["group"]);
                fields.need("kind", "ConfigMap");
                fields.need("name", "ca");
                let kinds = [("ConfigMap", Kind::ConfigMap), ("Secret", Kind::Secret)];
                let kind = fields.choice("kind", &kinds)?;
                let name = fields.text("name")?;
                let held = self.objects.named(kind, object.namespace, name);
                match held.and_then(|held| secret::value(held, "ca.crt", self.scope)) {
                    Some(Pem::Text(pem)) => all.extend([&*pem, "\n"]),
                    Some(Pem::File(_)) | None => {
                        let message = format!(
                            "there is no {} `{name}` in `{}` that holds `ca.crt`: write it",
                            kind.name(),
                            object.namespace
                        );
                        report.error(fields.origin(), message);
                    }
                }
                Some(())
            });
        }
        (!all.is_empty()).then(|| Pem::Text(Arc::from(all)))
    }
}

/// `{ type: Hostname, hostname: … }`.
fn name(fields: &Fields<'_>) -> Option<Box<str>> {
    refuse(
        fields,
        &[(
            "uri",
            "it is the identity of a workload, which an external host has none of: write `type: Hostname`",
        )],
    );
    fields.need("type", "Hostname");
    fields.choice("type", &[("Hostname", ()), ("URI", ())]);
    fields.need("hostname", "edition.cnn.com");
    fields.parsed("hostname", host_name)
}
