//! What a compiler of policies sees: conjuncts, folding, specialisation.

use super::super::{Affix, Attribute, Expr, Known, Node, Relation, Truth, Value};
use super::{Attempt, absent, compiled, sleep, string};

/// The conjuncts as a compiler that indexes hosts and paths would read them.
fn readable(expr: &Expr) -> Vec<String> {
    expr.conjuncts().iter().map(conjunct).collect()
}

fn conjunct(node: &Node) -> String {
    let (shape, subject, text) = match node {
        Node::Compare(Relation::Equal, subject, text) => ("==", subject, text),
        Node::Compare(Relation::NotEqual, subject, text) => ("!=", subject, text),
        Node::Affix(Affix::Prefix, subject, text) => ("^", subject, text),
        Node::Affix(Affix::Suffix, subject, text) => ("$", subject, text),
        other => return format!("{other:?}"),
    };
    match (subject.as_ref(), text.literal_text()) {
        (Node::Attribute(name), Some(text)) => format!("{} {shape} {text}", name.name()),
        _ => format!("{node:?}"),
    }
}

#[test]
fn conjuncts_can_be_lifted() {
    let expr = compiled(
        Expr::cexl,
        r#"(request.host.endsWith(".CNN.com") && match(request.path, "/politics*")) && ("GET" == request.method && match(source.principal, "a")) && context.reporter.uid != "x""#,
    );
    assert_eq!(
        readable(&expr),
        [
            "request.host $ .cnn.com",
            "request.path ^ /politics",
            "request.method == GET",
            "source.principal == a",
            "context.reporter.uid != x",
        ]
    );
}

#[test]
fn an_expression_without_conjunction_is_its_only_conjunct() {
    let expr = compiled(Expr::cel, "request.host == 'a' || request.host == 'b'");
    assert_eq!(expr.conjuncts().len(), 1);
    assert!(matches!(expr.conjuncts(), [Node::Or(_, terms)] if terms.len() == 2));
}

#[test]
fn what_is_not_lifted_is_left() {
    let expr = compiled(
        Expr::cexl,
        r#"request.host == "edition.cnn.com" && source.principal != "x""#,
    );
    let lifted = |node: &Node| conjunct(node).starts_with("request.host");
    let rest = expr.without(lifted);
    assert_eq!(readable(&rest), ["source.principal != x"]);
    assert_eq!(
        rest.test(&Attempt::default()),
        absent(Attribute::SourcePrincipal)
    );
    let nothing = rest.without(|_| true);
    assert_eq!(nothing.test(&Attempt::default()), Truth::True);
}

