use regex_automata::Anchored;
use regex_automata::dfa::dense;

use super::*;
use crate::pattern::automaton::Dense;

fn list(patterns: &[&str]) -> Box<[Re2]> {
    patterns.iter().map(|p| Re2::parse(p).unwrap()).collect()
}

fn matches(set: &RegexSet, path: &str) -> Vec<usize> {
    let mut found = Vec::new();
    set.each_match(path, |ix| found.push(ix));
    found
}

#[test]
fn equal_lists_share_one_automaton_per_case() {
    let mut pool = RegexPool::new();
    let one = pool
        .share(Case::Sensitive, list(&["/a.+", "/b.+"]))
        .unwrap();
    let same = pool
        .share(Case::Sensitive, list(&["/a.+", "/b.+"]))
        .unwrap();
    let folded = pool.share(Case::Folded, list(&["/a.+", "/b.+"])).unwrap();
    assert!(Arc::ptr_eq(&one, &same));
    assert!(!Arc::ptr_eq(&one, &folded));
    assert_eq!(pool.lists(), 2);
    assert!(pool.memory() > 0);
}

#[test]
fn only_the_first_lists_get_a_table() {
    let limits = RegexLimits {
        large_lists: 1,
        ..RegexLimits::default()
    };
    let mut pool = RegexPool::with_limits(limits);
    let first = pool.share(Case::Sensitive, list(&["/a.+"])).unwrap();
    let later = pool.share(Case::Sensitive, list(&["/b.+"])).unwrap();
    assert!(matches!(first.parts[0].automaton, Automaton::Dense(_)));
    assert!(matches!(later.parts[0].automaton, Automaton::Lazy(_)));
    assert_eq!(matches(&first, "/ax"), [0]);
    assert_eq!(matches(&later, "/bx"), [0]);
}

#[test]
fn a_list_too_large_is_refused_at_load_and_names_the_culprit() {
    let mut pool = RegexPool::new();
    let large = list(&["/a.+", r"/(\pL{900}){900}"]);
    let error = pool.share(Case::Sensitive, large).unwrap_err();
    assert!(error.message().contains(r"`/(\pL{900}){900}`"), "{error}");
    assert_eq!(pool.lists(), 0);
}

#[test]
fn two_thousand_patterns_of_one_host_are_not_too_many_but_there_is_a_bound() {
    let many: Vec<String> = (0..2000)
        .map(|n| format!("/service-{n}/v[0-9]+/[^/]+/[^/]+(/.*)?"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut pool = RegexPool::new();
    let set = pool.share(Case::Sensitive, list(&many)).unwrap();
    assert_eq!(matches(&set, "/service-1999/v2/a/b"), [1999]);
    let limits = RegexLimits {
        nfa_bytes: 10_000,
        list_nfa_bytes: 20_000,
        ..RegexLimits::default()
    };
    let mut pool = RegexPool::with_limits(limits);
    let error = pool.share(Case::Sensitive, list(&many)).unwrap_err();
    assert!(
        error.message().contains("2000 regular expressions"),
        "{error}"
    );
}

/// No pool builds an automaton that gives up; this one does at `!`.
#[test]
fn an_automaton_that_gives_up_permits_nothing_and_denies_everything() {
    let given_up = |case| {
        let config = dense::Config::new().quit(b'!', true);
        let dfa = dense::Builder::new()
            .configure(config)
            .build("/a!")
            .unwrap();
        let anchored = Anchored::Yes;
        let dense = Automaton::Dense(Box::new(Dense { dfa, anchored }));
        RegexSet {
            case,
            patterns: 2,
            parts: [Part::new(dense, vec![0, 1])].into(),
        }
    };
    assert_eq!(matches(&given_up(Case::Sensitive), "/a!"), [0_usize; 0]);
    assert_eq!(matches(&given_up(Case::Folded), "/a!"), [0, 1]);
}

/// One automaton of all of these has a state for each set of those that were seen:
/// a path that showed them one after the other took seconds (S9).
#[test]
fn no_path_is_long_in_a_thousand_patterns_that_must_remember() {
    let many: Vec<String> = (0..1000).map(|n| format!("/v1/.*/x{n}/.*/y")).collect();
    let mut many: Vec<&str> = many.iter().map(String::as_str).collect();
    many.push("/v1/[^/]+/z");
    let mut pool = RegexPool::new();
    let set = pool.share(Case::Sensitive, list(&many)).unwrap();
    assert!(pool.memory() < 64 << 20, "{}", pool.memory());
    let shown: String = (0..1000).map(|n| format!("/x{n}/")).collect();
    let path = format!("/v1/{shown}/y");
    let begun = std::time::Instant::now();
    let mut found = matches(&set, &path);
    // An optimised build takes a few milliseconds.
    assert!(begun.elapsed().as_secs() < 2, "{:?}", begun.elapsed());
    found.sort_unstable();
    assert_eq!(found, (0..1000).collect::<Vec<_>>());
    assert_eq!(matches(&set, "/v1/a/z"), [1000]);
    assert_eq!(matches(&set, "/v1/a/x77/b/y"), [77]);
}

#[test]
fn tables_of_patterns_that_must_remember_are_bounded_at_load() {
    let limits = RegexLimits {
        remembering_bytes: 1 << 20,
        ..RegexLimits::default()
    };
    let many: Vec<String> = (0..1000).map(|n| format!("/v1/.*/x{n}/.*/y")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut pool = RegexPool::with_limits(limits);
    let error = pool.share(Case::Sensitive, list(&many)).unwrap_err();
    assert!(error.message().contains("more than 1 MiB"), "{error}");
}
