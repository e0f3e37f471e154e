use super::*;

fn re2(pattern: &str) -> Re2 {
    Re2::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"))
}

fn is_whole(pattern: &str, text: &str) -> bool {
    re2(pattern).whole().unwrap().is_match(text.as_bytes())
}

/// What RE2 itself (release 2025-11-05) answers for whole matches.
const ANSWERS: &[(&str, &[&str], &[&str])] = &[
    // Sets: no operators inside brackets.
    ("[a&&b]", &["a", "&", "b"], &["", "c", "a&"]),
    ("[~~x]", &["~", "x"], &["y"]),
    ("[[a]", &["[", "a"], &["]"]),
    ("[+--]", &["+", ",", "-"], &["."]),
    ("[]a]", &["]", "a"], &["[", "a]"]),
    ("[^]a]", &["b", "\n"], &["]", "a"]),
    ("[a-c-e]", &["b", "-", "e"], &["d"]),
    (r"[\d-z]", &["5", "-", "z"], &["a"]),
    ("[[:alpha:]-z]", &["q", "-"], &["1"]),
    ("[[.a.]]", &["[]", "a]", ".]"], &["a"]),
    ("[[:digit:]a]", &["1", "a"], &[":", "d"]),
    ("[^[:^upper:]]", &["A"], &["a", "1"]),
    // ASCII sets; `\s` knows no vertical tab, `[[:space:]]` does.
    (r"\d\D", &["1x", "1é"], &["١x", "11"]),
    (r"\w+", &["aZ_9"], &["é", "a-b"]),
    (r"\s", &[" ", "\t", "\n", "\r", "\x0c"], &["\x0b", "\u{a0}"]),
    ("[[:space:]]", &["\x0b", " "], &["\u{a0}"]),
    (r"é\bx", &["éx"], &["é x"]),
    (r"a\Bb", &["ab"], &["a"]),
    // Characters, not bytes.
    (".", &["x", "é"], &["\n", "", "ab"]),
    ("[é-ü]", &["é", "ü"], &["e"]),
    (r"\x{e9}\xe9\101\07", &["ééA\x07"], &[]),
    (
        r"\pN\p{Greek}\P{Greek}\p{^Greek}",
        &["1αaa"],
        &["1ααa", "aαaa"],
    ),
    (r"\pC", &["\u{ad}", "\x01"], &["\u{378}", "a"]),
    (r"\PC", &["\u{378}", "a"], &["\u{ad}"]),
    // Quotation.
    (r"\Q.*\E", &[".*"], &["", "ab"]),
    (r"\Qa[b\E+", &["a[b", "a[bb"], &["a[ba[b"]),
    (r"a\Q)(", &["a)("], &["a"]),
    // Braces that repeat, and braces that do not.
    ("a{2,3}", &["aa", "aaa"], &["a", "aaaa"]),
    ("a{,2}", &["a{,2}"], &["", "a", "aa"]),
    ("a{02}", &["a{02}"], &["aa"]),
    ("/a/{id}", &["/a/{id}"], &["/a/7"]),
    ("a{0}", &[""], &["a"]),
    // Flags.
    ("(?i)K", &["k", "K", "\u{212a}"], &["j"]),
    ("(?i:a)b", &["Ab", "ab"], &["aB"]),
    ("a(?i)b|c", &["aB", "C"], &["AB"]),
    ("(?i-i)A", &["A"], &["a"]),
    ("(?)a", &["a"], &[]),
    ("(?s).", &["\n"], &[]),
    ("(?U)a+?", &["aa"], &[""]),
    ("(?m)^a$\n^b$", &["a\nb"], &["a", "ab"]),
    // Groups and anchors.
    ("(?P<n>a)(?<m>b)", &["ab"], &["a"]),
    ("(?P<1>a)", &["a"], &[]),
    (r"\Aa\z", &["a"], &["a\n"]),
    ("^a$", &["a"], &["a\n", "xa"]),
    ("^*a", &["a"], &["^a"]),
    ("(|a)*", &["", "aa"], &["b"]),
    // The matches an anchor around the text, not the pattern, would let in.
    (
        "^/health|/sport$",
        &["/health", "/sport"],
        &["/health/../politics", "/politics/sport"],
    ),
    (
        "/health|/sport",
        &["/health", "/sport"],
        &["/health/x", "/x/sport", ""],
    ),
    // Characters that are operators elsewhere.
    ("a#b c", &["a#b c"], &["a"]),
    (r"\_\-\/\%\#", &["_-/%#"], &[]),
    ("]}-&~", &["]}-&~"], &[]),
];

