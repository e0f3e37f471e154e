use policy::expr::{Expr, Truth};
use policy::request::Headers;

use super::super::HeaderFields;
use super::super::samples::World;
use super::*;

struct Fields;

impl Headers for Fields {
    fn value(&self, name: &str, index: usize) -> Option<&[u8]> {
        match (name, index) {
            ("x-tenant", 0) => Some(b"acme"),
            ("accept", 0) => Some(b"text/html"),
            ("accept", 1) => Some(b"a\xff"),
            _ => None,
        }
    }
}

fn holds(record: &Record<'_>, text: &str) -> Truth {
    Expr::cexl(text).unwrap().test(record)
}

#[test]
fn answers_what_rules_of_document_004_ask() {
    let world = World::new();
    let record = Record {
        reporter_uid: Some("kubernetes://istio-egressgateway-1.istio-system"),
        ..world.allowed()
    };
    for text in [
        r#"request.host.endsWith(".cnn.com")"#,
        r#"request.path == "/politics?page=2" && request.url_path == "/politics""#,
        r#"context.reporter.uid.startsWith("kubernetes://istio-egressgateway")"#,
        r#"source.principal == "cluster.local/ns/default/sa/sleep""#,
        r#"source.namespace == "default" && source.serviceAccount == "sleep""#,
        "response.code == 200 && response.size == 1883355",
        r#"request.query_params["page"] == "2""#,
        r#"context.protocol == "http" && context.proxy_error_code == "-""#,
        r#"source.ip == ip("10.10.0.21") && destination.port == 443"#,
        "connection.mtls",
    ] {
        assert_eq!(holds(&record, text), Truth::True, "{text}");
    }
}

#[test]
fn headers_of_several_values_are_joined() {
    let world = World::new();
    let record = Record {
        headers: Some(HeaderFields(&Fields)),
        ..world.allowed()
    };
    assert_eq!(
        holds(&record, r#"request.headers["x-tenant"] == "acme""#),
        Truth::True
    );
    assert_eq!(
        record
            .map_entry(Attribute::RequestHeaders, "accept")
            .unwrap(),
        "text/html,a\u{fffd}"
    );
    assert_eq!(record.map_entry(Attribute::RequestHeaders, "x-other"), None);
}

#[test]
fn every_value_is_of_its_attributes_type() {
    let world = World::new();
    let record = Record {
        headers: Some(HeaderFields(&Fields)),
        reporter_uid: Some("kubernetes://a.b"),
        grpc_status: Some(7),
        shadow_rule: world.denied().rule,
        referer: Some(b"http://a/"),
        ..world.denied()
    };
    let mut present = 0;
    for attribute in Attribute::ALL {
        if let Some(value) = record.value(*attribute) {
            assert_eq!(value.ty(), attribute.ty(), "{}", attribute.name());
            present += 1;
        }
    }
    assert!(present > 45, "{present}");
}

#[test]
fn an_unverified_caller_has_no_principal() {
    let world = World::new();
    let record = Record {
        source_principal: None,
        ..world.allowed()
    };
    assert_eq!(record.value(Attribute::SourcePrincipal), None);
    assert_eq!(holds(&record, "connection.mtls"), Truth::False);
}
