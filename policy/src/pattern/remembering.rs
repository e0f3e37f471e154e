//! Which patterns an automaton of many would have to remember.
//!
//! `/v1/.*/x/.*/y` goes on repeating its first `.*` after it has seen `/x/`, and
//! must remember that it has. An automaton of a thousand such patterns remembers
//! which of them it saw, and has a state for every such set: a path that shows one
//! after the other makes a large new state with each byte. One of 8 KiB took four
//! seconds. Few of them together have few states.

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use super::automaton::{Margin, Piece};

impl Piece {
    /// Whether the automaton can be within a repetition and behind it at once, and
    /// be in doubt for as long as the text likes.
    pub(super) fn remembers(&self) -> bool {
        let behind = match self.behind {
            Margin::Empty => Bytes::NONE,
            Margin::Anything => Bytes::ALL,
        };
        let restarts = self.before == Margin::Anything && repeats(&self.hir, begins(&self.hir).0);
        restarts || is_ambiguous(&self.hir, behind)
    }
}

/// A set of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bytes([u128; 2]);

impl Bytes {
    const NONE: Self = Self([0; 2]);
    const ALL: Self = Self([u128::MAX; 2]);
    /// Any of a character beyond ASCII.
    const BEYOND: Self = Self([0, u128::MAX]);

    fn one(byte: u8) -> Self {
        let bit = 1 << (byte % 128);
        match byte {
            ..128 => Self([bit, 0]),
            128.. => Self([0, bit]),
        }
    }

    fn range(start: u8, end: u8) -> Self {
        (start..=end).fold(Self::NONE, |all, byte| all.or(Self::one(byte)))
    }

    fn or(self, other: Self) -> Self {
        let Self([low, high]) = self;
        let Self([other_low, other_high]) = other;
        Self([low | other_low, high | other_high])
    }

    fn meets(self, other: Self) -> bool {
        let Self([low, high]) = self;
        let Self([other_low, other_high]) = other;
        low & other_low != 0 || high & other_high != 0
    }
}

/// The bytes a match can begin with, and whether it can be empty.
fn begins(hir: &Hir) -> (Bytes, bool) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => (Bytes::NONE, true),
        HirKind::Literal(literal) => {
            let first = literal.0.first();
            (first.map_or(Bytes::NONE, |byte| Bytes::one(*byte)), false)
        }
        HirKind::Class(class) => (class_begins(class), false),
        HirKind::Repetition(Repetition { min, sub, .. }) => {
            let (first, empty) = begins(sub);
            (first, empty || *min == 0)
        }
        HirKind::Capture(capture) => begins(&capture.sub),
        HirKind::Concat(parts) => begins_in_turn(parts, Bytes::NONE),
        HirKind::Alternation(ways) => {
            let all = ways.iter().map(begins);
            all.fold((Bytes::NONE, false), |(all, any), (first, empty)| {
                (all.or(first), any || empty)
            })
        }
    }
}

/// The same of one part after the other, with what comes behind all of them.
fn begins_in_turn(parts: &[Hir], behind: Bytes) -> (Bytes, bool) {
    let mut all = Bytes::NONE;
    for part in parts {
        let (first, empty) = begins(part);
        all = all.or(first);
        if !empty {
            return (all, false);
        }
    }
    (all.or(behind), true)
}

fn class_begins(class: &Class) -> Bytes {
    let ranges: Vec<(u32, u32)> = match class {
        Class::Bytes(class) => {
            let ranges = class.iter();
            ranges.map(|r| (r.start().into(), r.end().into())).collect()
        }
        Class::Unicode(class) => {
            let ranges = class.iter();
            ranges.map(|r| (r.start().into(), r.end().into())).collect()
        }
    };
    let is_text = matches!(class, Class::Unicode(_));
    ranges.into_iter().fold(Bytes::NONE, |all, (start, end)| {
        let last = if is_text { 127 } else { 255 };
        let beyond = if end > last {
            Bytes::BEYOND
        } else {
            Bytes::NONE
        };
        let within = match (u8::try_from(start), u8::try_from(end.min(last))) {
            (Ok(start), Ok(end)) => Bytes::range(start, end),
            _ => Bytes::NONE,
        };
        all.or(within).or(beyond)
    })
}

/// Whether some repetition can go on with what can also come behind it.
fn is_ambiguous(hir: &Hir, behind: Bytes) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) | HirKind::Class(_) => false,
        HirKind::Repetition(repetition) => {
            let (first, _) = begins(&repetition.sub);
            if repetition.max == Some(1) {
                return is_ambiguous(&repetition.sub, behind);
            }
            first.meets(behind) || is_ambiguous(&repetition.sub, first.or(behind))
        }
        HirKind::Capture(capture) => is_ambiguous(&capture.sub, behind),
        HirKind::Concat(parts) => (1..=parts.len()).any(|next| {
            let (now, later) = parts.split_at(next);
            let behind = begins_in_turn(later, behind).0;
            now.last().is_some_and(|part| is_ambiguous(part, behind))
        }),
        HirKind::Alternation(ways) => ways.iter().any(|way| is_ambiguous(way, behind)),
    }
}

/// Whether something repeats without end that goes on with one of these.
fn repeats(hir: &Hir, with: Bytes) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) | HirKind::Class(_) => false,
        HirKind::Repetition(Repetition { max, sub, .. }) => {
            (max.is_none() && begins(sub).0.meets(with)) || repeats(sub, with)
        }
        HirKind::Capture(capture) => repeats(&capture.sub, with),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().any(|part| repeats(part, with))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::pattern::{Case, Re2};

    #[test]
    fn patterns_that_must_remember_what_they_saw_are_told_from_others() {
        for (pattern, remembers) in [
            ("/v1/.*/x/.*/y", true),
            ("/v1/.*/x", true),
            ("/(a|b)*a(a|b){12}", true),
            ("/[^/]+[0-9]/x", true),
            (".*/x[^?]*", true),
            (".*/x.*/y", true),
            (".*/x[a-z/]+.*", true),
            ("/é*é/x", true),
            ("/a{2,9}a", true),
            ("/api/v[0-9]+/users/[^/]+/items/[0-9]+", false),
            ("/[^/]+/x/[^/]+/y", false),
            (".*/x/[^/]+/y", false),
            (".*/x", false),
            ("/x.*", false),
            (".*/x/.*", false),
            ("/(x|y)+", false),
            ("/(a/)*b?c", false),
            ("/a?a?a?b", false),
            ("/x[^/]*", false),
        ] {
            let piece = Re2::parse(pattern).unwrap().piece(Case::Sensitive).unwrap();
            assert_eq!(piece.remembers(), remembers, "{pattern}");
        }
    }
}
