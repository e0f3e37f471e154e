use super::*;
use crate::node::Entry;

fn read(text: &str) -> (Vec<Node>, Vec<String>) {
    let file = SourceFile::new("f.yaml", text);
    let report = Report::default();
    let nodes = documents(&file, &report);
    let problems = report.finish(&[file]).into_iter().map(|p| {
        let Origin { line, column, .. } = p.origin;
        format!("{line}:{column} {}", p.message)
    });
    (nodes, problems.collect())
}

fn problems(text: &str) -> Vec<String> {
    read(text).1
}

/// Every key, text and place, one a line.
fn outline(node: &Node, depth: usize, out: &mut Vec<String>) {
    let Origin { line, column, .. } = node.origin;
    let margin = " ".repeat(depth);
    match &node.value {
        Value::Nothing => out.push(format!("{margin}{line}:{column} nothing")),
        Value::Scalar(scalar) => out.push(format!("{margin}{line}:{column} {}", scalar.text)),
        Value::List(nodes) => {
            out.push(format!("{margin}{line}:{column} list"));
            nodes.iter().for_each(|n| outline(n, depth + 1, out));
        }
        Value::Map(entries) => {
            out.push(format!("{margin}{line}:{column} map"));
            for Entry { key, origin, node } in entries {
                out.push(format!("{margin} {}:{} {key}:", origin.line, origin.column));
                outline(node, depth + 2, out);
            }
        }
    }
}

fn outlined(text: &str) -> Vec<String> {
    let (nodes, problems) = read(text);
    assert_eq!(problems, [""; 0]);
    let mut out = Vec::new();
    nodes.iter().for_each(|node| outline(node, 0, &mut out));
    out
}

#[test]
fn every_value_knows_its_line_and_column() {
    let text = "# note\na: 1\nb:\n  - x: 'é' \n    y: [p, \"q\"]\nc:\n";
    assert_eq!(
        outlined(text),
        [
            "2:1 map",
            " 2:1 a:",
            "  2:4 1",
            " 3:1 b:",
            "  4:3 list",
            "   4:5 map",
            "    4:5 x:",
            "     4:8 é",
            "    5:5 y:",
            "     5:8 list",
            "      5:9 p",
            "      5:12 q",
            " 6:1 c:",
            "  6:1 nothing",
        ]
    );
}

#[test]
fn lines_count_through_the_whole_file_whatever_its_documents_and_line_endings() {
    assert_eq!(
        outlined("\u{feff}a: 1\r\n---\r\n# note\r\nb: 2\r\n...\r\n--- {c: 3}\r\n"),
        [
            "1:1 map", " 1:1 a:", "  1:4 1", "4:1 map", " 4:1 b:", "  4:4 2", "6:5 map", " 6:6 c:",
            "  6:9 3",
        ]
    );
}

#[test]
fn documents_that_say_nothing_are_left_out() {
    assert_eq!(outlined(""), [""; 0]);
    assert_eq!(
        outlined("# only a note\n---\n---\n# and another\n..."),
        [""; 0]
    );
    assert_eq!(outlined("~"), [""; 0]);
}

#[test]
fn one_broken_document_does_not_hide_the_others() {
    let (nodes, problems) = read("a: 1\n---\nb: [\n---\nc: 3\n---\nd:\n\t- 4\n");
    assert_eq!(nodes.len(), 2);
    assert_eq!(
        problems,
        [
            "3:5 this is not YAML (while parsing a node, did not find expected node content): \
         mend the indentation, or quote the text",
            "8:2 this is not YAML (tabs disallowed within this context (block indentation)): indent with spaces",
        ]
    );
}

#[test]
fn a_key_given_twice_is_refused_where_it_stands_again() {
    assert_eq!(
        problems("a: 1\nb: {x: 1, y: 2, x: 3}\n'a': 2\n"),
        [
            "2:17 `x` is given twice: it also stands in line 2",
            "3:1 `a` is given twice: it also stands in line 1",
        ]
    );
}

#[test]
fn keys_given_twice_are_found_among_few_and_among_many() {
    for count in [1, 15, 16, 17, 18, 40, 1000] {
        for again in [0, count / 2, count - 1] {
            let keys = (0..count).chain([again, count]);
            let text: String = keys.map(|key| format!("k{key}: 1\n")).collect();
            let (line, first) = (count + 1, again + 1);
            assert_eq!(
                problems(&text),
                [format!(
                    "{line}:1 `k{again}` is given twice: it also stands in line {first}"
                )],
                "{count} keys"
            );
        }
    }
}

