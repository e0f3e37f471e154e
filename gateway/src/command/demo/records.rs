//! The gateway's own access lines, and what they say of a request.
//!
//! Every caller uses a connection of its own, so a record is found by its
//! caller's address: malformed requests and refused handshakes have no other
//! mark.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::client::Seen;
use super::folder::Folder;
use super::script::Outcome;

/// A log of every attempt, one JSON object a line.
pub(super) const EVERY_ATTEMPT: &str = "access.log";
/// The log document 004 asks for.
pub(super) const DOCUMENT_004: &str = "document-004.log";

/// Records follow their requests within milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);

/// The records of [`EVERY_ATTEMPT`].
#[derive(Debug)]
pub(super) struct Records(Vec<Value>);

/// What a record says.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) outcome: Outcome,
    /// File and line of the rule.
    pub(super) origin: Option<String>,
}

impl Records {
    /// Waits until each of these callers has its record, as far as they come.
    pub(super) async fn of(callers: &[SocketAddr], folder: &Folder) -> Self {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let records = Self::parse(&folder.read(EVERY_ATTEMPT));
            let complete = callers.iter().all(|caller| records.find(*caller).is_some());
            if complete || Instant::now() > deadline {
                return records;
            }
            sleep(PAUSE).await;
        }
    }

    fn parse(lines: &str) -> Self {
        // A line half written is none yet.
        Self(
            lines
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect(),
        )
    }

    fn find(&self, caller: SocketAddr) -> Option<&Value> {
        let caller = caller.to_string();
        self.0
            .iter()
            .find(|record| text(record, "downstream_remote_address") == Some(&caller))
    }

    /// What the record of this attempt says; none if there is no record.
    pub(super) fn tell(&self, seen: &Seen) -> Option<Told> {
        let record = self.find(seen.from)?;
        let origin = text(record, "rule_origin").and_then(|place| place.rsplit('/').next());
        Some(Told {
            outcome: outcome(record, seen.status)?,
            origin: origin.map(str::to_owned),
        })
    }
}

fn outcome(record: &Value, status: Option<u16>) -> Option<Outcome> {
    let rule = text(record, "rule");
    // Of a refusal by a rule, the rule says more.
    let refusal = text(record, "refusal").filter(|_| rule.is_none());
    let reason = refusal.or_else(|| text(record, "failure"));
    Some(Outcome {
        verdict: text(record, "decision")?.to_owned(),
        status,
        rule: rule.map(str::to_owned),
        reason: reason.map(str::to_owned),
    })
}

fn text<'a>(record: &'a Value, key: &str) -> Option<&'a str> {
    record.get(key)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(rest: &str) -> Told {
        let line = format!("{{\"downstream_remote_address\":\"127.0.0.1:4711\",{rest}}}\n{{\"half");
        let from = "127.0.0.1:4711".parse().unwrap();
        Records::parse(&line)
            .tell(&Seen {
                from,
                status: Some(403),
            })
            .unwrap()
    }

    #[test]
    fn a_record_is_found_by_its_caller_and_names_its_rule() {
        let told = told(
            r#""decision":"deny","refusal":"denied","rule":"r","rule_origin":"/tmp/x/demo.yaml:7""#,
        );
        let expected = Outcome {
            verdict: "deny".to_owned(),
            status: Some(403),
            rule: Some("r".to_owned()),
            reason: None,
        };
        assert_eq!(told.outcome, expected);
        assert_eq!(told.origin.as_deref(), Some("demo.yaml:7"));
    }

    #[test]
    fn without_a_rule_the_reason_is_told() {
        for (rest, reason) in [
            (
                r#""decision":"refuse","refusal":"no_route""#,
                Some("no_route"),
            ),
            (
                r#""decision":"allow","failure":"dns_failure""#,
                Some("dns_failure"),
            ),
            (r#""decision":"allow","failure":null"#, None),
        ] {
            assert_eq!(told(rest).outcome.reason.as_deref(), reason);
        }
    }

    #[test]
    fn an_attempt_without_record_is_told_nothing_of() {
        let from = "127.0.0.1:1".parse().unwrap();
        assert!(
            Records::parse("")
                .tell(&Seen { from, status: None })
                .is_none()
        );
    }
}