#[test]
fn matches_what_re2_matches() {
    for (pattern, yes, no) in ANSWERS {
        for text in *yes {
            assert!(is_whole(pattern, text), "{pattern} matches {text:?}");
        }
        for text in *no {
            assert!(
                !is_whole(pattern, text),
                "{pattern} does not match {text:?}"
            );
        }
    }
}

#[test]
fn a_folded_match_never_loses_a_match() {
    for (pattern, yes, _) in ANSWERS {
        for text in *yes {
            let sensitive = re2(pattern).matches(text);
            assert!(sensitive || !text.is_ascii(), "{pattern} {text:?}");
            assert!(re2(pattern).matches_folded(text), "{pattern} {text:?}");
        }
    }
}

#[test]
fn a_folded_match_ignores_ascii_case_and_lets_a_dot_match_anything() {
    for (pattern, text) in [
        ("/Admin", "/aDMIN"),
        ("/[A-C]x", "/bX"),
        ("/[^A]", "/a"),
        (r"/[^a-z]", "/b"),
        ("/admin(/.*)?", "/ADMIN/\n"),
    ] {
        assert!(re2(pattern).matches_folded(text), "{pattern} {text:?}");
    }
    assert!(!re2("/admin").matches_folded("/admi"));
    assert!(!re2("/[^/]").matches_folded("//"));
}

#[test]
fn bytes_that_are_not_utf8_match_nothing() {
    for pattern in [".*", r"\W*", "[^a]*", r"(?s).*", r"\PL*"] {
        let matcher = re2(pattern).whole().unwrap();
        assert!(matcher.is_match(b""), "{pattern}");
        assert!(!matcher.is_match(b"\xff"), "{pattern}");
        assert!(!matcher.is_match(b"-\xc3"), "{pattern}");
    }
}

#[test]
fn a_search_finds_a_part_and_keeps_the_patterns_own_anchors() {
    for (pattern, yes, no) in [
        ("b", &["abc", "b", "\n\nb"][..], &["", "ac"][..]),
        ("^a|b$", &["ax", "xb"], &["xax", "bx"]),
        ("^svc", &["svc.x"], &["x.svc"]),
        (r"\bx\b", &["a x b"], &["axb"]),
        ("", &["", "x"], &[]),
    ] {
        let matcher = re2(pattern).search().unwrap();
        assert!(
            yes.iter().all(|t| matcher.is_match(t.as_bytes())),
            "{pattern}"
        );
        assert!(
            !no.iter().any(|t| matcher.is_match(t.as_bytes())),
            "{pattern}"
        );
    }
    assert!(re2("b").search().unwrap().is_match(b"\xff b \xfe"));
}

