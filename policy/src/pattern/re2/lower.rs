//! What a pattern is once parsed: without captures, without anchors that a
//! whole match makes idle, in the case its index compares; and whether it is
//! then anything simpler than a regular expression.

use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{
    Class, ClassUnicode, ClassUnicodeRange, Dot, Hir, HirKind, Look, Repetition,
};

use crate::pattern::Case;
use crate::pattern::automaton::{Margin, Piece};

/// The characters that texts are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// All: values of headers.
    Every,
    /// ASCII: canonical paths (security: T1). An automaton that knows no other
    /// characters is five times smaller.
    Ascii,
    /// All but the upper-case letters of ASCII: what folded indexes are asked.
    LowerCase,
}

impl Alphabet {
    pub(super) fn of_paths(case: Case) -> Self {
        match case {
            Case::Sensitive => Self::Ascii,
            Case::Folded => Self::LowerCase,
        }
    }
}

/// More exact texts than this stay one regular expression.
const MAX_EXACT: usize = 64;

/// The simplest thing that matches the same paths as a regular expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lowered {
    /// Exactly these texts, ascending; perhaps none.
    Exact(Vec<Box<str>>),
    /// Every path that begins so (`literal.*`).
    Prefix(Box<str>),
    /// Every path that ends so (`.*literal`).
    Suffix(Box<str>),
    /// Every path (`.*`).
    Any,
    /// Nothing simpler.
    Regex,
}

/// Finds the simplest equal of a pattern made by [`whole`].
///
/// `.` matches no line feed, yet `.*` is [`Lowered::Any`], `x.*` a prefix and
/// `.*x` a suffix: canonical paths hold no control bytes, so no path tells them
/// apart.
pub(super) fn lower(hir: &Hir, alphabet: Alphabet) -> Lowered {
    if is_anything(hir, alphabet) {
        return Lowered::Any;
    }
    affix(hir, alphabet)
        .or_else(|| exact(hir).map(Lowered::Exact))
        .unwrap_or(Lowered::Regex)
}

/// The pattern without the `.*` that it begins and ends in.
pub(super) fn piece(hir: Hir, alphabet: Alphabet) -> Piece {
    let HirKind::Concat(subs) = hir.kind() else {
        return Piece::whole(hir);
    };
    let mut rest = subs.as_slice();
    let (mut before, mut behind) = (Margin::Empty, Margin::Empty);
    while let [first, others @ ..] = rest
        && is_anything(first, alphabet)
    {
        (before, rest) = (Margin::Anything, others);
    }
    while let [others @ .., last] = rest
        && is_anything(last, alphabet)
    {
        (behind, rest) = (Margin::Anything, others);
    }
    Piece {
        hir: Hir::concat(rest.to_vec()),
        before,
        behind,
    }
}

fn is_anything(hir: &Hir, alphabet: Alphabet) -> bool {
    let HirKind::Repetition(Repetition {
        min: 0,
        max: None,
        sub,
        ..
    }) = hir.kind()
    else {
        return false;
    };
    [Dot::AnyChar, Dot::AnyCharExceptLF]
        .into_iter()
        .any(|dot| **sub == rebuilt(&Hir::dot(dot), alphabet))
}

fn affix(hir: &Hir, alphabet: Alphabet) -> Option<Lowered> {
    let HirKind::Concat(subs) = hir.kind() else {
        return None;
    };
    match &**subs {
        [first, rest] if is_anything(rest, alphabet) => text(first).map(Lowered::Prefix),
        [rest, last] if is_anything(rest, alphabet) => text(last).map(Lowered::Suffix),
        _ => None,
    }
}

fn text(hir: &Hir) -> Option<Box<str>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(std::str::from_utf8(&literal.0).ok()?.into()),
        _ => None,
    }
}

