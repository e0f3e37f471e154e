use super::*;

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
fn lists_beyond_the_first_are_built_on_first_use() {
    let limits = RegexLimits {
        eager_lists: 1,
        ..RegexLimits::default()
    };
    let mut pool = RegexPool::with_limits(limits);
    let eager = pool.share(Case::Sensitive, list(&["/a.+"])).unwrap();
    let late = pool.share(Case::Sensitive, list(&["/b.+"])).unwrap();
    assert!(eager.automaton.get().is_some());
    assert!(late.automaton.get().is_none());
    assert_eq!(matches(&late, "/bx"), [0]);
    assert!(late.automaton.get().is_some());
}

#[test]
fn a_list_too_large_is_refused_at_load_and_names_the_culprit() {
    let mut pool = RegexPool::new();
    let large = list(&["/a.+", r"/(\pL{900}){900}"]);
    let error = pool.share(Case::Sensitive, large).unwrap_err();
    assert!(error.message().contains(r"`/(\pL{900}){900}`"), "{error}");
    assert_eq!(pool.lists(), 0);
    let limits = RegexLimits {
        nfa_bytes: 3000,
        ..RegexLimits::default()
    };
    let many: Vec<String> = (0..100).map(|n| format!("/{n}/.+")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut pool = RegexPool::with_limits(limits);
    let error = pool.share(Case::Sensitive, list(&many)).unwrap_err();
    assert!(
        error.message().contains("100 regular expressions"),
        "{error}"
    );
}

/// Not reachable through a pool, which checks every list.
#[test]
fn an_automaton_that_cannot_be_built_permits_nothing_and_denies_everything() {
    let failed = |case| RegexSet {
        case,
        patterns: list(&["/a", "/b.+"]),
        limits: Arc::new(RegexLimits {
            nfa_bytes: 1,
            ..RegexLimits::default()
        }),
        automaton: OnceLock::new(),
    };
    assert_eq!(matches(&failed(Case::Sensitive), "/a"), [0_usize; 0]);
    assert_eq!(matches(&failed(Case::Folded), "/x"), [0, 1]);
}