#[test]
fn refuses_what_re2_refuses_and_says_where_and_why() {
    for (pattern, offset, advice) in [
        ("a)|(b", 1, "closes no group"),
        ("x(a", 1, "never closed"),
        ("x[a", 1, "never closed"),
        ("[", 0, "never closed"),
        ("[]", 0, "never closed"),
        ("[[:digit:]", 0, "never closed"),
        ("[a--c]", 1, "lower end first"),
        ("x[z-a]", 2, "lower end first"),
        (r"[a-\d]", 1, "lower end first"),
        ("[[:foo:]]", 1, "the sets are alnum"),
        (r"[\b]", 1, "no meaning inside"),
        (r"[\Qa]", 1, "no meaning inside"),
        (
            "/a(?=b)",
            2,
            "ECMAScript look-ahead is not supported by RE2",
        ),
        ("(?!b)a", 0, "ECMAScript look-ahead is not supported by RE2"),
        ("(?<=b)a", 0, "look-behind"),
        ("(?<!b)a", 0, "look-behind"),
        (r"(a)\1", 3, "back-references"),
        (r"(a)\8", 3, "back-references"),
        (r"(?P<n>a)\k<n>", 8, "back-references"),
        ("(?P<n>a)(?P=n)", 8, "back-references"),
        ("(?x)a", 0, "flags i, m, s, U"),
        ("(?u)a", 0, "flags i, m, s, U"),
        ("(?-)a", 0, "flags i, m, s, U"),
        ("(?i", 0, "flags i, m, s, U"),
        ("(?", 0, "flags i, m, s, U"),
        ("(?P<a-b>x)", 0, "letters, digits"),
        ("(?>a)", 0, "atomic"),
        ("(?#a)", 0, "comments"),
        (r"a\Z", 1, r"write `\z`"),
        (r"a\C", 1, "half a character"),
        (r"a\E", 1, r"`\Q`"),
        (r"a\u0041", 1, r"`\x{…}`"),
        (r"a\y", 1, "write `y`"),
        (r"é\é", 2, "write `é`"),
        ("a\\", 1, "lone"),
        (r"\x4", 0, "two digits"),
        (r"\x{}", 0, "two digits"),
        (r"\x{110000}", 0, "two digits"),
        (r"\x{D800}", 0, "two digits"),
        (r"\p{greek}", 0, "script"),
        (r"\p{Alphabetic}", 0, "not a valid pattern"),
        (r"a\p{sc=Greek}", 1, "script"),
        (r"\p", 0, "script"),
        (r"\p^N", 0, "script"),
        ("*", 0, "write `.*`"),
        ("a|*", 2, "write `.*`"),
        ("(*)", 1, "write `.*`"),
        ("{2}", 0, "write `.*`"),
        ("a**", 2, "repeats a repetition"),
        ("a++", 2, "repeats a repetition"),
        ("a*?*", 3, "repeats a repetition"),
        ("a{2}{3}", 4, "repeats a repetition"),
        ("a{1001}", 1, "end at 1000"),
        ("a{1,1001}", 1, "end at 1000"),
        ("a{2,1}", 1, "counts ascend"),
        ("a{99999999999}", 1, "end at 1000"),
    ] {
        let error = Re2::parse(pattern).expect_err(pattern);
        assert_eq!(error.offset(), offset, "{pattern}: {error}");
        assert!(error.message().contains(advice), "{pattern}: {error}");
    }
}

#[test]
fn bounds_length_depth_and_size() {
    assert!(Re2::parse(&"a".repeat(1024)).is_ok());
    let long = Re2::parse(&"a".repeat(1025)).unwrap_err();
    assert!(long.message().contains("1024 bytes"));
    let deep = format!("{}a{}", "(".repeat(400), ")".repeat(400));
    assert!(Re2::parse(&deep).is_err());
    let large = re2(r"(\pL{1000}){1000}");
    let error = large.whole().unwrap_err();
    assert!(error.message().contains("1024 KiB"), "{error}");
    assert!(!large.matches("a"), "what cannot be known permits nothing");
    assert!(large.matches_folded("a"), "what cannot be known denies");
}

