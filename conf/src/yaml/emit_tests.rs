//! Trees that are written read as they were.

use proptest::prelude::*;

use super::*;
use crate::file::SourceFile;
use crate::node::{Node, Value};
use crate::report::Report;

fn map(pairs: Vec<(&str, Out)>) -> Map {
    let mut map = Map::default();
    pairs
        .into_iter()
        .for_each(|(key, value)| map.put(key, value));
    map
}

#[test]
fn a_document_looks_as_a_person_writes_it() {
    let mut route = Map::remarked(Some("from a.yaml:3".to_owned()));
    route.put(
        "path",
        Out::List(vec![
            Out::word("/a*"),
            Out::one("regex", Out::word("/b|/c")),
        ]),
    );
    route.put("timeout", Out::word("3s"));
    let root = map(vec![
        ("version", Out::word(1)),
        (
            "defaults",
            Out::Map(map(vec![("policy", Out::word("allow"))])),
        ),
        (
            "destinations",
            Out::List(vec![Out::Map(map(vec![
                ("host", Out::word("*.a.example")),
                ("routes", Out::List(vec![Out::Map(route)])),
                ("body", Out::text("one\n\n two\n")),
                ("last", Out::text("1.3")),
            ]))]),
        ),
    ]);
    assert_eq!(
        document(&root),
        "version: 1\n\ndefaults:\n  policy: allow\n\ndestinations:\n  - host: \"*.a.example\"\n    \
         routes:\n      # from a.yaml:3\n      - path: [/a*, { regex: /b|/c }]\n        timeout: 3s\n    \
         body: |\n      one\n\n       two\n    last: \"1.3\"\n"
    );
}

#[test]
fn quotes_stand_where_they_are_needed_and_nowhere_else() {
    for (text, written) in [
        ("sa:default/sleep", "sa:default/sleep"),
        ("/health?x=1", "/health?x=1"),
        ("it's", "it's"),
        ("a: b", "\"a: b\""),
        ("a:", "\"a:\""),
        ("a #b", "\"a #b\""),
        ("*b", "\"*b\""),
        ("say \"a\"", "say \"a\""),
        ("\"a\" 'b'", "'\"a\" ''b'''"),
        ("", "\"\""),
        ("null", "\"null\""),
        ("yes", "\"yes\""),
        ("007", "\"007\""),
        ("2024-01-01", "\"2024-01-01\""),
        ("a\u{85}b", "\"a\\U00000085b\""),
        ("grün", "grün"),
    ] {
        assert_eq!(quoted(text, Where::Block, true), written, "{text:?}");
    }
    assert_eq!(quoted("{a}", Where::Flow, false), "\"{a}\"");
    assert_eq!(quoted("a{b}", Where::Block, false), "a{b}");
    assert_eq!(quoted("~ -", Where::Flow, false), "\"~ -\"");
    assert_eq!(quoted("~ -", Where::Block, false), "~ -");
}

/// The tree as the parser has it.
fn read(node: &Node) -> Out {
    match &node.value {
        Value::Nothing => panic!("nothing at {}", node.origin),
        Value::Scalar(scalar) => Out::text(&*scalar.text),
        Value::List(entries) => Out::List(entries.iter().map(read).collect()),
        Value::Map(entries) => {
            let mut map = Map::default();
            entries
                .iter()
                .for_each(|entry| map.put(&entry.key, read(&entry.node)));
            Out::Map(map)
        }
    }
}

/// The tree without what only its looks depend on.
fn plain(out: &Out) -> Out {
    match out {
        Out::Word(text) | Out::Text(text) => Out::text(text.as_str()),
        Out::List(entries) => Out::List(entries.iter().map(plain).collect()),
        Out::Map(written) => {
            let mut map = Map::default();
            written
                .pairs
                .iter()
                .for_each(|(key, value)| map.put(key, plain(value)));
            Out::Map(map)
        }
    }
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", " ", "\n", ":", "#", "-", "?", ",", "[", "]", "{", "}", "&", "*", "!", "|", ">", "'",
        "\"", "%", "@", "`", "\\", "\t", "\r", "~", "null", "true", "1", ".", "0x", "---", "...",
        "é", "\u{85}", "\u{2028}", "\u{feff}", "\u{0}", "\u{7f}", "😀", "=", "<", "$",
    ]);
    prop_oneof![
        prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat()),
        any::<String>(),
    ]
}

fn out() -> impl Strategy<Value = Out> {
    let scalar = (text(), any::<bool>()).prop_map(|(text, word)| match word {
        true => Out::Word(text),
        false => Out::Text(text),
    });
    scalar.prop_recursive(4, 24, 4, |inner| {
        let pairs = prop::collection::vec((text(), inner.clone()), 0..4);
        let entries = inner.prop_filter("no list stands in a list", |entry| {
            !matches!(entry, Out::List(_))
        });
        prop_oneof![
            prop::collection::vec(entries, 0..4).prop_map(Out::List),
            (pairs, any::<bool>(), prop::option::of(text())).prop_map(|(pairs, inline, remark)| {
                let mut map = Map {
                    remark,
                    inline,
                    pairs: Vec::new(),
                };
                for (key, value) in pairs {
                    if map.pairs.iter().all(|(known, _)| *known != key) && key.len() < 100 {
                        map.put(&key, value);
                    }
                }
                Out::Map(map)
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_reads_the_same(key in text(), value in out()) {
        prop_assume!(key.len() < 100);
        let mut root = Map::default();
        root.put(&key, value);
        let report = Report::default();
        let text = document(&root);
        let file = SourceFile::new("f", text.as_str());
        let nodes = crate::yaml::documents(&file, &report);
        let problems = report.finish(&[]);
        prop_assert!(problems.is_empty(), "{text}\n{problems:?}");
        prop_assert_eq!(nodes.len(), 1, "{}", text);
        prop_assert_eq!(read(&nodes[0]), plain(&Out::Map(root)), "{}", text);
    }
}
