//! Mixer's expressions and the subset of CEL.

use std::borrow::Cow;

use policy::expr::{Attribute, Attributes, Expr, Map, Truth, Type, Value};

/// An attempt in which every second attribute is there.
#[derive(Debug)]
struct Attempt {
    odd: bool,
}

impl Attributes for Attempt {
    fn value(&self, attribute: Attribute) -> Option<Value<'_>> {
        let place = Attribute::ALL.iter().position(|a| *a == attribute)?;
        let there = (place % 2 == 1) == self.odd;
        there.then(|| match attribute.ty() {
            Type::String => Value::String("edition.cnn.com/politics".into()),
            Type::Int64 => Value::Int(i64::MAX),
            Type::Double => Value::Double(f64::NAN),
            Type::Bool => Value::Bool(true),
            Type::Timestamp => Value::Timestamp(i128::from(i64::MIN)),
            Type::Duration => Value::Duration(i64::MIN),
            Type::IpAddress => Value::Ip([10, 0, 0, 1].into()),
            Type::DnsName => Value::DnsName("a.example".into()),
            Type::Email => Value::Email("a@b.example".into()),
            Type::Uri => Value::Uri("https://a.example/x".into()),
            Type::StringMap => Value::Map(Map::Of(attribute)),
        })
    }

    fn map_entry(&self, _: Attribute, key: &str) -> Option<Cow<'_, str>> {
        key.len()
            .is_multiple_of(2)
            .then_some(Cow::Borrowed("value"))
    }
}

/// The first byte chooses the dialect. What does not compile says where; what
/// does is answered for any attempt, in the type it was given.
pub fn target(data: &[u8]) {
    let Some((dialect, text)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let compile = match dialect % 2 {
        0 => Expr::cel,
        _ => Expr::cexl,
    };
    match compile(text) {
        Ok(expr) => check(&expr, text, compile),
        Err(error) => {
            let last = text.chars().count() + 1;
            assert!((1..=last).contains(&error.column), "{error} in {text:?}");
            assert!(!error.problem.to_string().is_empty());
        }
    }
}

fn check(expr: &Expr, text: &str, compile: fn(&str) -> Result<Expr, policy::expr::ExprError>) {
    assert_eq!(expr.text(), text);
    assert_eq!(compile(text).map(|again| again.ty()), Ok(expr.ty()));
    for odd in [false, true] {
        let attempt = Attempt { odd };
        if let Ok(value) = expr.eval(&attempt) {
            assert_eq!(value.ty(), expr.ty(), "{text}");
        }
        let (together, apart) = (expr.test(&attempt), expr.test_apart(&attempt));
        // Apart more can be told, and nothing is told otherwise.
        assert!(
            matches!(together, Truth::Absent(_)) || together == apart,
            "{text}"
        );
        let attributes = expr.attributes();
        let lacking = expr.test_lacking(&attempt, |a| attributes.contains(&a));
        assert!(lacking != Truth::True || attributes.is_empty(), "{text}");
    }
}

/// Expressions of both dialects.
pub fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        r#"request.host.endsWith("cnn.com") && source.principal != "cluster.local/ns/default/sa/politics""#,
        r#"request.path.startsWith("/politics") || request.headers["x-a"] == "b""#,
        r#"request.size > 1024 && response.code >= 400"#,
        r#"match(request.host, "*.cnn.com") && (request.method | "GET") == "GET""#,
        r#"request.url_path.matches('^/(health|sport)(/.*)?$')"#,
        r#"request.time < timestamp("2018-01-02T15:04:05Z")"#,
        r#"source.ip == ip("10.0.0.1") || conditional(true, 1, 2) == 1"#,
        r#"!(request.host in ["a", "b"]) ? true : has(request.headers["x"])"#,
    ];
    let of = |dialect: u8| texts.map(|text| [&[dialect], text.as_bytes()].concat());
    of(0).into_iter().chain(of(1)).collect()
}