#[test]
fn a_constant_of_the_process_folds_away() {
    let text = r#"request.host.endsWith(".cnn.com") && context.reporter.uid.startsWith("kubernetes://istio-egressgateway")"#;
    let expr = compiled(Expr::cexl, text);
    let uid = Attribute::ContextReporterUid;
    let ours = expr.specialise(
        uid,
        &string("kubernetes://istio-egressgateway-1.istio-system"),
    );
    assert_eq!(readable(&ours), ["request.host $ .cnn.com"]);
    let other = expr.specialise(uid, &string("kubernetes://other.default"));
    assert_eq!(other.node().literal(), Some(&Value::Bool(false)));
    assert_eq!(ours.text(), r#"request.host.endsWith(".cnn.com")"#);
}

#[test]
fn a_false_conjunct_outweighs_an_absent_attribute() {
    let expr = compiled(
        Expr::cexl,
        r#"source.principal != "x" && context.reporter.kind == "inbound""#,
    );
    let kind = Attribute::ContextReporterKind;
    let outbound = expr.specialise(kind, &string("outbound"));
    assert_eq!(outbound.test(&Attempt::default()), Truth::False);
    let nested = compiled(
        Expr::cexl,
        r#"(source.principal != "x" && context.reporter.kind == "inbound") == false"#,
    );
    let nested = nested.specialise(kind, &string("outbound"));
    assert_eq!(
        nested.test(&Attempt::default()),
        absent(Attribute::SourcePrincipal)
    );
}

#[test]
fn a_value_of_another_type_specialises_nothing() {
    let expr = compiled(Expr::cexl, r#"context.reporter.uid == "x""#);
    let same = expr.specialise(Attribute::ContextReporterUid, &Value::Int(1));
    assert_eq!(readable(&same), ["context.reporter.uid == x"]);
}

#[test]
fn specialisation_settles_presence_and_defaults() {
    let uid = Attribute::ContextReporterUid;
    let cel = compiled(
        Expr::cel,
        "has(context.reporter.uid) && request.host == 'a'",
    );
    let cel = cel.specialise(uid, &string("u"));
    assert_eq!(readable(&cel), ["request.host == a"]);
    let cexl = compiled(Expr::cexl, r#"context.reporter.uid | "unknown""#);
    let cexl = cexl.specialise(uid, &string("u"));
    assert_eq!(cexl.node().literal(), Some(&string("u")));
}

#[test]
fn constants_are_computed_when_compiled() {
    for (compile, text, value) in [
        (
            Expr::cexl as super::Compile,
            "1 + 2 == 3",
            Value::Bool(true),
        ),
        (Expr::cexl, r#""a.c".matches("xabcx")"#, Value::Bool(true)),
        (
            Expr::cexl,
            r#"true || request.host == "a""#,
            Value::Bool(true),
        ),
        (
            Expr::cexl,
            r#"false && request.host == "a""#,
            Value::Bool(false),
        ),
        (
            Expr::cexl,
            r#"request.host == "a" && false"#,
            Value::Bool(false),
        ),
        (Expr::cel, "request.host == 'a' || true", Value::Bool(true)),
        (
            Expr::cel,
            "'GET' in ['GET'] ? 1 : source.port",
            Value::Int(1),
        ),
        (
            Expr::cel,
            "timestamp('1970-01-01T01:00:00Z').getHours()",
            Value::Int(1),
        ),
    ] {
        let expr = compiled(compile, text);
        assert_eq!(expr.node().literal(), Some(&value), "{text}");
    }
}

#[test]
fn attributes_are_told_with_when_they_are_known() {
    let expr = compiled(
        Expr::cel,
        "has(response.code) && request.headers['a'] == request.host && source.ip in cidr('10.0.0.0/8')",
    );
    let names: Vec<_> = expr.attributes().into_iter().map(Attribute::name).collect();
    assert_eq!(
        names,
        [
            "request.host",
            "request.headers",
            "response.code",
            "source.ip"
        ]
    );
    let latest = expr.attributes().into_iter().map(Attribute::known).max();
    assert_eq!(latest, Some(Known::Reporting));
}

#[test]
fn every_attribute_is_found_by_its_name_alone() {
    for attribute in Attribute::ALL {
        assert_eq!(Attribute::named(attribute.name()), Some(*attribute));
    }
}

#[test]
fn an_ordinary_evaluation_borrows() {
    let attempt = sleep();
    for text in [
        r#"request.host | "unknown""#,
        r#"source.user | "unknown""#,
        r#"request.headers["X-Tenant"] | "none""#,
        "toLower(request.host)",
        "dnsName(request.host)",
    ] {
        let expr = compiled(Expr::cexl, text);
        let borrowed = matches!(
            expr.eval(&attempt),
            Ok(Value::String(std::borrow::Cow::Borrowed(_))
                | Value::DnsName(std::borrow::Cow::Borrowed(_)))
        );
        assert!(borrowed, "{text}");
    }
}

#[test]
fn an_expression_of_another_type_is_never_true() {
    let expr = compiled(Expr::cexl, "request.host");
    assert!(matches!(expr.test(&sleep()), Truth::Absent(_)));
}
