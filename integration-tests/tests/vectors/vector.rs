//! A hostile request and what may become of it, as the data says.

use regex::Regex;
use serde_json::Value;

const DATA: &str = include_str!("../../vectors/requests.jsonl");

/// One line of the data.
pub(crate) struct Vector {
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) sent: Sent,
    /// What must come of it.
    pub(crate) meant: Outcome,
    /// It is the design's own word, not one with a reason of ours.
    pub(crate) by_design: bool,
    /// What would do as well.
    pub(crate) others: Vec<Outcome>,
    pub(crate) never: Never,
    pub(crate) why: String,
}

/// What is sent.
pub(crate) enum Sent {
    Http1(Vec<u8>),
    Http2 {
        fields: Vec<(Vec<u8>, Vec<u8>)>,
        body: Vec<u8>,
    },
}

/// What may come of it.
pub(crate) enum Outcome {
    /// An answer of the gateway's own, with one of these.
    Refused(Vec<u16>),
    /// The origin's answer to this request.
    Forwarded(Forwarded),
    /// The origin has no whole request; the caller no answer, or a refusal.
    Aborted,
    /// The stream or the connection ends without an answer.
    Ended,
    /// No answer but that time is over.
    Silent,
}

/// A request as the origin must see it.
pub(crate) struct Forwarded {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) host: String,
    pub(crate) absent: Vec<String>,
    pub(crate) body: Option<String>,
}

/// What may not be, whatever else.
pub(crate) struct Never {
    pub(crate) more_requests_than: Option<u64>,
    pub(crate) more_connections_than: Option<u64>,
    pub(crate) more_answers_than: Option<u64>,
    /// In a head at the origin.
    pub(crate) head: Option<Regex>,
    pub(crate) host: Option<Regex>,
    /// In a path as the kindest of origins would read it.
    pub(crate) path: Option<Regex>,
}

/// All of them.
pub(crate) fn all() -> Vec<Vector> {
    let lines = DATA.lines();
    lines
        .map(|line| Vector::read(&serde_json::from_str(line).expect("a vector")))
        .collect()
}

impl Vector {
    fn read(line: &Value) -> Self {
        let more = line["accept"].as_array().cloned().unwrap_or_default();
        let instead = line.get("instead");
        if let Some(instead) = instead {
            assert!(!text(&instead["because"]).is_empty());
        }
        Self {
            id: text(&line["id"]),
            account: text(&line["principal"]),
            sent: Sent::read(line),
            meant: Outcome::read(instead.unwrap_or(&line["expect"])),
            by_design: instead.is_none(),
            others: more.iter().map(Outcome::read).collect(),
            never: Never::read(&line["never"]),
            why: text(&line["why"]),
        }
    }
}

impl Sent {
    fn read(line: &Value) -> Self {
        if line["kind"] == "h1" {
            return Self::Http1(bytes(&line["raw"]));
        }
        assert_eq!(line["kind"], "h2");
        let fields = line["headers"].as_array().expect("fields").iter();
        Self::Http2 {
            fields: fields.map(|f| (bytes(&f[0]), bytes(&f[1]))).collect(),
            body: bytes(&line["body"]),
        }
    }
}

impl Outcome {
    fn read(outcome: &Value) -> Self {
        match outcome["outcome"].as_str() {
            Some("reject" | "deny") => {
                let statuses = outcome["status"].as_array().expect("statuses").iter();
                Self::Refused(statuses.map(|s| s.as_u64().expect("one") as u16).collect())
            }
            Some("forward") => Self::Forwarded(Forwarded {
                method: text(&outcome["method"]),
                target: text(&outcome["target"]),
                host: text(&outcome["host"]),
                absent: texts(&outcome["headers_absent"]),
                body: outcome["body"].as_str().map(str::to_owned),
            }),
            Some("abort" | "abort_upstream") => Self::Aborted,
            Some("rst" | "goaway" | "close") => Self::Ended,
            Some("timeout") => Self::Silent,
            other => panic!("outcome {other:?}"),
        }
    }
}

impl Never {
    fn read(never: &Value) -> Self {
        let pattern = |key: &str| {
            let pattern = never[key].as_str()?;
            Some(Regex::new(pattern).expect("a pattern"))
        };
        Self {
            more_requests_than: never["max_upstream_requests"].as_u64(),
            more_connections_than: never["max_upstream_connections"].as_u64(),
            more_answers_than: never["max_responses"].as_u64(),
            head: pattern("upstream_contains"),
            host: pattern("upstream_host"),
            path: pattern("upstream_liberal_path"),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

fn texts(values: &Value) -> Vec<String> {
    values.as_array().into_iter().flatten().map(text).collect()
}

/// Latin-1: a byte a character.
fn bytes(value: &Value) -> Vec<u8> {
    let characters = value.as_str().expect("text").chars();
    characters
        .map(|c| u8::try_from(u32::from(c)).expect("Latin-1"))
        .collect()
}