/// The texts of a finite pattern. Literal extraction ignores assertions, so a
/// pattern that still holds one is never exact.
fn exact(hir: &Hir) -> Option<Vec<Box<str>>> {
    if !hir.properties().look_set().is_empty() {
        return None;
    }
    let found = Extractor::new()
        .limit_class(MAX_EXACT)
        .limit_repeat(MAX_EXACT)
        .limit_literal_len(super::MAX_BYTES)
        .limit_total(MAX_EXACT)
        .extract(hir);
    if !found.is_exact() {
        return None;
    }
    let texts = found.literals()?.iter();
    let mut texts = texts
        .map(|text| std::str::from_utf8(text.as_bytes()).ok().map(Box::from))
        .collect::<Option<Vec<Box<str>>>>()?;
    texts.sort_unstable();
    texts.dedup();
    (texts.len() <= MAX_EXACT).then_some(texts)
}

/// Prepares a parsed pattern for whole matches.
pub(super) fn whole(hir: &Hir, alphabet: Alphabet) -> Hir {
    let hir = rebuilt(hir, alphabet);
    trimmed(&trimmed(&hir, Look::Start), Look::End)
}

/// The pattern without captures, for texts of an alphabet. For lower case it
/// becomes its image under lower-casing, which unlike `(?i)` never loses a
/// text: `[^A]` matches `a`, so folded it still does.
pub(super) fn rebuilt(hir: &Hir, alphabet: Alphabet) -> Hir {
    let each = |subs: &[Hir]| subs.iter().map(|sub| rebuilt(sub, alphabet)).collect();
    match hir.kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Look(look) => Hir::look(*look),
        HirKind::Capture(capture) => rebuilt(&capture.sub, alphabet),
        HirKind::Repetition(repetition) => {
            Hir::repetition(repetition.with(rebuilt(&repetition.sub, alphabet)))
        }
        HirKind::Concat(subs) => Hir::concat(each(subs)),
        HirKind::Alternation(subs) => Hir::alternation(each(subs)),
        HirKind::Literal(literal) if alphabet == Alphabet::LowerCase => {
            Hir::literal(literal.0.to_ascii_lowercase())
        }
        HirKind::Literal(literal) => Hir::literal(literal.0.clone()),
        HirKind::Class(Class::Unicode(class)) => {
            Hir::class(Class::Unicode(class_within(class, alphabet)))
        }
        // The translation writes none.
        HirKind::Class(Class::Bytes(class)) => Hir::class(Class::Bytes(class.clone())),
    }
}

fn class_within(class: &ClassUnicode, alphabet: Alphabet) -> ClassUnicode {
    let mut within = class.clone();
    match alphabet {
        Alphabet::Every => {}
        Alphabet::Ascii => within.intersect(&characters('\0', '\x7f')),
        Alphabet::LowerCase => {
            let mut upper = class.clone();
            upper.intersect(&characters('A', 'Z'));
            within.difference(&upper);
            within.union(&lower_case(&upper));
        }
    }
    within
}

fn characters(first: char, last: char) -> ClassUnicode {
    ClassUnicode::new([ClassUnicodeRange::new(first, last)])
}

fn lower_case(upper: &ClassUnicode) -> ClassUnicode {
    ClassUnicode::new(upper.iter().map(|range| {
        ClassUnicodeRange::new(
            range.start().to_ascii_lowercase(),
            range.end().to_ascii_lowercase(),
        )
    }))
}

/// Drops an assertion that holds at an edge of every whole match anyway, so
/// that `^/health|/sport$` is two texts.
fn trimmed(hir: &Hir, edge: Look) -> Hir {
    match hir.kind() {
        HirKind::Look(look) if *look == edge => Hir::empty(),
        HirKind::Alternation(subs) => {
            Hir::alternation(subs.iter().map(|sub| trimmed(sub, edge)).collect())
        }
        HirKind::Concat(subs) => {
            let mut subs = subs.clone();
            let outermost = match edge {
                Look::Start => subs.first_mut(),
                _ => subs.last_mut(),
            };
            if let Some(sub) = outermost {
                *sub = trimmed(sub, edge);
            }
            Hir::concat(subs)
        }
        _ => hir.clone(),
    }
}
