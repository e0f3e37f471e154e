//! Expressions and the texts that hold them.

use policy::expr::{Attribute, Dialect, Expr, ExprError, Node, Value};
use policy::origin::Origin;
use policy::rule::{Template, TemplatePart};

use super::Writer;
use crate::yaml::emit::Out;

impl Writer<'_> {
    /// A condition; nothing for one that always holds.
    pub(super) fn condition(&self, expr: &Expr, origin: &Origin) -> Option<Out> {
        if expr.node().literal() == Some(&Value::Bool(true)) {
            return None;
        }
        let compile = match expr.dialect() {
            Dialect::Cel => Expr::cel,
            Dialect::Cexl => Expr::cexl,
        };
        self.check(expr, compile, origin);
        let text = Out::text(expr.text());
        Some(match expr.dialect() {
            Dialect::Cel => text,
            Dialect::Cexl => Out::one("mixer", text),
        })
    }

    /// A value, in Mixer's language.
    pub(super) fn value(&self, expr: &Expr, origin: &Origin) -> String {
        self.check(expr, Expr::cexl, origin);
        expr.text().to_owned()
    }

    /// Whether the text still says what the expression asks, which others may
    /// have taken apart.
    fn check(&self, expr: &Expr, compile: fn(&str) -> Result<Expr, ExprError>, origin: &Origin) {
        let uid = Value::String(self.reporter_uid.as_str().into());
        let here = |expr: &Expr| shown(expr.specialise(Attribute::ContextReporterUid, &uid).node());
        if !compile(expr.text()).is_ok_and(|read| here(&read) == here(expr)) {
            self.unsayable(origin, &format!("what is left of `{}`", expr.text()));
        }
    }

    /// `${…}` for values, `$${` for the signs themselves.
    pub(super) fn template(&self, template: &Template, origin: &Origin) -> String {
        let mut out = String::new();
        let mut text = String::new();
        let flush = |out: &mut String, text: &mut String| {
            out.push_str(&text.replace("${", "$${"));
            text.clear();
        };
        for part in &template.0 {
            match part {
                TemplatePart::Text(more) => text.push_str(more),
                TemplatePart::Value(expr) => {
                    // A `$` before `${` would take its meaning away.
                    let plain = text.trim_end_matches('$').len();
                    let dollars = text.split_off(plain);
                    flush(&mut out, &mut text);
                    if !dollars.is_empty() {
                        out.push_str(&format!("${{\"{dollars}\"}}"));
                    }
                    out.push_str("${");
                    out.push_str(&self.value(expr, origin));
                    out.push('}');
                }
            }
        }
        flush(&mut out, &mut text);
        out
    }
}

/// Two trees that are shown alike are alike.
fn shown(node: &Node) -> String {
    format!("{node:?}")
}
