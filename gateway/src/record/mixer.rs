//! Mixer's line: `level`, `time` (the request's start, so that all lines of
//! one request share it), `instance`, then the operator's fields by name.
//!
//! Values keep their types, as Mixer's stdio adapter wrote them. A field whose
//! expression has no value is `null`: unlike Mixer, no line is lost for it.

use std::sync::Arc;

use conf::snapshot::{Level, Room};
use policy::expr::{Expr, Value};

use super::Record;
use super::object::{Object, key};
use super::scalar::{self, Fraction};

const TEXT_BYTES: usize = 2 * 1024;

/// What the operator chose for the line.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) level: Level,
    pub(crate) instance: Arc<str>,
    pub(crate) fields: Arc<[(Box<str>, Expr)]>,
    pub(crate) room: Room,
}

/// Appends the record's line, without its line ending.
pub(crate) fn line(out: &mut Vec<u8>, record: &Record<'_>, form: &Form) {
    let mut object = Object::divided(out, form.room);
    object.reckoned(key!("level"), form.level.as_str());
    object.member(key!("time"), Some(record.start_nanos), timestamp);
    object.reckoned(key!("instance"), &form.instance);
    for (name, expr) in form.fields.iter() {
        let value = expr.eval(record).ok().filter(is_written);
        object.named(name, value.as_ref(), put);
    }
    object.end();
}

/// Maps cannot be listed, and JSON has no name for infinity.
fn is_written(value: &Value<'_>) -> bool {
    match value {
        Value::Map(_) => false,
        Value::Double(number) => number.is_finite(),
        _ => true,
    }
}

fn put(object: &mut Object<'_>, value: &Value<'_>) {
    match value {
        Value::String(text) | Value::DnsName(text) | Value::Email(text) | Value::Uri(text) => {
            object.quoted(text.as_bytes(), TEXT_BYTES);
        }
        Value::Int(number) => object.display(number),
        Value::Double(number) => double(object, *number),
        Value::Bool(truth) => object.display(truth),
        Value::Timestamp(nanos) => timestamp(object, *nanos),
        Value::Duration(nanos) => {
            object.between_quotes(|out| scalar::go_duration(out, *nanos));
        }
        Value::Ip(address) => object.quoted(address.to_string().as_bytes(), TEXT_BYTES),
        Value::Map(_) => object.display(&"null"),
    }
}

/// Of hundreds of digits none but seventeen say anything.
fn double(object: &mut Object<'_>, number: f64) {
    match number.abs() {
        0.0 | 1e-7..1e17 => object.display(&number),
        _ => object.display(&format_args!("{number:e}")),
    }
}

fn timestamp(object: &mut Object<'_>, nanos: i128) {
    object.between_quotes(|out| scalar::timestamp(out, nanos, Fraction::Micros));
}

#[cfg(test)]
#[path = "mixer_tests.rs"]
mod tests;
