//! Tests of the expression module as its callers see it.
//!
//! Cases are rows of text and answer; nothing here looks into the parsers.

mod cel;
mod cexl;
mod members;
mod refusals;
mod soup;
mod tree;

use std::borrow::Cow;
use std::collections::HashMap;

use super::{Ask, Attribute, Attributes, Expr, Fault, Letters, Map, Readings, Truth, Type, Value};

/// An attempt with just the attributes a test gives it.
#[derive(Debug, Default, Clone)]
pub(super) struct Attempt {
    values: HashMap<Attribute, Value<'static>>,
    entries: HashMap<(Attribute, String), String>,
}

impl Attempt {
    pub(super) fn with(mut self, attribute: Attribute, value: Value<'static>) -> Self {
        self.values.insert(attribute, value);
        self
    }

    pub(super) fn text(self, attribute: Attribute, text: &str) -> Self {
        self.with(attribute, string(text))
    }

    pub(super) fn entry(mut self, map: Attribute, key: &str, value: &str) -> Self {
        self.entries.insert((map, key.to_owned()), value.to_owned());
        self.with(map, Value::Map(Map::Of(map)))
    }
}

impl Attributes for Attempt {
    fn value(&self, attribute: Attribute) -> Option<Value<'_>> {
        self.values.get(&attribute).map(Value::borrowed)
    }

    fn map_entry(&self, attribute: Attribute, key: &str) -> Option<Cow<'_, str>> {
        let entry = self.entries.get(&(attribute, key.to_owned()))?;
        Some(Cow::Borrowed(entry))
    }
}

impl Readings for Attempt {
    fn each(&self, ask: &mut Ask<'_>) -> Result<(), Attribute> {
        ask(self, Letters::AsWritten);
        Ok(())
    }
}

pub(super) fn string(text: &str) -> Value<'static> {
    Value::String(Cow::Owned(text.to_owned()))
}

/// The seed's request: sleep in namespace default asks CNN for politics.
pub(super) fn sleep() -> Attempt {
    Attempt::default()
        .text(Attribute::RequestHost, "edition.cnn.com")
        .text(Attribute::RequestPath, "/politics?page=1")
        .text(Attribute::RequestUrlPath, "/politics")
        .text(Attribute::RequestMethod, "GET")
        .text(Attribute::RequestUserAgent, "curl/8.0")
        .text(
            Attribute::SourcePrincipal,
            "cluster.local/ns/default/sa/sleep",
        )
        .text(Attribute::SourceNamespace, "default")
        .text(
            Attribute::ContextReporterUid,
            "kubernetes://istio-egressgateway-abc.istio-system",
        )
        .with(Attribute::ConnectionMtls, Value::Bool(true))
        .with(Attribute::SourceIp, Value::Ip([10, 1, 12, 3].into()))
        .with(Attribute::SourcePort, Value::Int(40_000))
        .with(
            Attribute::RequestTime,
            Value::Timestamp(1_514_905_445_250_000_000),
        )
        .entry(Attribute::RequestHeaders, "x-tenant", "acme")
        .entry(Attribute::RequestHeaders, "x-count", "0")
        .entry(Attribute::RequestQueryParams, "page", "1")
}

/// The attempt of `sleep` once it has been answered.
pub(super) fn answered() -> Attempt {
    sleep()
        .with(Attribute::ResponseCode, Value::Int(403))
        .with(Attribute::ResponseSize, Value::Int(84))
        .with(Attribute::ResponseDuration, Value::Duration(20_000_000))
        .text(Attribute::ContextProxyErrorCode, "-")
}

type Compile = fn(&str) -> Result<Expr, super::ExprError>;

pub(super) fn compiled(compile: Compile, text: &str) -> Expr {
    match compile(text) {
        Ok(expr) => expr,
        Err(error) => panic!("`{text}` does not compile: {error}"),
    }
}

/// Each expression compiles and answers as its row says.
pub(super) fn answer(compile: Compile, attempt: &Attempt, rows: &[(&str, Truth)]) {
    for (text, truth) in rows {
        let expr = compiled(compile, text);
        assert_eq!(expr.ty(), Type::Bool, "{text}");
        assert_eq!(expr.test(attempt), *truth, "{text}");
    }
}

/// Each expression compiles and gives the value of its row.
pub(super) fn give(compile: Compile, attempt: &Attempt, rows: &[(&str, Value<'static>)]) {
    for (text, value) in rows {
        let expr = compiled(compile, text);
        assert_eq!(expr.eval(attempt), Ok(value.clone()), "{text}");
        assert_eq!(expr.ty(), value.ty(), "{text}");
    }
}

pub(super) fn absent(attribute: Attribute) -> Truth {
    Truth::Absent(Fault::Absent(attribute))
}
