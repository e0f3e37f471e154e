//! JSON lines of the operator's own keys, as Envoy's `json_format`: what is one
//! operator keeps its type and is `null` when absent, anything else is text.

use conf::text_format::{Piece, TextFormat};

use super::object::Object;
use super::operator::{self, Told};
use super::scalar::{self, Fraction};
use super::{Record, text};

const TEXT_BYTES: usize = 2 * 1024;

/// Appends the record's line, without its line ending.
pub(crate) fn line(out: &mut Vec<u8>, record: &Record<'_>, labels: &[(Box<str>, TextFormat)]) {
    let mut object = Object::begin(out);
    for (name, format) in labels {
        match format.pieces() {
            [Piece::Value { operator, .. }] => {
                object.named(name, operator::value(operator, record), put);
            }
            _ => {
                let mut mixed = Vec::new();
                text::line(&mut mixed, record, format);
                object.named(name, Some(mixed), |object, text| {
                    object.quoted(&text, TEXT_BYTES);
                });
            }
        }
    }
    object.end();
}

fn put(object: &mut Object<'_>, value: Told<'_>) {
    match value {
        Told::Text(text, most) => object.quoted(&text, most),
        Told::Number(number) => scalar::decimal(object.out, number),
        Told::Digits(number) => object.between_quotes(|out| scalar::decimal(out, number)),
        Told::Address(address) => object.between_quotes(|out| scalar::address(out, address)),
        Told::Ip(ip) => object.between_quotes(|out| scalar::ip(out, ip)),
        Told::Time(nanos) => {
            object.between_quotes(|out| scalar::timestamp(out, nanos, Fraction::Millis));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::samples::World;
    use super::*;

    fn labels(all: &[(&str, &str)]) -> Arc<[(Box<str>, TextFormat)]> {
        let label =
            |(name, text): &(&str, &str)| (Box::from(*name), TextFormat::parse(text).unwrap());
        all.iter().map(label).collect()
    }

    #[test]
    fn one_operator_keeps_its_type_and_several_are_text() {
        let world = World::new();
        let record = Record {
            user_agent: Some(b"a \"b\"\n"),
            ..world.allowed()
        };
        let labels = labels(&[
            ("agent", "%REQ(USER-AGENT)%"),
            ("both", "%REQ(:METHOD)% %RESPONSE_CODE%"),
            ("code", "%RESPONSE_CODE%"),
            ("flags", "%RESPONSE_FLAGS%"),
            ("from", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
            ("none", "%REQ(x-none)%"),
            ("port", "%DOWNSTREAM_LOCAL_PORT%"),
            ("time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"),
            ("who", "%DOWNSTREAM_PEER_URI_SAN%"),
            ("word", "x"),
        ]);
        let mut out = Vec::new();
        line(&mut out, &record, &labels);
        let who = record.source_principal.unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!(
                r#"{{"agent":"a \"b\"\u000a","both":"GET 200","code":200,"flags":"-","from":"10.10.0.21","none":null,"port":8443,"time":"261","who":"spiffe://{who}","word":"x"}}"#
            )
        );
    }
}
