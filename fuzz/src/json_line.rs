//! The line a log keeps of an attempt.

use std::borrow::Cow;

use gateway::fuzzing::json_line;
use gateway::record::{Decision, Record};
use serde_json::{Map, Value};

/// The longest line.
const MOST: usize = 16 * 1024;
/// Between the texts of a record.
const NEXT: u8 = 0xff;

/// Texts, divided by bytes 0xff, in the places of a record that a caller or an
/// upstream fills. The line is one line, one object, of the keys it always has.
pub fn target(data: &[u8]) {
    let local = ([127, 0, 0, 1], 8443).into();
    let bare = Record::of_connection(1_511_200_924_533_000_000, local, local);
    let mut texts = data.split(|byte| *byte == NEXT);
    let mut bytes = || texts.next().filter(|text| !text.is_empty());
    let agent = bytes();
    let (forwarded, request_id) = (bytes(), bytes());
    let mut text = || bytes().map(String::from_utf8_lossy);
    let name = text();
    let record = Record {
        user_agent: agent,
        x_forwarded_for: forwarded,
        request_id,
        requested_server_name: name.as_deref(),
        method: text(),
        path: text(),
        authority: text(),
        response_code_details: text(),
        connection_termination_details: text(),
        upstream_transport_failure_reason: text(),
        upstream_cluster: text(),
        decision: Decision::Deny,
        ..bare.clone()
    };
    let line = json_line(&record);
    assert!(line.len() <= MOST, "{} bytes", line.len());
    assert!(
        !line.iter().any(u8::is_ascii_control),
        "{}",
        line.escape_ascii()
    );
    let object = object(&line);
    let expected = keys(&json_line(&bare));
    assert_eq!(keys(&line), expected, "{}", line.escape_ascii());
    assert_eq!(object.len(), expected.len(), "a key came twice");
    assert_eq!(object["decision"], "deny");
    check_text(&object, "user_agent", agent.map(String::from_utf8_lossy));
    check_text(&object, "path", record.path);
    check_text(&object, "authority", record.authority);
    check_text(&object, "method", record.method);
}

/// What was said is there, from its beginning.
fn check_text(object: &Map<String, Value>, key: &str, text: Option<Cow<'_, str>>) {
    match text {
        None => assert!(object[key].is_null(), "{key}"),
        Some(text) => {
            let told = object[key].as_str().expect("a text");
            assert!(text.starts_with(told), "{key}: {told:?} of {text:?}");
            assert!(!told.is_empty(), "{key}");
        }
    }
}

fn object(line: &[u8]) -> Map<String, Value> {
    match serde_json::from_slice(line) {
        Ok(Value::Object(object)) => object,
        other => panic!("{other:?}: {}", line.escape_ascii()),
    }
}

/// The keys in the order written, read without a parser that would merge them:
/// strings before a colon, where no string is open.
fn keys(line: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut bytes = line.iter().copied();
    let mut last = Vec::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                last.clear();
                while let Some(byte) = bytes.next().filter(|byte| *byte != b'"') {
                    last.push(byte);
                    if byte == b'\\' {
                        last.extend(bytes.next());
                    }
                }
            }
            b':' => found.push(String::from_utf8_lossy(&last).into_owned()),
            _ => {}
        }
    }
    found
}

/// Texts that would like to be more than texts.
pub fn seeds() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 6] = [
        b"curl/8",
        b"\",\"decision\":\"allow\",\"x\":\"",
        b"\\\"\r\n{\"a\":1}",
        b"\xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80\xc3",
        b"\x00\x1b[31m\x7f",
        &[b'\\'; 3000],
    ];
    let mut all: Vec<_> = texts.iter().map(|text| text.to_vec()).collect();
    all.push(texts.map(<[u8]>::to_vec).join(&NEXT));
    all.extend(super::seeds::requests());
    all
}
