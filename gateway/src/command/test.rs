//! `egret test`: an operator's policy cases against his configuration.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use conf::cases::{self, Asked, Case, Verdict};
use conf::question::{Question, TunnelQuestion};
use conf::snapshot::Settings;
use conf::{Problem, Snapshot, SourceFile};
use policy::refusal::Refusal;
use policy::rule::{Effect, Rule};
use policy::{Admission, Next, RawRequest, RawTunnel};

use super::{ConfigArgs, LOCAL};
use crate::clock::Moment;
use crate::load::compile;

/// What `test` takes.
#[derive(Debug, Args)]
pub(super) struct TestArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Files of cases.
    #[arg(required = true)]
    cases: Vec<PathBuf>,
}

/// How far a case came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decided {
    Allowed,
    /// An authoriser would be asked.
    Referred,
    Refused,
}

/// What became of a case.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    verdict: String,
    decided: Decided,
    status: u16,
    code: &'static str,
    rule: Option<String>,
}

pub(super) fn test(args: &TestArgs) -> ExitCode {
    let snapshot = match compile(&args.config.source()) {
        Ok(loaded) => loaded.value,
        Err(error) => {
            eprint!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let (mut passed, mut failed) = (0_u32, 0_u32);
    for file in &args.cases {
        let cases = match read(file, snapshot.settings()) {
            Ok(cases) => cases,
            Err(problems) => {
                problems.iter().for_each(|problem| eprintln!("{problem}"));
                return ExitCode::FAILURE;
            }
        };
        for case in &cases {
            match difference(&snapshot, case) {
                None => passed += 1,
                Some(difference) => {
                    failed += 1;
                    println!("{difference}");
                }
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 && passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn read(path: &Path, settings: &Settings) -> Result<Vec<Case>, Vec<Problem>> {
    let domain = settings.trust.first().map_or(LOCAL, |t| &*t.domain);
    let reading = conf::read::read(&[path.to_owned()]);
    if !reading.problems.is_empty() {
        return Err(reading.problems);
    }
    let files: &[SourceFile] = &reading.files;
    let mut all = Vec::new();
    for file in files {
        all.extend(cases::parse(file, domain)?);
    }
    Ok(all)
}

/// What differs from what the case expects, in words; `None`: nothing.
fn difference(snapshot: &Snapshot, case: &Case) -> Option<String> {
    let outcome = match outcome(snapshot, case) {
        Ok(outcome) => outcome,
        Err(unknown) => return Some(format!("{}: {unknown}", case.origin)),
    };
    let as_expected = match &case.expect {
        Verdict::Allow => outcome.decided == Decided::Allowed,
        Verdict::Refer => outcome.decided == Decided::Referred,
        Verdict::Refuse { status, code } => {
            outcome.decided == Decided::Refused
                && status.is_none_or(|status| status == outcome.status)
                && code.as_deref().is_none_or(|code| code == outcome.code)
        }
    };
    let by_expected = case.rule.is_none() || case.rule.as_deref() == outcome.rule.as_deref();
    if as_expected && by_expected {
        return None;
    }
    let (asked, who) = told(&case.asked);
    let rule = |rule: Option<&str>| rule.map(|r| format!(" by {r}")).unwrap_or_default();
    Some(format!(
        "{}: {asked} as {who}\n  expected {}{}\n  found    {}{}",
        case.origin,
        expected(&case.expect),
        rule(case.rule.as_deref()),
        outcome.verdict,
        rule(outcome.rule.as_deref()),
    ))
}

fn expected(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allow => "allow".to_owned(),
        Verdict::Refer => "refer".to_owned(),
        Verdict::Refuse { status, code } => {
            let status = status.map(|s| format!(" {s}")).unwrap_or_default();
            let code = code.as_deref().map(|c| format!(" {c}")).unwrap_or_default();
            format!("deny{status}{code}")
        }
    }
}

/// What was asked, and by whom, in words.
fn told(asked: &Asked) -> (String, &str) {
    let (text, principal) = match asked {
        Asked::Request(question) => {
            let Question {
                method,
                authority,
                target,
                ..
            } = question;
            let text = format!("{method} http://{authority}{target}");
            (text, question.principal.as_ref())
        }
        Asked::Tunnel(question) => (question.to_string(), question.principal.as_ref()),
    };
    (text, principal.map_or("anonymous", |p| p.as_str()))
}

fn outcome(snapshot: &Snapshot, case: &Case) -> Result<Outcome, String> {
    let admission = snapshot.admission();
    let settings = snapshot.settings();
    let now = Moment::now().nanos;
    match &case.asked {
        Asked::Request(question) => {
            question.listener(settings)?;
            let caller = admission.caller(question.principal.clone(), question.address);
            Ok(decide(admission, question.raw(&caller, settings, now)))
        }
        Asked::Tunnel(question) => {
            let listener = question.listener(settings)?;
            let caller = admission.caller(question.principal.clone(), question.address);
            let raw = question.raw(admission, listener, &caller, now);
            Ok(decide_tunnel(admission, question, raw))
        }
    }
}

fn decide_tunnel(admission: &Admission, question: &TunnelQuestion, raw: RawTunnel<'_>) -> Outcome {
    let decided = match admission.admit_tunnel(raw, 0) {
        Err(refused) => (Err(refused.refusal), refused.rule),
        Ok(admitted) => (
            question.check_inner(&admitted.tunnel, &admitted.plan),
            admitted.plan.grant().rule(),
        ),
    };
    let (decided, rule) = decided;
    let deciding = rule.and_then(|id| admission.rule(id));
    let rule = deciding.map(|rule| rule.name.to_string());
    match decided {
        Ok(()) => Outcome {
            verdict: "allow".to_owned(),
            decided: Decided::Allowed,
            status: 200,
            code: "",
            rule,
        },
        Err(refusal) => {
            let (status, code) = (status(refusal, deciding), refusal.code());
            Outcome {
                verdict: format!("deny {status} {code}"),
                decided: Decided::Refused,
                status,
                code,
                rule,
            }
        }
    }
}

/// What a refusal is answered with, or would be: a rule may name another status.
fn status(refusal: Refusal, rule: Option<&Rule>) -> u16 {
    match (refusal, rule.map(|rule| &rule.effect)) {
        (Refusal::Denied, Some(Effect::Deny(answer))) => answer.status,
        (refusal, _) => refusal.status(),
    }
}

fn decide(admission: &Admission, raw: RawRequest<'_>) -> Outcome {
    let name = |id| admission.rule(id).map(|rule| rule.name.to_string());
    match admission.admit(raw, 0) {
        Ok(admitted) => {
            let (verdict, decided) = match &admitted.next {
                Next::Go(_) => ("allow", Decided::Allowed),
                Next::Ask(_) => ("refer", Decided::Referred),
            };
            Outcome {
                verdict: verdict.to_owned(),
                decided,
                status: 200,
                code: "",
                rule: admitted.next.rule().and_then(name),
            }
        }
        Err(refused) => {
            let rule = refused.rule.and_then(|id| admission.rule(id));
            let status = status(refused.refusal, rule);
            let code = refused.refusal.code();
            Outcome {
                verdict: format!("deny {status} {code}"),
                decided: Decided::Refused,
                status,
                code,
                rule: refused.rule.and_then(name),
            }
        }
    }
}
