use super::*;
use crate::pattern::{Case, Re2};

fn hirs(patterns: &[&str]) -> Vec<Hir> {
    let parsed = patterns.iter().map(|p| Re2::parse(p).unwrap());
    parsed
        .map(|p| p.of_paths(Case::Sensitive).unwrap())
        .collect()
}

fn matches(automaton: &Automaton, text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    automaton
        .each_match(text.as_bytes(), |ix| found.push(ix))
        .unwrap();
    found.sort_unstable();
    found
}

const PATTERNS: [&str; 5] = ["/a[^/]+", "/a.*b", "/(x|y)+", r"/a\b.+", "[^a]*"];
const TEXTS: [&str; 9] = [
    "/ab", "/a-b", "/a", "/xyx", "", "/aéb", "/a/b", "b", "/a\nb",
];

/// Forbids the table, and leaves the lazy automaton the least of caches.
fn starved() -> RegexLimits {
    RegexLimits {
        dense_bytes: 0,
        cache_bytes: 0,
        ..RegexLimits::default()
    }
}

#[test]
fn a_table_and_a_starved_lazy_automaton_find_every_whole_match() {
    let dense = Automaton::new(&hirs(&PATTERNS), &RegexLimits::default()).unwrap();
    let lazy = Automaton::new(&hirs(&PATTERNS), &starved()).unwrap();
    assert!(matches!(dense, Automaton::Dense(_)));
    assert!(matches!(lazy, Automaton::Lazy(_)));
    for text in TEXTS {
        let alone = PATTERNS.iter().enumerate().filter(|(_, pattern)| {
            let ascii = pattern.replace(r"\b", r"(?-u:\b)");
            let whole = regex::Regex::new(&format!(r"\A(?:{ascii})\z")).unwrap();
            text.is_ascii() && whole.is_match(text)
        });
        let expected: Vec<usize> = alone.map(|(ix, _)| ix).collect();
        assert_eq!(matches(&dense, text), expected, "{text:?}");
        assert_eq!(matches(&lazy, text), expected, "{text:?}");
    }
}

#[test]
fn a_lazy_automaton_never_gives_up_however_often_its_cache_is_full() {
    // Remembering the last twelve characters takes thousands of states.
    let lazy = Automaton::new(&hirs(&["(?:a|b)*a(?:a|b){12}"]), &starved()).unwrap();
    let mut state = 1_u32;
    for _ in 0..200 {
        let text: String = (0..2000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if state & 0x8000_0000 == 0 { 'a' } else { 'b' }
            })
            .collect();
        let expected = text.chars().rev().nth(12) == Some('a');
        assert_eq!(!matches(&lazy, &text).is_empty(), expected);
    }
}

#[test]
fn threads_walk_one_lazy_automaton_at_once() {
    let lazy = Automaton::new(&hirs(&PATTERNS), &starved()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    assert_eq!(matches(&lazy, "/a-b"), [0, 1, 3]);
                }
            });
        }
    });
}

#[test]
fn refuses_an_automaton_beyond_its_limit() {
    let limits = RegexLimits {
        nfa_bytes: 1000,
        ..RegexLimits::default()
    };
    assert!(Automaton::new(&hirs(&["/a"]), &limits).is_ok());
    assert!(Automaton::new(&hirs(&["/a.{100}"]), &limits).is_err());
}
