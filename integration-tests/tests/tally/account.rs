//! What was tried on a connection, held against what is told of it and what the
//! origin saw.

use std::collections::HashMap;
use std::net::SocketAddr;

use integration_tests::jsonl;
use integration_tests::record::reason;
use integration_tests::recorder::Seen;
use serde_json::Value;

use crate::fate::{AtOrigin, Fate, Told};

/// One connection.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// Whose it is, as records name him.
    pub(crate) caller: SocketAddr,
    /// In the order they were tried.
    pub(crate) fates: Vec<Fate>,
    /// Whether their ends are in that order, too.
    pub(crate) in_order: bool,
}

impl Account {
    /// Lines there must be.
    pub(crate) fn lines(&self) -> usize {
        let told = self.fates.iter().filter(|fate| fate.told != Told::Nothing);
        told.count()
    }
}

/// All that does not agree.
pub(crate) fn complaints(accounts: &[Account], lines: &[String], seen: &[Seen]) -> Vec<String> {
    let mut found = Vec::new();
    let mut told: HashMap<String, Vec<Value>> = HashMap::new();
    for line in lines {
        let record = jsonl::object(line);
        let caller = record["downstream_remote_address"].as_str();
        let caller = caller.unwrap_or_default().to_owned();
        told.entry(caller).or_default().push(record);
    }
    let mut asked: HashMap<String, Vec<&Seen>> = HashMap::new();
    for request in seen {
        let target = request.message.target();
        asked.entry(target).or_default().push(request);
    }
    for account in accounts {
        let records = told.remove(&account.caller.to_string()).unwrap_or_default();
        found.extend(mistold(account, records));
        let fates = account.fates.iter();
        found.extend(fates.filter_map(|fate| misasked(fate, &mut asked)));
    }
    let nobodys = |who: &String| format!("lines of nobody's: {who}");
    found.extend(told.keys().map(nobodys));
    let unexpected = |target: &String| format!("the origin was asked for {target}");
    found.extend(asked.keys().map(unexpected));
    found
}

/// Lines that are missing, one too many, or of something else.
fn mistold(account: &Account, mut records: Vec<Value>) -> Option<String> {
    let wrong = |records: &[Value]| {
        let told = records.iter().map(|r| {
            let (status, path) = (&r["response_code"], &r["path"]);
            format!("{status} {:?} {path}", reason(r))
        });
        let told: Vec<_> = told.collect();
        let fates: Vec<_> = account.fates.iter().map(|f| format!("{f:?}")).collect();
        format!("{fates:#?}\nis told as {told:#?}")
    };
    let all = records.clone();
    for fate in &account.fates {
        if fate.told == Told::Nothing {
            continue;
        }
        let within = if account.in_order { 1 } else { records.len() };
        let mut first = records.iter().take(within);
        match first.position(|record| fits(&fate.told, record)) {
            Some(place) => drop(records.remove(place)),
            None => return Some(wrong(&all)),
        }
    }
    (!records.is_empty()).then(|| wrong(&all))
}

fn fits(told: &Told, record: &Value) -> bool {
    match told {
        Told::Nothing => false,
        Told::OneOf(reasons) => reasons.contains(&reason(record)),
        Told::Line(status, why) => {
            let allowed = why.is_empty() || record["failure"].is_string();
            record["response_code"] == *status
                && reason(record) == *why
                && (record["decision"] == "allow") == allowed
        }
    }
}

/// A request that is missing at the origin, or there twice, or another; what was
/// expected is taken out.
fn misasked(fate: &Fate, asked: &mut HashMap<String, Vec<&Seen>>) -> Option<String> {
    let (target, least) = match &fate.at_origin {
        AtOrigin::Nothing => return None,
        AtOrigin::Whole(_, target) => (target, 1),
        AtOrigin::Perhaps(target) => (target, 0),
    };
    let requests = asked.remove(target).unwrap_or_default();
    let same = |request: &&Seen| match &fate.at_origin {
        AtOrigin::Whole(method, _) => request
            .message
            .start_line()
            .starts_with(&format!("{method} ")),
        _ => true,
    };
    let fine = (least..=1).contains(&requests.len()) && requests.iter().all(same);
    (!fine).then(|| format!("{fate:?}: {} times at the origin", requests.len()))
}

#[cfg(test)]
mod tests {
    use integration_tests::message::Message;

    use super::*;

    const CALLER: &str = "127.0.0.1:1000";

    fn line(status: u16, refusal: Option<&str>) -> String {
        let decision = if refusal.is_some() { "refuse" } else { "allow" };
        serde_json::json!({
            "downstream_remote_address": CALLER, "response_code": status,
            "refusal": refusal, "decision": decision,
        })
        .to_string()
    }

    fn seen(target: &str) -> Seen {
        let head = format!("GET {target} HTTP/1.1\r\n\r\n").into_bytes();
        Seen {
            message: Message {
                head,
                ..Message::default()
            },
            ..Seen::default()
        }
    }

    #[test]
    fn what_is_missing_or_too_much_is_seen() {
        let account = [Account {
            caller: CALLER.parse().unwrap(),
            fates: vec![
                Fate::passes("GET", "/a".to_owned()),
                Fate::ends(403, "denied"),
                Fate::nothing(),
            ],
            in_order: true,
        }];
        let good = [line(200, None), line(403, Some("denied"))];
        let wrong = |lines: &[String], seen: &[Seen]| complaints(&account, lines, seen).len();
        assert_eq!(wrong(&good, &[seen("/a")]), 0);
        assert_eq!(wrong(&good[..1], &[seen("/a")]), 1, "a line is missing");
        let again = [&good[..], &good[1..]].concat();
        assert_eq!(wrong(&again, &[seen("/a")]), 1, "a line stands twice");
        let swapped = [good[1].clone(), good[0].clone()];
        assert_eq!(wrong(&swapped, &[seen("/a")]), 1, "in another order");
        assert_eq!(wrong(&good, &[]), 1, "never asked");
        assert_eq!(wrong(&good, &[seen("/a"), seen("/a")]), 1, "asked twice");
        assert_eq!(wrong(&good, &[seen("/a"), seen("/b")]), 1, "another, too");
        let other = line(200, None).replace(CALLER, "127.0.0.1:2000");
        let strange = [&good[..], &[other]].concat();
        assert_eq!(wrong(&strange, &[seen("/a")]), 1, "of nobody's");
    }
}
