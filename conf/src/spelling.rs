//! What somebody probably meant who misspelt a word.

/// The known word closest to `word`, if one is close enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = plain(word);
    let tolerance = (word.chars().count() / 3).clamp(1, 2);
    known
        .into_iter()
        .map(|candidate| (distance(&plain, &self::plain(candidate)), candidate))
        .filter(|(edits, _)| *edits <= tolerance)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// `connect_timeout`, `connect-timeout` and `connectTimeout` are one word.
fn plain(word: &str) -> Vec<char> {
    let letters = word.chars().filter(|c| !matches!(c, '_' | '-'));
    letters.take(64).map(|c| c.to_ascii_lowercase()).collect()
}

/// Edits from one word to another: a letter more, less, other, or two swapped
/// (optimal string alignment).
fn distance(one: &[char], other: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    let mut last = None;
    for (row, a) in (1..).zip(one) {
        let mut current = vec![row];
        let mut previous = None;
        for (column, b) in other.iter().enumerate() {
            let at =
                |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX - 1);
            let mut edits = (at(&above, column) + usize::from(a != b))
                .min(at(&above, column + 1) + 1)
                .min(at(&current, column) + 1);
            if last == Some(b) && previous == Some(a) && column > 0 {
                edits = edits.min(at(&before, column - 1) + 1);
            }
            current.push(edits);
            previous = Some(b);
        }
        before = std::mem::replace(&mut above, current);
        last = Some(a);
    }
    above.last().copied().unwrap_or_default()
}

/// `` `a`, `b` or `c` ``.
pub(crate) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["path", "port", "host", "connectTimeout", "allow"];

    #[test]
    fn finds_the_word_that_was_meant() {
        for (written, meant) in [
            ("paht", "path"),
            ("pth", "path"),
            ("Path", "path"),
            ("ports", "port"),
            ("connect_timeout", "connectTimeout"),
            ("conectTimout", "connectTimeout"),
            ("alow", "allow"),
        ] {
            assert_eq!(nearest(written, KNOWN), Some(meant), "{written}");
        }
    }

    #[test]
    fn suggests_nothing_rather_than_something_far() {
        for written in ["", "x", "tls", "destination", "deny"] {
            assert_eq!(nearest(written, KNOWN), None, "{written}");
        }
    }

    #[test]
    fn lists_words_as_a_sentence_does() {
        assert_eq!(listed(["a"]), "`a`");
        assert_eq!(listed(["a", "b", "c"]), "`a`, `b` or `c`");
        assert_eq!(listed([]), "");
    }
}
