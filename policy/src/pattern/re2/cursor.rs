//! A place in a pattern's text, moved forward character by character.

/// Reads a text from left to right.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Bytes read so far.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// What was read since `start`.
    pub(super) fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Reads `word` if it stands next.
    pub(super) fn eat(&mut self, word: &str) -> bool {
        let found = self.rest().starts_with(word);
        if found {
            self.at += word.len();
        }
        found
    }

    /// Reads up to `end` and over it; `None`, and nothing read, without one.
    pub(super) fn until(&mut self, end: &str) -> Option<&'a str> {
        let (body, _) = self.rest().split_once(end)?;
        self.at += body.len() + end.len();
        Some(body)
    }

    /// Reads characters as long as `wanted`, at most `most` of them.
    pub(super) fn while_some(&mut self, most: usize, wanted: impl Fn(char) -> bool) -> &'a str {
        let start = self.at;
        for _ in 0..most {
            if !self.peek().is_some_and(&wanted) {
                break;
            }
            self.bump();
        }
        self.since(start)
    }
}
