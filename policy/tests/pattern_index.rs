//! Every index agrees with asking its patterns one after the other: the plain
//! meaning of a pattern is the only meaning.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use policy::pattern::{
    Case, Hits, HostMap, HostPattern, Lowered, PathIndex, PathPattern, Re2, RegexLimits, RegexPool,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Few letters, so that patterns and paths meet.
const PIECES: &[&str] = &["a", "b", "A", "ab", "/", "/a", "/b", ".js"];

fn literal() -> impl Strategy<Value = String> {
    vec(select(PIECES), 0..4).prop_map(|pieces| pieces.concat())
}

fn path() -> impl Strategy<Value = String> {
    vec(select(PIECES), 0..6).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// A path as denying rules see it: no longer in ASCII.
fn liberal_path() -> impl Strategy<Value = String> {
    (path(), select(vec!["", "é", "b"])).prop_map(|(path, tail)| path.replace('A', "É") + tail)
}

/// Regular expressions that lower to texts, to a prefix, to nothing.
fn regex() -> impl Strategy<Value = String> {
    let atoms = [
        "a",
        "b",
        "A",
        "ab",
        "/",
        "/a",
        "[ab]",
        "[^/]",
        "[^A]",
        "(a|b)",
        "(?:/a|/b)?",
        "a?",
        "b{2}",
        "[^/]+",
        ".*",
        ".",
        ".+",
        "(?i:ab)",
        r"\b",
        "^",
        "$",
        r"\.js",
        "|",
        "|/a",
        "[a-c]{1,2}",
    ];
    let first = select(vec!["/", "/", ".*", ".*/", "^/", ".*?.*"]);
    let atoms = vec(select(atoms.to_vec()), 0..5).prop_map(|atoms| atoms.concat());
    (first, atoms).prop_map(|(first, atoms)| format!("{first}{atoms}"))
}

fn template() -> impl Strategy<Value = String> {
    let segments = vec(select(vec!["a", "b", "A", "{*}", "ab", ""]), 0..4);
    let tail = select(vec!["", "/{**}", "/{**}/b", "/{**}/"]);
    (segments, tail).prop_map(|(segments, tail)| format!("/{}{tail}", segments.join("/")))
}

fn path_pattern() -> impl Strategy<Value = PathPattern> {
    prop_oneof![
        1 => Just(PathPattern::Any),
        4 => path().prop_map(|text| PathPattern::Exact(text.into())),
        4 => path().prop_map(|text| PathPattern::Prefix(text.into())),
        2 => literal().prop_map(|text| PathPattern::Prefix(text.into())),
        3 => literal().prop_map(|text| PathPattern::Suffix(text.into())),
        3 => path().prop_map(|text| {
            let text = text.trim_end_matches('/');
            PathPattern::SegmentPrefix(text.into())
        }),
        6 => regex().prop_map(|text| PathPattern::regex(&text).unwrap()),
        2 => template().prop_map(|text| PathPattern::template(&text).unwrap()),
    ]
}

fn limits() -> impl Strategy<Value = RegexLimits> {
    let table = select(vec![0, 64 << 10]);
    let cache = select(vec![0, 64 << 10]);
    (table, cache).prop_map(|(dense_bytes, cache_bytes)| RegexLimits {
        dense_bytes,
        cache_bytes,
        ..RegexLimits::default()
    })
}

fn scanned(patterns: &[PathPattern], matches: impl Fn(&PathPattern) -> bool) -> Vec<u32> {
    let matching = (0..).zip(patterns).filter(|(_, pattern)| matches(pattern));
    matching.map(|(id, _)| id).collect()
}

fn indexed(index: &PathIndex, path: &str) -> Vec<u32> {
    let mut hits = Hits::new();
    index.hits(path, &mut hits);
    hits.sorted().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_path_index_hits_what_a_scan_hits(
        patterns in vec(path_pattern(), 0..12),
        paths in vec(path(), 1..12),
        liberal in vec(liberal_path(), 0..4),
        limits in limits(),
    ) {
        let mut pool = RegexPool::with_limits(limits);
        let mut build = |case| PathIndex::build(patterns.iter().zip(0..), case, &mut pool).unwrap();
        let sensitive = build(Case::Sensitive);
        let folded = build(Case::Folded);
        for path in &paths {
            let plain = scanned(&patterns, |pattern| pattern.matches(path));
            prop_assert_eq!(&indexed(&sensitive, path), &plain, "{}", path);
            for skipped in 0..3 {
                let holds = |id: u32| id % 3 != skipped;
                let first = plain.iter().copied().find(|&id| holds(id));
                prop_assert_eq!(sensitive.first(path, holds), first, "{}", path);
            }
        }
        for path in paths.iter().chain(&liberal) {
            let lower = path.to_ascii_lowercase();
            let plain = scanned(&patterns, |pattern| pattern.matches_folded(path));
            prop_assert_eq!(indexed(&folded, &lower), plain, "{}", path);
        }
    }

    #[test]
    fn whatever_matches_also_matches_folded(pattern in path_pattern(), paths in vec(path(), 1..12)) {
        for path in &paths {
            prop_assert!(!pattern.matches(path) || pattern.matches_folded(path), "{}", path);
        }
    }

    #[test]
    fn a_lowered_regex_matches_what_the_regex_matches(
        pattern in regex(),
        paths in vec(path(), 1..12),
    ) {
        let regex = Re2::parse(&pattern).unwrap();
        let lowered = regex.lowered(Case::Sensitive);
        for path in &paths {
            let matches = match &lowered {
                Lowered::Any => true,
                Lowered::Prefix(begin) => path.starts_with(&**begin),
                Lowered::Suffix(end) => path.ends_with(&**end),
                Lowered::Exact(texts) => texts.iter().any(|text| **text == **path),
                Lowered::Regex => continue,
            };
            prop_assert_eq!(regex.matches(path), matches, "{}", path);
        }
        if let Lowered::Exact(texts) = &lowered {
            prop_assert!(texts.iter().all(|text| regex.matches(text)));
        }
    }

    #[test]
    fn a_regex_matches_what_another_engine_matches(
        pattern in regex(),
        texts in vec(prop_oneof![path(), liberal_path()], 1..12),
    ) {
        // The pieces above mean the same in both dialects but for `\b`.
        let ascii = pattern.replace(r"\b", r"(?-u:\b)");
        let other = regex::Regex::new(&format!(r"\A(?:{ascii})\z")).unwrap();
        let regex = Re2::parse(&pattern).unwrap();
        let whole = regex.whole().unwrap();
        for text in &texts {
            let matches = other.is_match(text);
            prop_assert_eq!(whole.is_match(text.as_bytes()), matches, "{}", text);
            prop_assert_eq!(regex.matches(text), matches && text.is_ascii(), "{}", text);
        }
    }

    #[test]
    fn a_template_matches_what_its_regex_matches(template in template(), paths in vec(path(), 1..12)) {
        let pattern = PathPattern::template(&template).unwrap();
        let numbered = [(&pattern, 0)];
        let index = PathIndex::build(numbered, Case::Sensitive, &mut RegexPool::new()).unwrap();
        for path in &paths {
            prop_assert_eq!(!indexed(&index, path).is_empty(), pattern.matches(path), "{}", path);
        }
    }
}

fn host() -> impl Strategy<Value = String> {
    vec(select(vec!["a", "b", "ab", "x-b", "c"]), 1..4).prop_map(|labels| labels.join("."))
}

fn host_pattern() -> impl Strategy<Value = HostPattern> {
    let spelling = prop_oneof![
        host(),
        host().prop_map(|host| format!("*.{host}")),
        host().prop_map(|host| format!("*{host}")),
        host().prop_map(|host| format!("*-{host}")),
        Just("*".to_owned()),
        Just("192.0.2.1".to_owned()),
    ];
    spelling.prop_map(|text| HostPattern::parse(&text).unwrap())
}

/// Names, addresses, and what no canonical host is.
fn asked_host() -> impl Strategy<Value = String> {
    let other = select(vec!["192.0.2.1", "192.0.2.9", "é", ".b"]);
    prop_oneof![3 => host(), 1 => other.prop_map(str::to_owned)]
}

/// Greater is more specific.
fn rank(pattern: &HostPattern) -> usize {
    match pattern {
        HostPattern::Any => 0,
        HostPattern::Suffix(suffix) => suffix.len(),
        HostPattern::Subdomains(parent) => parent.len() + 1,
        HostPattern::Exact(_) => usize::MAX,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_host_map_finds_what_a_scan_finds(
        patterns in vec(host_pattern(), 0..20),
        hosts in vec(asked_host(), 1..8),
    ) {
        let map = HostMap::build(patterns.iter().cloned().zip(0_usize..));
        for host in &hosts {
            let mut scan: Vec<(usize, &HostPattern)> =
                (0..).zip(&patterns).filter(|(_, pattern)| pattern.matches(host)).collect();
            scan.sort_by_key(|&(id, pattern)| (std::cmp::Reverse(rank(pattern)), id));
            scan.dedup_by_key(|&mut (_, pattern)| pattern.clone());
            let chain: Vec<usize> = map.chain(host).copied().collect();
            let expected: Vec<usize> = scan.iter().map(|&(id, _)| id).collect();
            prop_assert_eq!(&chain, &expected, "{}", host);
            // No wildcard finds an address.
            let literal = |pattern: &HostPattern| matches!(pattern, HostPattern::Exact(_));
            let named = !host.starts_with("192.");
            let first = scan.iter().find(|&&(_, pattern)| named || literal(pattern));
            prop_assert_eq!(map.find(host), first.map(|(id, _)| id), "{}", host);
        }
    }
}
