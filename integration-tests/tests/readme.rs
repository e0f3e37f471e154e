//! What README.md says, held against the code: the table of refusals and
//! failures, the log's fields, the configuration and its cases, the commands
//! and the links.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use conf::cases::{self, Asked, Case, Verdict};
use conf::snapshot::Limits;
use conf::{Environment, Snapshot, SourceFile};
use policy::canonical::Malformed;
use policy::refusal::{Failure, Refusal};
use policy::rule::Effect;
use policy::{Admission, Next, Refused, RuleId};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The text below a heading, up to the next of its kind.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let (_, rest) = text
        .split_once(&format!("\n## {heading}\n"))
        .expect(heading);
    rest.split("\n## ").next().unwrap_or(rest)
}

/// The cells of the rows of a section's tables, those that begin with a code.
fn rows(text: &str) -> Vec<Vec<String>> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.trim_matches('|').replace("\\|", "\u{0}"));
    let cell = |text: &str| text.trim().trim_matches('`').replace('\u{0}', "|");
    cells
        .map(|row| row.split('|').map(cell).collect())
        .collect()
}

/// The fenced blocks of one language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(&*fence)
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect()
}

#[test]
fn the_table_of_refusals_and_failures_is_that_of_the_code() {
    let status = |status: u16| match status {
        0 => "–".to_owned(),
        status => status.to_string(),
    };
    let mut expected = BTreeMap::new();
    let plain = Refusal::ALL
        .iter()
        .copied()
        .filter(|r| !matches!(r, Refusal::Malformed(_)));
    for refusal in plain.chain(Malformed::ALL.iter().copied().map(Refusal::Malformed)) {
        expected.insert(refusal.code(), (status(refusal.status()), refusal.flags()));
    }
    for failure in Failure::ALL {
        expected.insert(failure.code(), (status(failure.status()), failure.flags()));
    }
    let readme = read("README.md");
    let rows = rows(section(&readme, "Refusals and failures"));
    let mut told = BTreeMap::new();
    for row in &rows {
        let [code, status, flags, meaning] = row.as_slice() else {
            panic!("{row:?}")
        };
        assert!(meaning.len() > 10, "`{code}` is not explained");
        assert!(
            told.insert(&**code, (status.clone(), &**flags)).is_none(),
            "`{code}` stands twice"
        );
    }
    for (code, values) in &expected {
        assert_eq!(told.get(code), Some(values), "the row of `{code}`");
    }
    let stale: Vec<_> = told
        .keys()
        .filter(|code| !expected.contains_key(**code))
        .collect();
    assert!(stale.is_empty(), "no such codes: {stale:?}");
}

