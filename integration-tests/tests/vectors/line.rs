//! A line of the access log, read so strictly that nothing can hide in it.

use integration_tests::record::KEYS;
use serde_json::Value;

/// One JSON object with the known keys, each of them once.
#[derive(Debug)]
pub(crate) struct Line(Value);

impl Line {
    /// # Panics
    /// When it is anything else.
    pub(crate) fn read(text: String) -> Self {
        let value: Value =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("no JSON ({e}): {text:?}"));
        assert_eq!(keys(&text), KEYS, "{text}");
        Self(value)
    }

    pub(crate) fn caller(&self) -> &str {
        self.field("downstream_remote_address")
    }

    pub(crate) fn field(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    pub(crate) fn status(&self) -> u64 {
        self.0["response_code"].as_u64().unwrap_or_default()
    }
}

/// The object's keys as they stand in the text; a parser would keep one of two
/// of a name.
fn keys(text: &str) -> Vec<String> {
    let (mut keys, mut depth, mut string) = (Vec::new(), 0, None);
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match (character, string) {
            ('\\', Some(_)) => {
                characters.next();
            }
            ('"', Some(begin)) => {
                string = None;
                if depth == 1 && text[at + 1..].trim_start().starts_with(':') {
                    keys.push(text[begin + 1..at].to_owned());
                }
            }
            ('"', None) => string = Some(at),
            ('{' | '[', None) => depth += 1,
            ('}' | ']', None) => depth -= 1,
            _ => {}
        }
    }
    keys
}

#[test]
fn keys_that_stand_twice_are_seen_twice() {
    let text = r#"{"a":"x\",\"b\":1","c":{"d":1},"a":["e"]}"#;
    assert_eq!(keys(text), ["a", "c", "a"]);
}