#[test]
fn lowers_to_the_simplest_equal() {
    let exact = |texts: &[&str]| Lowered::Exact(texts.iter().map(|&t| t.into()).collect());
    for (pattern, lowered) in [
        ("/health|/sport", exact(&["/health", "/sport"])),
        ("^/health|/sport$", exact(&["/health", "/sport"])),
        ("^(/health|/sport)$", exact(&["/health", "/sport"])),
        (
            "/v[12]/(?P<n>a|b)",
            exact(&["/v1/a", "/v1/b", "/v2/a", "/v2/b"]),
        ),
        ("/a/?", exact(&["/a", "/a/"])),
        (r"/a\.b", exact(&["/a.b"])),
        ("a|a", exact(&["a"])),
        ("", exact(&[""])),
        (r"[^\x00-\x{10ffff}]", exact(&[])),
        ("[0-9a-zA-Z]", exact(&ALNUM.map(|c| c))),
        (".*", Lowered::Any),
        ("^.*$", Lowered::Any),
        ("(.*?)", Lowered::Any),
        ("(?s).*", Lowered::Any),
        ("/books/.*", Lowered::Prefix("/books/".into())),
        ("^/(books)/(.*)$", Lowered::Prefix("/books/".into())),
        (r"/a\.b.*", Lowered::Prefix("/a.b".into())),
        ("/books/.+", Lowered::Regex),
        (r".*\.js", Lowered::Suffix(".js".into())),
        ("^.*/x$", Lowered::Suffix("/x".into())),
        (".*/x.*", Lowered::Regex),
        (r"/a\b.*", Lowered::Regex),
        ("/a|/b.*", Lowered::Regex),
        (r"\p{Greek}|[α-ω]", exact(&[])),
        ("[0-9a-zA-Z_~-]", Lowered::Regex),
        ("(?m)^/a$", Lowered::Regex),
        (r"/a\b", Lowered::Regex),
        ("x^/a", Lowered::Regex),
        ("(?i)/a", exact(&["/A", "/a"])),
    ] {
        assert_eq!(re2(pattern).lowered(Case::Sensitive), lowered, "{pattern}");
    }
    assert_eq!(
        re2("(?i)/Health").lowered(Case::Folded),
        exact(&["/health"])
    );
    assert_eq!(
        re2("/A/.*").lowered(Case::Folded),
        Lowered::Prefix("/a/".into())
    );
    assert_eq!(
        re2(".*/A").lowered(Case::Folded),
        Lowered::Suffix("/a".into())
    );
    assert_eq!(re2(".*").lowered(Case::Folded), Lowered::Any);
}

const ALNUM: [&str; 62] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C", "D", "E", "F", "G", "H", "I",
    "J", "K", "L", "M", "N", "O", "P", "Q", "R", "S", "T", "U", "V", "W", "X", "Y", "Z", "a", "b",
    "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u",
    "v", "w", "x", "y", "z",
];

#[test]
fn an_escape_in_pieces_is_told_from_a_whole_one() {
    for (pattern, broken) in [
        ("/caf%C3%A9", false),
        ("(?i)/caf%C3%A9(/.*)?", false),
        ("/a(%20|%21)+", false),
        ("/[^/]+/[^%]*", false),
        ("/a", false),
        ("/caf%C3%A[89]", true),
        ("/%C3%..", true),
        ("/caf%C3", true),
        ("/[a-z0-9%]+", true),
        ("/a%20?", true),
    ] {
        let re2 = Re2::parse(pattern).unwrap();
        assert_eq!(re2.has_broken_escape(), broken, "{pattern}");
    }
}

#[test]
fn folded_a_text_is_met_with_its_escapes_and_without() {
    let re2 = Re2::parse("(?i)/caf%C3%A9/.*").unwrap();
    for path in ["/caf%C3%A9/x", "/CAF%C3%A9/", "/caf\u{e9}/x"] {
        assert!(re2.matches_folded(path), "{path}");
    }
    assert!(!re2.matches_folded("/cafe/x"));
    assert!(re2.matches("/caf%C3%A9/x") && !re2.matches("/caf\u{e9}/x"));
}
