//! Whole configurations: the examples that are shipped, their cases, and what
//! random changes make of them.

use proptest::prelude::*;

use super::*;
use crate::cases::{Asked, Case, Verdict};
use policy::Next;

const EXAMPLES: [(&str, &str, &str); 4] = [
    (
        "minimal.yaml",
        include_str!("../examples/minimal.yaml"),
        include_str!("../examples/cases/minimal.yaml"),
    ),
    (
        "document-004.yaml",
        include_str!("../examples/document-004.yaml"),
        include_str!("../examples/cases/document-004.yaml"),
    ),
    (
        "realistic.yaml",
        include_str!("../examples/realistic.yaml"),
        include_str!("../examples/cases/realistic.yaml"),
    ),
    (
        "forward-proxy.yaml",
        include_str!("../examples/forward-proxy.yaml"),
        include_str!("../examples/cases/forward-proxy.yaml"),
    ),
];

fn environment() -> Environment {
    Environment {
        pod_name: Some("istio-egressgateway-747b6764b8-44rrh".to_owned()),
        hostname: "node-1".to_owned(),
        namespace: None,
        lists: Default::default(),
    }
}

fn compiled(name: &str, text: &str) -> Snapshot {
    let problems = |problems: Vec<Problem>| {
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        told.join("\n")
    };
    compile(&[SourceFile::new(name, text)], &environment())
        .map_err(problems)
        .unwrap()
}

#[test]
fn every_example_compiles_without_a_warning() {
    for (name, text, _) in EXAMPLES {
        assert_eq!(compiled(name, text).warnings(), [], "{name}");
    }
}

#[test]
fn every_example_is_listed_here() {
    for (folder, listed) in [
        ("examples", EXAMPLES.map(|e| e.0)),
        ("examples/cases", EXAMPLES.map(|e| e.0)),
    ] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let files = std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let files = files.filter(|path| path.extension().is_some_and(|e| e == "yaml"));
        let mut names: Vec<_> = files
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        let mut listed = listed.map(str::to_owned).to_vec();
        listed.sort();
        assert_eq!(names, listed, "{folder}");
    }
}

#[test]
fn every_example_decides_as_its_cases_say() {
    for (name, text, cases) in EXAMPLES {
        let snapshot = compiled(name, text);
        let file = SourceFile::new(format!("cases/{name}"), cases);
        for case in cases::parse(&file, "cluster.local").unwrap() {
            let (verdict, rule) = decided(&snapshot, &case);
            let place = &case.origin;
            match (&case.expect, &verdict) {
                (Verdict::Refuse { status, code }, Verdict::Refuse { status: s, code: c }) => {
                    assert!(status.is_none() || status == s, "{place}: {verdict:?}");
                    assert!(code.is_none() || code == c, "{place}: {verdict:?}");
                }
                (expected, _) => assert_eq!(*expected, verdict, "{place}"),
            }
            assert!(
                case.rule.is_none() || case.rule == rule,
                "{place}: {rule:?} {verdict:?}"
            );
        }
    }
}

#[test]
fn files_that_make_objects_are_told_from_objects() {
    let told = |name: &str, text: &str| {
        let files = [
            SourceFile::new("egress.yaml", EXAMPLES[0].1),
            SourceFile::new(name, text),
        ];
        let problems = compile(&files, &environment()).err().unwrap_or_default();
        let told = problems
            .iter()
            .map(|p| format!("{}: {}", p.origin.file, p.message));
        told.collect::<Vec<_>>()
    };
    let helm = "this file is a Helm chart's: write what `helm template` makes of the chart into a file of its own, and give that alone";
    let kustomize = "this file is Kustomize's: write what `kustomize build` makes of the folder into a file of its own, and give that alone";
    for (name, text, expected) in [
        (
            "c/Chart.yaml",
            "apiVersion: v2\nname: egress\nversion: 1.0.0\n",
            helm,
        ),
        ("c/values.yaml", "image: { tag: '1' }\n", helm),
        ("kustomization.yaml", "resources: [a.yaml]\n", kustomize),
        (
            "kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n",
            kustomize,
        ),
    ] {
        assert_eq!(told(name, text), [format!("{name}: {expected}")], "{text}");
    }
    let native = "version: 1\nlists: { x: [/a] }\n";
    assert_eq!(told("values.yaml", native), [""; 0]);
}

