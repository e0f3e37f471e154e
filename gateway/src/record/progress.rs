//! How far a page of lines has been written.
//!
//! Writes end anywhere; what counts is whole lines. A line that was written in
//! part can be begun again, so that a new file never starts within one.

/// A page under way to a sink.
#[derive(Debug)]
pub(crate) struct Progress<'p> {
    page: &'p [u8],
    /// Bytes written.
    sent: usize,
    /// Of these, bytes of lines written whole.
    whole: usize,
}

/// Lines that were finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) lines: usize,
    pub(crate) bytes: usize,
}

impl<'p> Progress<'p> {
    pub(crate) fn new(page: &'p [u8]) -> Self {
        Self {
            page,
            sent: 0,
            whole: 0,
        }
    }

    /// What is still to be written.
    pub(crate) fn rest(&self) -> &'p [u8] {
        self.page.get(self.sent..).unwrap_or_default()
    }

    pub(crate) fn is_at_line_start(&self) -> bool {
        self.sent == self.whole
    }

    /// Counts `bytes` more as written.
    pub(crate) fn advance(&mut self, bytes: usize) -> Finished {
        self.sent = self.page.len().min(self.sent + bytes);
        let open = self.page.get(self.whole..self.sent).unwrap_or_default();
        let finished = Finished {
            lines: count_lines(open),
            bytes: whole_lines(open),
        };
        self.whole += finished.bytes;
        finished
    }

    /// Begins the line again that is written in part.
    pub(crate) fn rewind(&mut self) {
        self.sent = self.whole;
    }

    /// Gives up the rest.
    pub(crate) fn abandon(&mut self) -> Finished {
        let rest = self.page.get(self.whole..).unwrap_or_default();
        self.sent = self.page.len();
        self.whole = self.page.len();
        Finished {
            lines: count_lines(rest),
            bytes: rest.len(),
        }
    }
}

fn count_lines(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}

/// The length of the whole lines at the beginning.
pub(crate) fn whole_lines(text: &[u8]) -> usize {
    text.iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_a_line_once_it_is_written_to_its_end() {
        let mut progress = Progress::new(b"one\ntwo\nthree\n");
        assert_eq!(progress.advance(3), Finished::default());
        assert_eq!(progress.advance(1), Finished { lines: 1, bytes: 4 });
        assert!(progress.is_at_line_start());
        assert_eq!(progress.advance(6), Finished { lines: 1, bytes: 4 });
        assert!(!progress.is_at_line_start());
        assert_eq!(progress.rest(), b"ree\n");
        assert_eq!(progress.advance(99), Finished { lines: 1, bytes: 6 });
        assert!(progress.rest().is_empty());
    }

    #[test]
    fn begins_a_torn_line_again() {
        let mut progress = Progress::new(b"one\ntwo\n");
        progress.advance(6);
        progress.rewind();
        assert_eq!(progress.rest(), b"two\n");
        assert_eq!(progress.advance(4), Finished { lines: 1, bytes: 4 });
    }

    #[test]
    fn gives_up_a_torn_line_with_the_rest() {
        let mut progress = Progress::new(b"one\ntwo\nthree\n");
        progress.advance(5);
        assert_eq!(
            progress.abandon(),
            Finished {
                lines: 2,
                bytes: 10
            }
        );
        assert!(progress.rest().is_empty());
    }
}
