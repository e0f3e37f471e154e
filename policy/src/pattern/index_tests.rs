use super::*;

fn index(patterns: &[PathPattern], case: Case) -> PathIndex {
    PathIndex::build(patterns.iter().zip(0..), case, &mut RegexPool::new()).unwrap()
}

fn hits(index: &PathIndex, path: &str) -> Vec<u32> {
    let mut hits = Hits::new();
    index.hits(path, &mut hits);
    hits.sorted().to_vec()
}

fn patterns() -> Vec<PathPattern> {
    [
        PathPattern::parse("*"),
        PathPattern::parse("/a"),
        PathPattern::parse("/a*"),
        PathPattern::parse("/a/b*"),
        PathPattern::parse("*.js"),
        PathPattern::segment_prefix("/a"),
        PathPattern::regex("/health|/sport"),
        PathPattern::regex("/a/.*"),
        PathPattern::regex("/a/[^/]+"),
        PathPattern::template("/a/{*}"),
        PathPattern::regex(".*"),
    ]
    .map(Result::unwrap)
    .into()
}

#[test]
fn finds_every_pattern_of_every_kind() {
    let index = index(&patterns(), Case::Sensitive);
    for (path, expected) in [
        ("/a", &[0, 1, 2, 5, 10][..]),
        ("/a/b", &[0, 2, 3, 5, 7, 8, 9, 10]),
        ("/a/c.js", &[0, 2, 4, 5, 7, 8, 9, 10]),
        ("/ab", &[0, 2, 10]),
        ("/sport", &[0, 6, 10]),
        ("/sport/x", &[0, 10]),
        ("/A", &[0, 10]),
        ("/", &[0, 10]),
    ] {
        assert_eq!(hits(&index, path), expected, "{path}");
    }
}

#[test]
fn a_folded_index_is_asked_in_lower_case() {
    let patterns = [
        PathPattern::parse("/Admin"),
        PathPattern::parse("/Admin/*"),
        PathPattern::parse("*.PHP"),
        PathPattern::regex("/(Admin|Base)/[^/]+"),
        PathPattern::template("/Base/{*}"),
        PathPattern::segment_prefix("/Base"),
    ]
    .map(Result::unwrap);
    let index = index(&patterns, Case::Folded);
    assert_eq!(hits(&index, "/admin"), [0]);
    assert_eq!(hits(&index, "/admin/x.php"), [1, 2, 3]);
    assert_eq!(hits(&index, "/base/x"), [3, 4, 5]);
    assert_eq!(hits(&index, "/bases"), [0_u32; 0]);
}

#[test]
fn the_seeds_regex_never_becomes_an_automaton() {
    let mut pool = RegexPool::new();
    let seed = PathPattern::regex("/health|/sport").unwrap();
    let index = PathIndex::build([(&seed, 3)], Case::Sensitive, &mut pool).unwrap();
    assert_eq!(pool.lists(), 0);
    assert_eq!(hits(&index, "/sport"), [3]);
    assert_eq!(hits(&index, "/politics/sport"), [0_u32; 0]);
    assert_eq!(hits(&index, "/health/../politics"), [0_u32; 0]);
}

#[test]
fn one_number_may_stand_under_several_patterns() {
    let patterns = [PathPattern::parse("/a*"), PathPattern::parse("*a")].map(Result::unwrap);
    let numbered = patterns.iter().map(|pattern| (pattern, 7));
    let index = PathIndex::build(numbered, Case::Sensitive, &mut RegexPool::new()).unwrap();
    assert_eq!(hits(&index, "/a"), [7]);
}

#[test]
fn lists_of_regular_expressions_are_equal_in_any_order() {
    let mut pool = RegexPool::new();
    let mut patterns =
        [PathPattern::regex("/a/.+"), PathPattern::regex("/b/.+")].map(Result::unwrap);
    let one = PathIndex::build(patterns.iter().zip(0..), Case::Sensitive, &mut pool).unwrap();
    patterns.reverse();
    let other = PathIndex::build(patterns.iter().zip(0..), Case::Sensitive, &mut pool).unwrap();
    assert_eq!(pool.lists(), 1);
    assert_eq!(hits(&one, "/a/x"), [0]);
    assert_eq!(hits(&other, "/a/x"), [1]);
}

#[test]
fn small_indexes_are_small() {
    let memory = |patterns: &[&str]| {
        let patterns: Vec<_> = patterns
            .iter()
            .map(|p| PathPattern::parse(p).unwrap())
            .collect();
        index(&patterns, Case::Sensitive).memory()
    };
    assert!(size_of::<PathIndex>() <= 24);
    assert_eq!(memory(&[]), 0);
    assert_eq!(memory(&["*"]), 0);
    assert!(memory(&["/health", "/sport"]) < 240);
}

#[test]
fn an_empty_path_hits_only_what_matches_nothing() {
    let index = index(&patterns(), Case::Sensitive);
    assert_eq!(hits(&index, ""), [0, 10]);
}

#[test]
fn the_first_is_the_least_number_that_holds_whichever_kind_its_pattern_is() {
    let patterns = [
        PathPattern::parse("/a"),
        PathPattern::regex("/[ab]"),
        PathPattern::parse("*b"),
        PathPattern::regex("/.+"),
        PathPattern::parse("*"),
    ]
    .map(Result::unwrap);
    let index = index(&patterns, Case::Sensitive);
    let all = |_| true;
    assert_eq!(index.first("/a", all), Some(0));
    assert_eq!(index.first("/b", all), Some(1));
    assert_eq!(index.first("/cb", all), Some(2));
    assert_eq!(index.first("/c", all), Some(3));
    assert_eq!(index.first("/", all), Some(4));
    assert_eq!(index.first("/a", |id| id > 1), Some(3));
    assert_eq!(index.first("/", |id| id != 4), None);
}
