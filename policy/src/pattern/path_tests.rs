use super::*;

fn check(pattern: &PathPattern, yes: &[&str], no: &[&str]) {
    for path in yes {
        assert!(pattern.matches(path), "{pattern:?} matches {path}");
        assert!(pattern.matches_folded(path), "{pattern:?} matches {path}");
    }
    for path in no {
        assert!(!pattern.matches(path), "{pattern:?} does not match {path}");
    }
}

#[test]
fn reads_the_native_spellings() {
    for (text, yes, no) in [
        ("*", &["/", "/x", ""][..], &[][..]),
        ("/x", &["/x"], &["/X", "/x/", "/xy"]),
        ("/x*", &["/x", "/xy", "/x/y"], &["/", "/y/x"]),
        ("/*", &["/", "/x"], &[""]),
        ("*.js", &["/a.js", ".js"], &["/a.jsx", "/ajs"]),
    ] {
        check(&PathPattern::parse(text).unwrap(), yes, no);
    }
}

#[test]
fn a_segment_prefix_ends_at_a_slash() {
    for text in ["/a", "/a/"] {
        let pattern = PathPattern::segment_prefix(text).unwrap();
        check(&pattern, &["/a", "/a/", "/a/b"], &["/ab", "/", "/b/a"]);
        assert!(pattern.matches_folded("/A/b") && !pattern.matches_folded("/Ab"));
    }
    assert_eq!(PathPattern::segment_prefix("/").unwrap(), PathPattern::Any);
}

#[test]
fn templates_match_whole_segments() {
    for (text, yes, no) in [
        (
            "/a/{*}",
            &["/a/b"][..],
            &["/a", "/a/", "/a/b/c", "/a/b/"][..],
        ),
        ("/{*}/b", &["/a/b"], &["//b", "/a/a/b"]),
        ("/a/{**}", &["/a/", "/a/b", "/a/b/c"], &["/a", "/ab"]),
        ("/a/{**}/", &["/a//", "/a/b/", "/a/b/c/"], &["/a/", "/a/b"]),
        ("/{*}/b/{**}", &["/a/b/", "/a/b/c/d"], &["/a/b", "/b/c"]),
        (
            "/a/{**}/z.js",
            &["/a/b/z.js", "/a/b/c/z.js", "/a//z.js"],
            &["/a/z.js", "/a/b/zxjs"],
        ),
        ("/a.b", &["/a.b"], &["/axb"]),
        ("/%25+$/{*}", &["/%25+$/x"], &["/%25$/x"]),
        ("/", &["/"], &["", "/a"]),
    ] {
        let template = PathPattern::template(text).unwrap();
        check(&template, yes, no);
        let PathPattern::Template(template) = template else {
            panic!("{text} is a template");
        };
        for path in yes {
            assert!(
                template.regex().matches(path),
                "{text} as a regex matches {path}"
            );
        }
        for path in no {
            assert!(
                !template.regex().matches(path),
                "{text} as a regex does not match {path}"
            );
        }
    }
}

#[test]
fn folded_matches_ignore_the_case_of_letters_only() {
    for (pattern, path) in [
        (PathPattern::parse("/Ab"), "/aB"),
        (PathPattern::parse("/Ab*"), "/aBc"),
        (PathPattern::parse("*Ab"), "/xaB"),
        (PathPattern::segment_prefix("/Ab"), "/aB/c"),
        (PathPattern::template("/Ab/{*}/C"), "/aB/x/c"),
        (PathPattern::regex("/Ab.+"), "/aBc"),
    ] {
        let pattern = pattern.unwrap();
        assert!(pattern.matches_folded(path), "{pattern:?}");
        assert!(!pattern.matches(path), "{pattern:?}");
        assert!(!pattern.matches_folded("/a_"), "{pattern:?}");
    }
}

#[test]
fn refuses_a_wrong_spelling_at_its_place() {
    type Parse = fn(&str) -> Result<PathPattern, PatternError>;
    let cases: [(Parse, &str, usize, &str); 19] = [
        (PathPattern::parse, "", 0, "`*` for every path"),
        (PathPattern::parse, "x", 0, "write `/x`"),
        (PathPattern::parse, "/a*b", 2, "{template: …}"),
        (PathPattern::parse, "*a*", 2, "{template: …}"),
        (PathPattern::parse, "/a**", 2, "{template: …}"),
        (PathPattern::parse, "/a b", 2, "%20"),
        (PathPattern::parse, "*a b", 2, "%20"),
        (PathPattern::parse, "/a/{id}", 3, "{template: …}"),
        (PathPattern::exact, "a", 0, "write `/a`"),
        (PathPattern::exact, "/%41", 1, "write `A`"),
        (PathPattern::prefix, "/%41", 1, "write `A`"),
        (PathPattern::segment_prefix, "/a/*", 3, "write `/a`"),
        (PathPattern::segment_prefix, "a", 0, "write `/a`"),
        (PathPattern::template, "a/{*}", 0, "begins with `/`"),
        (
            PathPattern::template,
            "/a/x{*}",
            4,
            "no segment of a template",
        ),
        (PathPattern::template, "/a/*", 3, "no segment of a template"),
        (
            PathPattern::template,
            "/a/{id}",
            3,
            "no segment of a template",
        ),
        (PathPattern::template, "/a/{**}/{*}", 8, "may follow `{**}`"),
        (PathPattern::regex, "/a(?!b)", 2, "look-ahead"),
    ];
    for (parse, text, offset, advice) in cases {
        let error = parse(text).expect_err(text);
        assert_eq!(error.offset(), offset, "{text}: {error}");
        assert!(error.message().contains(advice), "{text}: {error}");
    }
    assert!(PathPattern::exact("/a*b").unwrap().matches("/a*b"));
}