#[test]
fn the_table_of_fields_is_that_of_the_line() {
    let layout = read("gateway/src/record/json.rs");
    let written: BTreeSet<_> = layout
        .split("key!(\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .collect();
    let readme = read("README.md");
    let told: Vec<_> = rows(section(&readme, "The log"))
        .into_iter()
        .map(|mut row| row.remove(0))
        .collect();
    assert!(written.len() >= 24);
    assert_eq!(told.iter().cloned().collect::<BTreeSet<_>>(), written);
    assert_eq!(told.len(), written.len(), "a field stands twice");
}

fn configuration() -> Snapshot {
    let readme = read("README.md");
    let blocks = blocks(&readme, "yaml");
    let file = SourceFile::new("README.md", *blocks.first().expect("a configuration"));
    conf::compile(&[file], &Environment::default()).unwrap_or_else(|problems| {
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", problems.join("\n"))
    })
}

#[test]
fn the_configuration_compiles_without_a_warning() {
    let snapshot = configuration();
    assert!(snapshot.warnings().is_empty(), "{:?}", snapshot.warnings());
}

/// The status, code and rule a refused case gets.
fn refused(admission: &Admission, refused: &Refused<'_>) -> (u16, &'static str) {
    let rule = refused.rule.and_then(|id| admission.rule(id));
    match (refused.refusal, rule.map(|rule| &rule.effect)) {
        (Refusal::Denied, Some(Effect::Deny(answer))) => (answer.status, "denied"),
        (refusal, _) => (refusal.status(), refusal.code()),
    }
}

fn holds(snapshot: &Snapshot, case: &Case) -> bool {
    let admission = snapshot.admission();
    let Asked::Request(question) = &case.asked else {
        panic!("{case:?}");
    };
    let caller = admission.caller(question.principal.clone(), question.address);
    let raw = question.raw(&caller, snapshot.settings(), 0);
    let decided = admission.admit(raw, 0);
    let rule: Option<RuleId> = match &decided {
        Ok(admitted) => admitted.next.rule(),
        Err(refused) => refused.rule,
    };
    let name = rule
        .and_then(|id| admission.rule(id))
        .map(|rule| &*rule.name);
    let verdict = match (&case.expect, &decided) {
        (Verdict::Allow, Ok(admitted)) => matches!(admitted.next, Next::Go(_)),
        (Verdict::Refer, Ok(admitted)) => matches!(admitted.next, Next::Ask(_)),
        (Verdict::Refuse { status, code }, Err(why)) => {
            let (is, called) = refused(admission, why);
            status.is_none_or(|status| status == is)
                && code.as_deref().is_none_or(|code| code == called)
        }
        _ => false,
    };
    verdict && case.rule.as_deref().is_none_or(|rule| name == Some(rule))
}

#[test]
fn the_cases_hold_for_the_configuration() {
    let snapshot = configuration();
    let readme = read("README.md");
    let file = SourceFile::new("README.md", blocks(&readme, "yaml")[1]);
    let cases = cases::parse(&file, "cluster.local").expect("cases");
    assert!(cases.len() >= 5);
    for case in &cases {
        assert!(holds(&snapshot, case), "{case:?}");
    }
}

#[test]
fn what_passes_through_is_configured_as_shown() {
    let readme = read("README.md");
    let text = format!("version: 1\n{}", blocks(&readme, "yaml")[2]);
    let file = SourceFile::new("README.md", text);
    let snapshot = conf::compile(&[file], &Environment::default()).expect("a configuration");
    let admission = snapshot.admission();
    assert_eq!(
        (admission.passages().len(), admission.tcp_routes().len()),
        (1, 1)
    );
    assert_eq!(snapshot.warnings().len(), 0, "{:?}", snapshot.warnings());
}

#[test]
fn a_forward_proxy_is_configured_as_shown() {
    let readme = read("README.md");
    let text = format!("version: 1\n{}", blocks(&readme, "yaml")[3]);
    let file = SourceFile::new("README.md", text);
    let snapshot = conf::compile(&[file], &Environment::default()).expect("a configuration");
    assert!(snapshot.settings().listeners[0].mode.is_proxy());
    assert_eq!(snapshot.warnings().len(), 0, "{:?}", snapshot.warnings());
}

#[test]
fn hbone_is_configured_as_shown() {
    let readme = read("README.md");
    let text = format!("version: 1\n{}", blocks(&readme, "yaml")[4]);
    let file = SourceFile::new("README.md", text);
    let snapshot = conf::compile(&[file], &Environment::default()).expect("a configuration");
    let vip = snapshot.settings().vips.find([240, 240, 0, 10].into());
    assert_eq!(vip, Some("api.github.com"));
    assert_eq!(snapshot.warnings().len(), 0, "{:?}", snapshot.warnings());
}

/// Words that follow `word` in code: fenced blocks and spans.
fn after(text: &str, word: &str) -> BTreeSet<String> {
    let (fenced, prose): (Vec<_>, Vec<_>) =
        text.split("```").enumerate().partition(|(n, _)| n % 2 == 1);
    let lines = fenced
        .into_iter()
        .flat_map(|(_, block)| block.lines())
        .map(str::trim);
    let spans = prose
        .into_iter()
        .flat_map(|(_, part)| part.split('`').skip(1).step_by(2));
    let rest = lines
        .chain(spans)
        .filter_map(|code| code.strip_prefix(word)?.strip_prefix(' '));
    rest.filter_map(|rest| rest.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_two_commands_come_first_and_all_targets_exist() {
    let readme = read("README.md");
    let makefile = read("Makefile");
    let targets = after(&readme, "make");
    assert!(
        targets.contains("demo") && targets.contains("test"),
        "{targets:?}"
    );
    for target in targets {
        assert!(
            makefile
                .lines()
                .any(|line| line.starts_with(&format!("{target}:"))),
            "make {target}"
        );
    }
    let first = readme.lines().take(25).collect::<Vec<_>>().join("\n");
    assert!(first.contains("make demo") && first.contains("make test"));
}

#[test]
fn every_command_of_egret_is_shown_and_every_one_shown_exists() {
    let readme = read("README.md");
    let shown = after(&readme, "egret");
    let parser = read("gateway/src/command/mod.rs");
    let (_, commands) = parser.split_once("enum Command {").expect("the commands");
    let commands = commands.split("\n}").next().unwrap_or_default();
    let names = commands
        .lines()
        .filter_map(|line| line.trim().split_once('('))
        .map(|(name, _)| name.to_lowercase());
    let mut exist: BTreeSet<_> = names.collect();
    assert!(exist.len() >= 4);
    for command in shown {
        assert!(exist.contains(&command), "`egret {command}`");
    }
    // It has a command of its own in the Makefile.
    exist.remove("demo");
    for command in exist {
        assert!(
            after(&readme, "egret").contains(&command),
            "`egret {command}` is not shown"
        );
    }
}

#[test]
fn the_table_of_limits_is_that_of_the_code() {
    let readme = read("README.md");
    let rows = rows(section(&readme, "What callers may take"));
    let compiled = |limits: &str| {
        let text = format!("version: 1\nlisteners: [{{ port: 8443 }}]\nlimits: {{ {limits} }}\n");
        let file = SourceFile::new("egret.yaml", text);
        conf::compile(&[file], &Environment::default())
    };
    for row in &rows {
        let (key, default) = (&row[0], &row[1]);
        if default == "none" || default.starts_with("the ") {
            let snapshot = compiled(&format!(
                "{key}: {}",
                if key == "memory" { "1GiB" } else { "1h" }
            ));
            assert_ne!(snapshot.expect(key).settings().limits, Limits::default());
        } else {
            let snapshot = compiled(&format!("{key}: {default}"));
            assert_eq!(
                snapshot.expect(key).settings().limits,
                Limits::default(),
                "{key}"
            );
        }
    }
    // Every key there is has a row.
    let problems = compiled("nothing: 1").expect_err("an unknown key");
    let known = problems[0].message.split('`').skip(3).step_by(2);
    let known: BTreeSet<_> = known.map(str::to_owned).collect();
    let told: BTreeSet<_> = rows.iter().map(|row| row[0].clone()).collect();
    assert_eq!(told, known);
}

#[test]
fn links_lead_to_what_is_there() {
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "SECURITY.md",
        "CHANGELOG.md",
    ] {
        let text = read(document);
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.starts_with("https://")) {
            let path = link.split('#').next().unwrap_or(link);
            assert!(root().join(path).exists(), "{document}: {link}");
        }
    }
}

#[test]
fn what_is_said_not_to_be_there_yet_is_refused() {
    let readme = read("README.md");
    let said = section(&readme, "Not yet");
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("Workload API"), "{words}");
    let configuration = "version: 1\nlisteners: [{ port: 8443 }]\n\
         identity: { workloadApi: 'unix:///agent.sock' }\n";
    let file = SourceFile::new("egret.yaml", configuration);
    let problems = conf::compile(&[file], &Environment::default()).expect_err("refused");
    let mut messages = problems.iter().map(|problem| &problem.message);
    assert!(
        messages.any(|message| message.contains("not supported yet")),
        "{problems:?}"
    );
}

