//! Decision cases: who asks what, and what should become of it. `egret test`
//! runs an operator's cases against his configuration.
//!
//! ```yaml
//! - as: sa:default/sleep
//!   request: GET http://edition.cnn.com/politics
//!   headers: { x-debug: "1" }
//!   expect: deny 403
//!   rule: path-checker
//! ```
//!
//! Instead of a request, `tls://www.googleapis.com:443` asks for TLS that passes
//! through, `tcp://db.example.com:5432` for bytes, and `CONNECT
//! www.googleapis.com:443` for what a forward proxy does.
//!
//! A request is kept as it is written, so that a case can hold an attack.

use policy::origin::Origin;

use crate::fields::{Fields, parsed};
use crate::file::SourceFile;
use crate::node::{Node, Value};
use crate::problem::Problem;
use crate::question::{NOWHERE, Question, TunnelQuestion, Wanted, caller, request};
use crate::report::Report;
use crate::yaml;

/// One request and what should become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Who asks what.
    pub asked: Asked,
    /// What should become of it.
    pub expect: Verdict,
    /// The rule that should decide.
    pub rule: Option<Box<str>>,
    /// Where it was written.
    pub origin: Origin,
}

/// What a case asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// For an answer to a request.
    Request(Question),
    /// For a tunnel.
    Tunnel(TunnelQuestion),
}

/// What should become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is let through and has a route.
    Allow,
    /// An external authoriser would be asked.
    Refer,
    /// It is refused, whether as malformed, by policy or for want of a route.
    Refuse {
        /// With this status, if the case says one.
        status: Option<u16>,
        /// With this code of a refusal, if the case says one.
        code: Option<Box<str>>,
    },
}

/// Reads the cases of a file. `sa:NAMESPACE/NAME` is of `trust_domain`, the
/// mesh's own.
///
/// # Errors
/// Every problem of the file.
pub fn parse(file: &SourceFile, trust_domain: &str) -> Result<Vec<Case>, Vec<Problem>> {
    let report = Report::default();
    let mut cases = Vec::new();
    for document in yaml::documents(file, &report) {
        let Value::List(nodes) = &document.value else {
            let message = format!("found {} where a list of cases belongs", document.kind());
            report.error(&document.origin, message);
            continue;
        };
        let case =
            |node| Fields::read(node, &report, |fields| case(fields, trust_domain)).flatten();
        cases.extend(nodes.iter().filter_map(case));
    }
    match report.has_errors() {
        true => Err(report.finish(std::slice::from_ref(file))),
        false => Ok(cases),
    }
}

fn case(fields: &Fields<'_>, trust_domain: &str) -> Option<Case> {
    fields.need("as", "sa:default/sleep");
    let caller = fields.parsed("as", |text| caller(text, trust_domain));
    fields.need("request", "GET http://edition.cnn.com/health");
    let wanted = fields.parsed("request", |text| match Wanted::is_meant(text) {
        true => Wanted::parse(text).map(Ok),
        false => request(text).map(Err),
    });
    let headers = match wanted {
        Some(Ok(_)) => Vec::new(),
        Some(Err(_)) | None => headers(fields),
    };
    let from = fields.parsed("from", |text| {
        text.parse()
            .map_err(|_| format!("`{text}` is no address: write such as `10.0.0.7`"))
    });
    let server_name = fields.text("sni").map(Box::from);
    let listener = fields.text("listener").map(Box::from);
    fields.need("expect", "allow");
    let expect = fields.parsed("expect", verdict);
    let rule = fields.text("rule").map(Box::from);
    let (principal, address) = (caller?, from.unwrap_or(NOWHERE));
    let asked = match wanted? {
        Ok(tunnel) => Asked::Tunnel(tunnel.by(principal, address, server_name, listener)),
        Err((method, authority, target)) => Asked::Request(Question {
            principal,
            address,
            method: method.into(),
            authority: authority.into(),
            target: target.into(),
            headers,
            server_name,
            listener,
        }),
    };
    Some(Case {
        asked,
        expect: expect?,
        rule,
        origin: fields.origin().clone(),
    })
}

