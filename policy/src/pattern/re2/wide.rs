//! What a deny's pattern says of the views that hold no escapes: wherever a text
//! stands in it, the same text as views show it will do.

use std::str;

use regex_syntax::hir::{Class, Hir, HirKind};

use crate::canonical::deny_literal;

/// The pattern with every text in it, or what views show in its place. It must
/// have been rebuilt in lower case, so that neighbouring texts are one.
pub(super) fn widened(hir: &Hir) -> Hir {
    let each = |subs: &[Hir]| subs.iter().map(widened).collect();
    match hir.kind() {
        HirKind::Literal(literal) => {
            let text = str::from_utf8(&literal.0).ok();
            match text.and_then(deny_literal) {
                None => hir.clone(),
                Some(wide) => Hir::alternation(vec![hir.clone(), Hir::literal(wide.into_bytes())]),
            }
        }
        HirKind::Repetition(repetition) => {
            Hir::repetition(repetition.with(widened(&repetition.sub)))
        }
        HirKind::Capture(capture) => widened(&capture.sub),
        HirKind::Concat(subs) => Hir::concat(each(subs)),
        HirKind::Alternation(subs) => Hir::alternation(each(subs)),
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => hir.clone(),
    }
}

/// Whether the pattern spells an escape in pieces (`%C3%A[89]`, `[a-z%0-9]`), of
/// which nobody can tell what views show in its place.
pub(super) fn has_broken_escape(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Literal(literal) => !is_whole(&literal.0),
        HirKind::Class(Class::Unicode(class)) => {
            let holds = |c| {
                class
                    .iter()
                    .any(|range| (range.start()..=range.end()).contains(&c))
            };
            holds('%') && !(holds(' ') && holds('\u{e9}'))
        }
        HirKind::Class(Class::Bytes(_)) | HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Repetition(repetition) => has_broken_escape(&repetition.sub),
        HirKind::Capture(capture) => has_broken_escape(&capture.sub),
        HirKind::Concat(subs) | HirKind::Alternation(subs) => subs.iter().any(has_broken_escape),
    }
}

/// Whether every `%` stands before two digits, and the bytes are whole characters.
fn is_whole(literal: &[u8]) -> bool {
    let mut decoded = Vec::with_capacity(literal.len());
    let mut rest = literal;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let Some((digits, behind)) = behind.split_at_checked(2) else {
            return false;
        };
        let digits = str::from_utf8(digits).ok();
        let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            return false;
        };
        decoded.push(byte);
        rest = behind;
    }
    str::from_utf8(&decoded).is_ok()
}