/// What each row of the table of figures tells: a scenario, and its figure.
const FIGURES: [(&str, &str, usize); 9] = [
    ("h1-1k", "CPU µs/request", 1),
    ("h2-1k", "CPU µs/request", 1),
    ("grpc", "CPU µs/request", 1),
    ("refused-403", "CPU µs/request", 1),
    ("handshake", "CPU µs/request", 1),
    ("down-100k", "CPU s/GiB", 2),
    ("up-100k", "CPU s/GiB", 2),
    ("passthrough", "CPU s/GiB", 2),
    ("idle-h1", "KiB/idle connection", 1),
];

#[test]
fn the_table_of_figures_is_that_of_the_run() {
    let run = read("load-tests/results.json");
    let run: serde_json::Value = serde_json::from_str(&run).expect("JSON");
    let readme = read("README.md");
    let told = section(&readme, "Beside Envoy, nginx and HAProxy");
    let date = run["date"].as_str().expect("a date");
    assert!(told.contains(date), "the run was on {date}");
    let scenarios = run["scenarios"].as_array().expect("scenarios");
    let figure = |scenario: &str, gateway: &str, figure: &str| {
        let scenario = scenarios.iter().find(|one| one["name"] == scenario);
        let gateways = scenario.expect("the scenario")["gateways"].as_array();
        let gateway = gateways?.iter().find(|one| one["name"] == gateway);
        gateway?["figures"].get(figure).cloned()
    };
    let rows = rows(told);
    assert_eq!(rows.len(), FIGURES.len());
    for (row, (scenario, name, digits)) in rows.iter().zip(FIGURES) {
        let median = |gateway| {
            let figure = figure(scenario, gateway, name);
            let median = figure.and_then(|figure| figure["median"].as_f64());
            median.map_or("–".to_owned(), |median| format!("{median:.digits$}"))
        };
        let ratio = figure(scenario, "egret", name).expect("ours")["ratio"].as_f64();
        let ratio = format!("{:.2}", ratio.expect("a ratio"));
        let [envoy, egret, nginx, haproxy, pingora] =
            ["envoy", "egret", "nginx", "haproxy", "pingora"].map(median);
        let cells = [envoy, egret, ratio, nginx, haproxy, pingora];
        assert!(row[0].starts_with(scenario), "{row:?}");
        assert_eq!(row.get(1..), Some(&cells[..]), "{scenario}");
    }
}