#[test]
fn an_alias_stands_for_what_its_anchor_names() {
    assert_eq!(
        outlined("a: &x [1]\nb: *x\n"),
        [
            "1:1 map",
            " 1:1 a:",
            "  1:4 list",
            "   1:8 1",
            " 2:1 b:",
            "  1:4 list",
            "   1:8 1",
        ]
    );
    let unknown = problems("a: *nobody\n");
    assert!(
        unknown[0].starts_with("1:4 this is not YAML"),
        "{unknown:?}"
    );
    assert_eq!(
        problems("a: &x [*x]\n"),
        ["1:8 this alias stands within what it stands for"]
    );
}

#[test]
fn aliases_cannot_grow_without_bound() {
    let mut bomb = "a0: &a0 [x]\n".to_owned();
    for level in 1..30 {
        let below = level - 1;
        let nine = vec![format!("*a{below}"); 9].join(", ");
        bomb += &format!("a{level}: &a{level} [{nine}]\n");
    }
    let problems = problems(&bomb);
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].ends_with("the document has more than 1000000 values, aliases counted"),
        "{problems:?}"
    );
}

#[test]
fn depth_is_bounded() {
    assert_eq!(
        outlined(&format!("{}{}", "[".repeat(65), "]".repeat(65))).len(),
        65
    );
    let flow = problems(&"[".repeat(100_000));
    assert_eq!(
        flow,
        ["1:256 values nest deeper than 64: write them flatter"]
    );
    let deep = problems(&"- ".repeat(100_000));
    assert_eq!(
        deep,
        ["1:131 values nest deeper than 64: write them flatter"]
    );
}

#[test]
fn size_is_bounded() {
    let big = format!("a: {}", "x".repeat(MAX_DOCUMENT));
    assert_eq!(
        problems(&big),
        ["1:1 the document is larger than 4 MiB: divide it with `---`"]
    );
    let file = "# xxxxxx\n".repeat(MAX_FILE / 9 + 1);
    assert_eq!(
        problems(&file),
        ["1:1 the file is larger than 16 MiB: divide it"]
    );
}

#[test]
fn what_yaml_allows_and_nobody_reads_is_refused() {
    assert_eq!(
        problems("a: !!int 5\n"),
        ["1:4 the tag `!int` means nothing here: delete it"]
    );
    assert_eq!(
        problems("? [a]\n: 1\n"),
        ["1:3 a key is one word: quote text that begins with `[`, `{` or `*`"]
    );
    assert_eq!(problems(": 1\n"), ["1:1 a key is missing before the `:`"]);
    assert_eq!(
        problems("a: 1\r# hidden\nb: 2\n"),
        ["1:1 a carriage return stands alone: end lines with a line feed"]
    );
}

#[test]
fn a_mistake_at_the_end_is_shown_in_the_last_line() {
    let (_, problems) = read("a: 'open\n\n");
    assert_eq!(
        problems,
        [
            "1:4 this is not YAML (while scanning a quoted scalar, found unexpected end of stream): close the quotes",
        ]
    );
    let (_, problems) = read("a: [1,\n  22\n");
    assert_eq!(
        problems,
        [
            "2:5 this is not YAML (while parsing a flow sequence, expected ',' or ']'): close the bracket, or quote the text",
        ]
    );
}

#[test]
fn a_character_of_a_scalar_has_its_own_place_where_it_stands_as_written() {
    let (nodes, problems) = read(
        "- plain x\n- 'éxx' # note\n- \"a x\"\n- \"\\u0041 x\"\n- |\n  a x\n- 'it''s x'\n- a\n  x\n",
    );
    assert_eq!(problems, [""; 0]);
    let places: Vec<_> = nodes[0]
        .one_or_many()
        .iter()
        .map(|node| {
            let Origin { line, column, .. } = node.place_of(2);
            (line, column)
        })
        .collect();
    assert_eq!(
        places,
        [(1, 5), (2, 6), (3, 6), (4, 3), (6, 3), (7, 3), (8, 3)]
    );
}