/// `allow`, `refer`, `deny`, `deny 403`, `deny 403 not_allowed`.
fn verdict(text: &str) -> Result<Verdict, String> {
    let wrong = || {
        format!(
            "`{text}` is no verdict: write `allow`, `refer`, `deny`, `deny 403` or `deny 403 not_allowed`"
        )
    };
    let mut words = text.split(' ');
    let verdict = words.next();
    let status = match words.next() {
        None => None,
        Some(word) => Some(
            word.parse()
                .ok()
                .filter(|s| (400..=599).contains(s))
                .ok_or_else(wrong)?,
        ),
    };
    let code = words.next();
    let is_code = |code: &str| {
        !code.is_empty()
            && code
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    if code.is_some_and(|code| !is_code(code)) || words.next().is_some() {
        return Err(wrong());
    }
    match (verdict, status) {
        (Some("allow"), None) => Ok(Verdict::Allow),
        (Some("refer"), None) => Ok(Verdict::Refer),
        (Some("deny"), status) => Ok(Verdict::Refuse {
            status,
            code: code.map(Box::from),
        }),
        _ => Err(wrong()),
    }
}

fn headers(fields: &Fields<'_>) -> Vec<(Box<str>, Box<str>)> {
    let Some(node) = fields.take("headers") else {
        return Vec::new();
    };
    let Value::Map(entries) = &node.value else {
        let message = format!("found {} where a map `name: value` belongs", node.kind());
        fields.report.error(&node.origin, message);
        return Vec::new();
    };
    let values = entries.iter().flat_map(|entry| {
        let name: Box<str> = entry.key.to_ascii_lowercase().into();
        let values: &[Node] = entry.node.one_or_many();
        values.iter().map(move |value| (name.clone(), value))
    });
    let text = |(name, node)| {
        let value = parsed(node, fields.report, |text| Ok::<_, String>(Box::from(text)))?;
        Some((name, value))
    };
    values.filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use policy::Headers;
    use policy::principal::Principal;

    use super::*;
    use crate::question::Meant;

    fn cases(text: &str) -> Result<Vec<Case>, Vec<String>> {
        parse(&SourceFile::new("cases.yaml", text), "cluster.local").map_err(|problems| {
            let told = |p: Problem| format!("{}:{} {}", p.origin.line, p.origin.column, p.message);
            problems.into_iter().map(told).collect()
        })
    }

    fn question(case: &Case) -> &Question {
        match &case.asked {
            Asked::Request(question) => question,
            Asked::Tunnel(tunnel) => panic!("{tunnel:?}"),
        }
    }

    #[test]
    fn a_case_may_ask_for_a_tunnel() {
        let text = "- { as: sa:default/sleep, request: 'tls://a.test:8443', sni: outer.test, listener: mesh, expect: allow }\n";
        let cases = cases(text).unwrap();
        let Asked::Tunnel(tunnel) = &cases[0].asked else {
            panic!("{cases:?}");
        };
        let asked_for = Meant::Tls {
            server_name: "a.test".into(),
            port: 8443,
        };
        assert_eq!(
            (&tunnel.to, tunnel.outer.as_deref()),
            (&asked_for, Some("outer.test"))
        );
        assert_eq!(tunnel.listener.as_deref(), Some("mesh"));
        let headed = "- { as: anonymous, request: 'tcp://:1', headers: { a: b }, expect: allow }\n";
        assert!(self::cases(headed).unwrap_err()[0].contains("unknown field `headers`"));
    }

    #[test]
    fn reads_who_asks_what_and_what_should_become_of_it() {
        let text = "# two cases
- {as: sa:default/sleep, request: GET http://edition.cnn.com/politics, expect: deny 403, rule: path-checker}
- as: anonymous
  request: \"POST https://EXAMPLE.com:8443?q=/../x\"
  headers: {X-A: [one, two], x-b: '3'}
  from: 10.0.0.7
  sni: example.com
  expect: allow
";
        let cases = cases(text).unwrap();
        let sleep = Principal::from_name("cluster.local/ns/default/sa/sleep").unwrap();
        assert_eq!(question(&cases[0]).principal, Some(sleep));
        assert_eq!(
            (
                &*question(&cases[0]).method,
                &*question(&cases[0]).authority,
                &*question(&cases[0]).target
            ),
            ("GET", "edition.cnn.com", "/politics")
        );
        assert_eq!(
            cases[0].expect,
            Verdict::Refuse {
                status: Some(403),
                code: None
            }
        );
        assert_eq!(cases[0].rule.as_deref(), Some("path-checker"));
        assert_eq!((cases[0].origin.line, cases[0].origin.column), (2, 3));
        assert_eq!(question(&cases[1]).principal, None);
        assert_eq!(
            (
                &*question(&cases[1]).authority,
                &*question(&cases[1]).target
            ),
            ("EXAMPLE.com:8443", "/?q=/../x")
        );
        assert_eq!(question(&cases[1]).value("x-a", 1), Some(&b"two"[..]));
        assert_eq!(
            (
                question(&cases[1]).value("x-a", 2),
                question(&cases[1]).value("X-A", 0)
            ),
            (None, None)
        );
        assert_eq!(question(&cases[1]).address, IpAddr::from([10, 0, 0, 7]));
        assert_eq!(
            question(&cases[1]).server_name.as_deref(),
            Some("example.com")
        );
    }

    #[test]
    fn a_verdict_may_name_status_and_code() {
        let refuse = |status, code: Option<&str>| {
            Ok(Verdict::Refuse {
                status,
                code: code.map(Box::from),
            })
        };
        assert_eq!(verdict("deny"), refuse(None, None));
        assert_eq!(
            verdict("deny 404 no_route"),
            refuse(Some(404), Some("no_route"))
        );
        for text in [
            "",
            "Allow",
            "allow 200",
            "deny 200",
            "deny no_route",
            "deny 403  x",
            "deny 403 x y",
            "refuse",
        ] {
            assert!(verdict(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_problem_of_every_case_has_its_place() {
        let text = "- {as: sa:sleep, request: edition.cnn.com, expect: maybe}\n- {request: GET http:///x, rul: x}\n- text\n";
        assert_eq!(
            cases(text).unwrap_err(),
            [
                "1:8 `sa:sleep` is no caller: write `sa:NAMESPACE/NAME`, `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/NAME` or `anonymous`",
                "1:27 `edition.cnn.com` is no request: write such as `GET http://edition.cnn.com/health`",
                "1:52 `maybe` is no verdict: write `allow`, `refer`, `deny`, `deny 403` or `deny 403 not_allowed`",
                "2:3 `as` is missing: write such as `as: sa:default/sleep`",
                "2:3 `expect` is missing: write such as `expect: allow`",
                "2:13 `GET http:///x` is no request: write such as `GET http://edition.cnn.com/health`",
                "2:28 unknown field `rul`: did you mean `rule`?",
                "3:3 found a single value where a map `key: value` belongs",
            ]
        );
        assert_eq!(
            cases("as: x\n").unwrap_err(),
            ["1:1 found a map where a list of cases belongs"]
        );
    }
}
