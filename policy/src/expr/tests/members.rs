//! Lists outside the text.

use super::super::{Members, Pattern};
use super::{Attempt, Attribute, Expr, Truth, Type, Value, sleep};
use crate::expr::Fault;

fn texts(all: &[&str]) -> Vec<Box<str>> {
    all.iter().map(|text| (*text).into()).collect()
}

fn networks(all: &[&str]) -> Members {
    Members::Networks(all.iter().map(|text| text.parse().unwrap()).collect())
}

fn test(value: &str, members: Members, attempt: &Attempt) -> Truth {
    let expr = Expr::cexl(value).unwrap().among(members);
    assert_eq!(expr.ty(), Type::Bool);
    expr.test(attempt)
}

#[test]
fn a_value_is_on_a_list_by_the_lists_own_comparison() {
    let patterns =
        |all: &[&str]| Members::Patterns(all.iter().map(|p| Pattern::parse(p).unwrap()).collect());
    for (value, members, expected) in [
        (
            "request.host",
            Members::Texts(texts(&["x", "edition.cnn.com"])),
            true,
        ),
        ("request.method", Members::Texts(texts(&["get"])), false),
        ("request.method", Members::AnyCase(texts(&["gEt"])), true),
        ("request.url_path", patterns(&["^/sport", "liti"]), true),
        ("request.url_path", patterns(&["^liti"]), false),
        (
            r#""10.1.2.3" | request.host"#,
            networks(&["10.0.0.0/8"]),
            true,
        ),
        ("source.ip", networks(&["192.0.2.0/24"]), true),
        ("source.ip", networks(&["::ffff:192.0.2.7/128"]), true),
        ("source.ip", networks(&["10.0.0.0/8"]), false),
        ("request.host", Members::Texts(Vec::new()), false),
    ] {
        let from = Value::Ip("192.0.2.7".parse().unwrap());
        let attempt = sleep().with(Attribute::SourceIp, from);
        let expected = if expected { Truth::True } else { Truth::False };
        assert_eq!(
            test(value, members.clone(), &attempt),
            expected,
            "{value} {members:?}"
        );
    }
}

#[test]
fn what_has_no_value_is_on_no_list_and_off_none() {
    let nobody = Attempt::default();
    let absent = Truth::Absent(Fault::Absent(Attribute::SourcePrincipal));
    assert_eq!(
        test("source.principal", Members::Texts(texts(&["x"])), &nobody),
        absent
    );
    let no_address = test("request.host", networks(&["10.0.0.0/8"]), &sleep());
    assert_eq!(no_address, Truth::Absent(Fault::NotA(Type::IpAddress)));
}

#[test]
fn two_expressions_join_into_conjuncts_of_one() {
    let one =
        Expr::cexl(r#"request.host == "edition.cnn.com" && request.method == "GET""#).unwrap();
    let listed = Expr::cexl("request.url_path").unwrap();
    let listed = listed.among(Members::Texts(texts(&["/politics"])));
    let both = one.and(&listed);
    assert_eq!(both.conjuncts().len(), 3);
    assert_eq!(both.test(&sleep()), Truth::True);
    assert_eq!(
        both.and(&Expr::cexl("false").unwrap())
            .test(&Attempt::default()),
        Truth::False
    );
}

#[test]
fn the_text_of_a_membership_says_the_same_or_does_not_compile() {
    let value = Expr::cexl(r#"source.principal | "no\"body""#).unwrap();
    let patterns = vec![
        Pattern::parse(r"a\d").unwrap(),
        Pattern::parse("b").unwrap(),
    ];
    for members in [
        Members::Texts(texts(&["a\"b", "c"])),
        Members::Texts(Vec::new()),
        Members::AnyCase(texts(&["A"])),
        Members::Patterns(patterns),
    ] {
        let listed = value.among(members);
        let again = Expr::cexl(listed.text()).unwrap();
        let caller = |name| Attempt::default().text(Attribute::SourcePrincipal, name);
        for attempt in ["a\"b", "c", "a", "A", "xa1", "b", ""].map(caller) {
            assert_eq!(
                again.test(&attempt),
                listed.test(&attempt),
                "{}",
                listed.text()
            );
        }
    }
    let listed = value.among(networks(&["10.0.0.0/8"]));
    assert!(Expr::cexl(listed.text()).is_err() && Expr::cel(listed.text()).is_err());
}