/// The words of the tables of `pool` and `outlier`, each in a configuration of its
/// own, and all there are.
#[test]
fn the_words_that_spare_an_upstream_are_those_of_the_format() {
    let readme = read("README.md");
    let told = section(&readme, "How external hosts are spoken to, and spared");
    let (pool, outlier) = told
        .split_once("| word of `outlier` |")
        .expect("both tables");
    for (key, table) in [("pool", pool), ("outlier", outlier)] {
        let words: Vec<_> = rows(table)
            .iter()
            .map(|row| row[0].trim_matches('`').to_owned())
            .filter(|word| !word.starts_with("word"))
            .collect();
        assert!(words.len() > 5, "{words:?}");
        let compile = |written: &str| {
            let configuration = format!(
                "version: 1\nlisteners: [{{ port: 8443 }}]\n\
                 destinations: [{{ host: a.example, upstream: {{ {key}: {{ {written} }} }} }}]\n"
            );
            let file = SourceFile::new("egret.yaml", configuration);
            conf::compile(&[file], &Environment::default())
        };
        for word in &words {
            let problems = ["7", "7s"].map(|value| compile(&format!("{word}: {value}")).err());
            assert!(problems.iter().any(Option::is_none), "{word}: {problems:?}");
        }
        let problems = compile("other: 1").expect_err("no such word");
        let known = problems[0].message.matches('`').count() / 2 - 1;
        assert_eq!(known, words.len(), "{problems:?}");
    }
}