fn decided(snapshot: &Snapshot, case: &Case) -> (Verdict, Option<Box<str>>) {
    let admission = snapshot.admission();
    let named = |id| admission.rule(id).map(|rule| (*rule.name).into());
    let question = match &case.asked {
        Asked::Request(question) => question,
        Asked::Tunnel(tunnel) => {
            let listener = tunnel.listener(snapshot.settings()).unwrap();
            let caller = admission.caller(tunnel.principal.clone(), tunnel.address);
            return match admission.admit_tunnel(tunnel.raw(admission, listener, &caller, 0), 0) {
                Ok(admitted) => {
                    let rule = admitted.plan.grant().rule();
                    (Verdict::Allow, rule.and_then(named))
                }
                Err(refused) => {
                    let status = Some(refused.refusal.status());
                    let code = Some(refused.refusal.code().into());
                    (
                        Verdict::Refuse { status, code },
                        refused.rule.and_then(named),
                    )
                }
            };
        }
    };
    let caller = admission.caller(question.principal.clone(), question.address);
    let raw = question.raw(&caller, snapshot.settings(), 0);
    match admission.admit(raw, 0) {
        Ok(admitted) => {
            let verdict = match admitted.next {
                Next::Go(_) => Verdict::Allow,
                Next::Ask(_) => Verdict::Refer,
            };
            (verdict, admitted.next.rule().and_then(named))
        }
        Err(refused) => {
            let status = Some(refused.refusal.status());
            let code = Some(refused.refusal.code().into());
            (
                Verdict::Refuse { status, code },
                refused.rule.and_then(named),
            )
        }
    }
}

/// A change that hands and merges make: letters and lines that come, go, move.
#[derive(Clone, Debug)]
enum Change {
    Delete(usize, usize),
    Insert(usize, &'static str),
    Swap(usize, usize),
    Repeat(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let piece = prop::sample::select(vec![
        ":",
        " ",
        "  ",
        "- ",
        "\n",
        "\t",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\"",
        "'",
        "#",
        "&a ",
        "*a",
        "|",
        ">",
        "!x ",
        "~",
        "null",
        "0",
        "-1",
        "99999999999999999999",
        "é",
        "\u{0}",
        "---\n",
        "...\n",
        "list: x",
        "regex: (",
        "${",
        "%",
        "\r",
        "? ",
    ]);
    prop_oneof![
        (any::<usize>(), 1..40_usize).prop_map(|(at, n)| Change::Delete(at, n)),
        (any::<usize>(), piece).prop_map(|(at, piece)| Change::Insert(at, piece)),
        (any::<usize>(), any::<usize>()).prop_map(|(a, b)| Change::Swap(a, b)),
        any::<usize>().prop_map(Change::Repeat),
    ]
}

fn changed(text: &str, changes: &[Change]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for change in changes {
        let len = chars.len().max(1);
        match change {
            Change::Delete(at, n) => {
                let at = at % len;
                chars.drain(at.min(chars.len())..(at + n).min(chars.len()));
            }
            Change::Insert(at, piece) => {
                let at = (at % len).min(chars.len());
                chars.splice(at..at, piece.chars());
            }
            Change::Swap(a, b) if !chars.is_empty() => chars.swap(a % len, b % len),
            Change::Swap(..) => {}
            Change::Repeat(at) => {
                let text: String = chars.iter().collect();
                let mut lines: Vec<&str> = text.split('\n').collect();
                let at = at % lines.len();
                lines.insert(at, lines[at]);
                chars = lines.join("\n").chars().collect();
            }
        }
    }
    chars.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_compiles_or_has_its_problems_told_by_place(
        example in 0..EXAMPLES.len(),
        changes in prop::collection::vec(change(), 1..6),
    ) {
        let text = changed(EXAMPLES[example].1, &changes);
        let lines = u32::try_from(text.lines().count().max(1)).unwrap();
        if let Err(problems) = compile(&[SourceFile::new("f", text.as_str())], &environment()) {
            prop_assert!(problems.iter().any(|p| p.severity == Severity::Error));
            for problem in problems {
                prop_assert!((1..=lines).contains(&problem.origin.line), "{problem}");
                prop_assert!(problem.origin.column >= 1 && !problem.message.is_empty());
            }
        }
        let cases = changed(EXAMPLES[example].2, &changes);
        if let Err(problems) = cases::parse(&SourceFile::new("f", cases), "cluster.local") {
            prop_assert!(!problems.is_empty());
        }
    }
}
