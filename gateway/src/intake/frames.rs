//! HTTP/2 frames as they pass, in pieces of any size; nothing is kept of them.

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const GOAWAY: u8 = 7;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// A frame that has passed as a whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    /// Of its payload.
    pub(super) length: u32,
    /// The payload's first four bytes.
    pub(super) word: u32,
}

/// From frame to frame.
#[derive(Debug)]
pub(super) struct Walk {
    head: [u8; 9],
    word: [u8; 4],
    /// Bytes of the frame that have passed.
    passed: usize,
    /// Bytes before the first frame.
    before: usize,
}

impl Walk {
    /// The kind of a frame whose payload has begun to pass, and has not ended.
    pub(super) fn begun(&self) -> Option<u8> {
        let [_, _, _, kind, ..] = self.head;
        (self.passed >= self.head.len()).then_some(kind)
    }

    pub(super) fn behind(before: usize) -> Self {
        Self {
            head: [0; 9],
            word: [0; 4],
            passed: 0,
            before,
        }
    }

    /// Passes over bytes up to the end of a frame.
    pub(super) fn next(&mut self, rest: &mut &[u8]) -> Option<Frame> {
        self.before -= skip(rest, self.before);
        if rest.is_empty() {
            return None;
        }
        let head = self.head.len();
        if let Some(missing) = self.head.get_mut(self.passed..) {
            self.passed += fill(missing, rest);
        }
        if self.passed < head {
            return None;
        }
        let [a, b, c, kind, flags, w, x, y, z] = self.head;
        let size = u32::from_be_bytes([0, a, b, c]);
        let length = usize::try_from(size).ok()?;
        if let Some(missing) = self.word.get_mut(self.passed - head..) {
            let here = missing.len().min(length.saturating_sub(self.passed - head));
            self.passed += fill(missing.get_mut(..here).unwrap_or_default(), rest);
        }
        self.passed += skip(rest, (head + length).saturating_sub(self.passed));
        if self.passed < head + length {
            return None;
        }
        let word = if length < 4 {
            0
        } else {
            u32::from_be_bytes(self.word)
        };
        self.passed = 0;
        Some(Frame {
            kind,
            flags,
            stream: u32::from_be_bytes([w & 0x7f, x, y, z]),
            length: size,
            word,
        })
    }
}

/// Copies what is missing, as far as there is any; how much.
fn fill(missing: &mut [u8], rest: &mut &[u8]) -> usize {
    let here = missing.len().min(rest.len());
    if let (Some(to), Some((from, after))) = (missing.get_mut(..here), rest.split_at_checked(here))
    {
        to.copy_from_slice(from);
        *rest = after;
    }
    here
}

/// Leaves out as many bytes, as far as there are any; how many.
fn skip(rest: &mut &[u8], count: usize) -> usize {
    let here = count.min(rest.len());
    *rest = rest.get(here..).unwrap_or_default();
    here
}
