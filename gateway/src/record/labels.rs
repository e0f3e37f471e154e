//! JSON lines of the operator's own keys, as Envoy's `json_format`: what is one
//! operator keeps its type and is `null` when absent, anything else is text.

use std::sync::Arc;

use conf::snapshot::Room;
use conf::text_format::{Piece, TextFormat};

use super::object::Object;
use super::operator::{self, Told};
use super::scalar::{self, Fraction};
use super::{Record, text};

const TEXT_BYTES: usize = 2 * 1024;

/// What the operator chose for the line.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) labels: Arc<[(Box<str>, TextFormat)]>,
    pub(crate) room: Room,
}

/// Appends the record's line, without its line ending.
pub(crate) fn line(out: &mut Vec<u8>, record: &Record<'_>, form: &Form) {
    let mut object = Object::divided(out, form.room);
    for (name, format) in form.labels.iter() {
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
    use conf::snapshot::{LINE_BYTES, Layout};

    use super::super::samples::World;
    use super::*;

    fn form(all: &[(&str, &str)]) -> Form {
        let label =
            |(name, text): &(&str, &str)| (Box::from(*name), TextFormat::parse(text).unwrap());
        let labels: Arc<[_]> = all.iter().map(label).collect();
        let room = Layout::Labels(Arc::clone(&labels)).room().unwrap();
        Form { labels, room }
    }

    fn written(record: &Record<'_>, form: &Form) -> String {
        let mut out = Vec::new();
        line(&mut out, record, form);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn long_texts_are_cut_and_take_no_other_field_away() {
        let world = World::new();
        let long = "\n".repeat(4_000);
        let record = Record {
            path: Some((&*long).into()),
            user_agent: Some(long.as_bytes()),
            referer: Some(long.as_bytes()),
            ..world.allowed()
        };
        // Callers' texts before everything else, and more than a line holds.
        let names: Vec<String> = (0..60).map(|number| format!("a{number:02}")).collect();
        let theirs = names
            .iter()
            .map(|name| (&**name, "%REQ(:PATH)% %REQ(REFERER)% %REQ(USER-AGENT)%"));
        let ours = [
            ("code", "%RESPONSE_CODE%"),
            ("from", "%DOWNSTREAM_REMOTE_ADDRESS%"),
            ("who", "%DOWNSTREAM_PEER_URI_SAN%"),
        ];
        let line = written(&record, &form(&theirs.chain(ours).collect::<Vec<_>>()));
        assert!(line.len() <= LINE_BYTES, "{}", line.len());
        let read: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&line).unwrap();
        assert_eq!(read.len(), 63);
        let who = record.source_principal.unwrap();
        assert_eq!(read["code"], 200);
        assert_eq!(read["from"], "10.10.0.21:34567");
        assert_eq!(read["who"], format!("spiffe://{who}"));
    }

    #[test]
    fn one_operator_keeps_its_type_and_several_are_text() {
        let world = World::new();
        let record = Record {
            user_agent: Some(b"a \"b\"\n"),
            ..world.allowed()
        };
        let form = form(&[
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
        let who = record.source_principal.unwrap();
        assert_eq!(
            written(&record, &form),
            format!(
                r#"{{"agent":"a \"b\"\u000a","both":"GET 200","code":200,"flags":"-","from":"10.10.0.21","none":null,"port":8443,"time":"261","who":"spiffe://{who}","word":"x"}}"#
            )
        );
    }
}
