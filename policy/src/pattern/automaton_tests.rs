use super::*;
use crate::pattern::{Case, Re2};

fn pieces(patterns: &[&str]) -> Vec<Piece> {
    let parsed = patterns.iter().map(|p| Re2::parse(p).unwrap());
    parsed.map(|p| p.piece(Case::Sensitive).unwrap()).collect()
}

fn matches(automaton: &Automaton, text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    automaton
        .each_match(text.as_bytes(), |ix| found.push(ix))
        .unwrap();
    found.sort_unstable();
    found.dedup();
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
    let dense = Automaton::new(&pieces(&PATTERNS), &RegexLimits::default()).unwrap();
    let lazy = Automaton::new(&pieces(&PATTERNS), &starved()).unwrap();
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
fn anything_around_a_pattern_is_no_part_of_it() {
    let patterns = [".*/x", ".*/x.*", "/a/.*", ".*(/x|/y)", "^.*.*a$", r".*\b.*"];
    let found = pieces(&patterns);
    let margins =
        |before, behind| move |piece: &Piece| (piece.before, piece.behind) == (before, behind);
    assert!(margins(Margin::Anything, Margin::Empty)(&found[0]));
    assert!(margins(Margin::Anything, Margin::Anything)(&found[1]));
    assert!(margins(Margin::Empty, Margin::Anything)(&found[2]));
    let dense = Automaton::new(&found, &RegexLimits::default()).unwrap();
    let lazy = Automaton::new(&found, &starved()).unwrap();
    for text in [
        "", "/x", "/a/x", "/x/a", "/a/xa", "/y", "//", "/xx/x/x", "aa",
    ] {
        let alone = patterns.iter().enumerate().filter(|(_, pattern)| {
            let ascii = pattern.replace(r"\b", r"(?-u:\b)");
            regex::Regex::new(&format!(r"\A(?:{ascii})\z"))
                .unwrap()
                .is_match(text)
        });
        let expected: Vec<usize> = alone.map(|(ix, _)| ix).collect();
        assert_eq!(matches(&dense, text), expected, "{text:?}");
        assert_eq!(matches(&lazy, text), expected, "{text:?}");
    }
}

/// What a hostile caller would send to a host with many patterns of the kind
/// `.*x.*`. Were each remembered once seen, every byte would make a large state
/// of its own: with a thousand such patterns one path took a second.
#[test]
fn patterns_seen_on_the_way_multiply_no_states() {
    let patterns: Vec<String> = (0..300).map(|n| format!(".*/x{n}/.*")).collect();
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let limits = RegexLimits {
        dense_bytes: 0,
        cache_bytes: 64 << 20,
        ..RegexLimits::default()
    };
    let automaton = Automaton::new(&pieces(&patterns), &limits).unwrap();
    let text: String = (0..300).map(|n| format!("/x{n}/")).collect();
    assert_eq!(matches(&automaton, &text).len(), 300);
    let Automaton::Lazy(lazy) = &automaton else {
        panic!("only tables are refused room");
    };
    let states = lazy.caches.get().memory_usage();
    assert!(states < 1 << 20, "{states}");
}

#[test]
fn a_lazy_automaton_never_gives_up_however_often_its_cache_is_full() {
    // Remembering the last twelve characters takes thousands of states.
    let lazy = Automaton::new(&pieces(&["(?:a|b)*a(?:a|b){12}"]), &starved()).unwrap();
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
    let lazy = Automaton::new(&pieces(&PATTERNS), &starved()).unwrap();
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
    assert!(Automaton::new(&pieces(&["/a"]), &limits).is_ok());
    assert!(Automaton::new(&pieces(&["/a.{100}"]), &limits).is_err());
}
