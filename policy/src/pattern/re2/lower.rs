//! What a pattern is once parsed: without captures, without anchors that a
//! whole match makes idle, in the case its index compares; and whether it is
//! then anything simpler than a regular expression.

use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{
    Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Dot, Hir, HirKind, Look,
    Repetition,
};

use crate::pattern::Case;

/// More exact texts than this stay one regular expression.
const MAX_EXACT: usize = 64;

/// The simplest thing that matches the same paths as a regular expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lowered {
    /// Exactly these texts, ascending; perhaps none.
    Exact(Vec<Box<str>>),
    /// Every path that begins so (`literal.*`).
    Prefix(Box<str>),
    /// Every path (`.*`).
    Any,
    /// Nothing simpler.
    Regex,
}

/// Finds the simplest equal of a pattern made by [`whole`].
///
/// `.` matches no line feed, yet `.*` is [`Lowered::Any`] and `x.*` a prefix:
/// canonical paths hold no control bytes, so no path tells the two apart.
pub(super) fn lower(hir: &Hir) -> Lowered {
    if is_anything(hir) {
        return Lowered::Any;
    }
    prefix(hir)
        .map(Lowered::Prefix)
        .or_else(|| exact(hir).map(Lowered::Exact))
        .unwrap_or(Lowered::Regex)
}

fn is_anything(hir: &Hir) -> bool {
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
        .any(|dot| **sub == Hir::dot(dot))
}

fn prefix(hir: &Hir) -> Option<Box<str>> {
    let HirKind::Concat(subs) = hir.kind() else {
        return None;
    };
    match &**subs {
        [first, rest] if is_anything(rest) => text(first),
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
pub(super) fn whole(hir: &Hir, case: Case) -> Hir {
    let hir = rebuilt(hir, case);
    trimmed(&trimmed(&hir, Look::Start), Look::End)
}

/// The pattern without captures; for [`Case::Folded`] its image under ASCII
/// lower-casing. The image, unlike `(?i)`, never loses a text: `[^A]` matches
/// `a`, so folded it still does.
pub(super) fn rebuilt(hir: &Hir, case: Case) -> Hir {
    let each = |subs: &[Hir]| subs.iter().map(|sub| rebuilt(sub, case)).collect();
    match hir.kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Look(look) => Hir::look(*look),
        HirKind::Capture(capture) => rebuilt(&capture.sub, case),
        HirKind::Repetition(repetition) => {
            Hir::repetition(repetition.with(rebuilt(&repetition.sub, case)))
        }
        HirKind::Concat(subs) => Hir::concat(each(subs)),
        HirKind::Alternation(subs) => Hir::alternation(each(subs)),
        HirKind::Literal(literal) if case == Case::Folded => {
            Hir::literal(literal.0.to_ascii_lowercase())
        }
        HirKind::Literal(literal) => Hir::literal(literal.0.clone()),
        HirKind::Class(class) if case == Case::Folded => Hir::class(lower_case(class)),
        HirKind::Class(class) => Hir::class(class.clone()),
    }
}

fn lower_case(class: &Class) -> Class {
    match class {
        Class::Unicode(class) => Class::Unicode(lower_case_unicode(class)),
        Class::Bytes(class) => Class::Bytes(lower_case_bytes(class)),
    }
}

fn lower_case_unicode(class: &ClassUnicode) -> ClassUnicode {
    let upper = ClassUnicode::new([ClassUnicodeRange::new('A', 'Z')]);
    let mut moved = class.clone();
    moved.intersect(&upper);
    let lowered = moved.iter().map(|range| {
        ClassUnicodeRange::new(
            range.start().to_ascii_lowercase(),
            range.end().to_ascii_lowercase(),
        )
    });
    let mut image = class.clone();
    image.difference(&upper);
    image.union(&ClassUnicode::new(lowered));
    image
}

fn lower_case_bytes(class: &ClassBytes) -> ClassBytes {
    let upper = ClassBytes::new([ClassBytesRange::new(b'A', b'Z')]);
    let mut moved = class.clone();
    moved.intersect(&upper);
    let lowered = moved.iter().map(|range| {
        ClassBytesRange::new(
            range.start().to_ascii_lowercase(),
            range.end().to_ascii_lowercase(),
        )
    });
    let mut image = class.clone();
    image.difference(&upper);
    image.union(&ClassBytes::new(lowered));
    image
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
