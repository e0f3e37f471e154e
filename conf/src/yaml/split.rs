//! Where documents begin and end: at lines that start with `---` or `...`, of
//! which YAML says that they never belong to a document, wherever they stand
//! (YAML 1.2.2, section 9.1.2).

/// A document and the number of its first line within the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Document<'a> {
    pub(super) first_line: u32,
    pub(super) text: &'a str,
}

/// The documents of a text, in order. One may be empty.
pub(super) fn documents(text: &str) -> impl Iterator<Item = Document<'_>> {
    let mut rest = Some(Document {
        first_line: 1,
        text,
    });
    std::iter::from_fn(move || {
        let (document, next) = cut(rest?);
        rest = next;
        Some(document)
    })
}

/// The first document, and what comes after it.
fn cut(rest: Document<'_>) -> (Document<'_>, Option<Document<'_>>) {
    let mut end = 0_usize;
    for (number, line) in (rest.first_line..).zip(rest.text.split_inclusive('\n')) {
        let begins = end > 0 && is_marker(line, "---");
        let ends = is_marker(line, "...");
        if begins || ends {
            let after = if ends { line.len() } else { 0 };
            let next = Document {
                first_line: if ends {
                    number.saturating_add(1)
                } else {
                    number
                },
                text: rest
                    .text
                    .get(end.saturating_add(after)..)
                    .unwrap_or_default(),
            };
            let text = rest.text.get(..end).unwrap_or_default();
            return (Document { text, ..rest }, Some(next));
        }
        end = end.saturating_add(line.len());
    }
    (rest, None)
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<(u32, &str)> {
        documents(text).map(|d| (d.first_line, d.text)).collect()
    }

    #[test]
    fn a_document_keeps_its_marker_and_its_first_line() {
        assert_eq!(
            split("a: 1\n---\nb: 2\n"),
            [(1, "a: 1\n"), (2, "---\nb: 2\n")]
        );
        assert_eq!(
            split("---\na: 1\n--- # second\nb: 2"),
            [(1, "---\na: 1\n"), (3, "--- # second\nb: 2")]
        );
    }

    #[test]
    fn three_dots_end_a_document_and_belong_to_none() {
        assert_eq!(
            split("a: 1\n...\n# note\n---\nb: 2\n"),
            [(1, "a: 1\n"), (3, "# note\n"), (4, "---\nb: 2\n"),]
        );
    }

    #[test]
    fn what_only_looks_like_a_marker_is_text() {
        for text in ["a: |\n  ---\n", "----\n", "---a\n", " ---\n", "....\n"] {
            assert_eq!(split(text), [(1, text)], "{text:?}");
        }
    }
}
