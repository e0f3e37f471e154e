//! A sorted table of exact texts and prefixes, searched once for all of them:
//! the last entry not after a text is reached by halving, and every prefix of
//! the text is that entry or one of its ancestors. Cost: O(log n + hits).
//!
//! Suffixes are prefixes read backwards.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::{Hits, PatternError};

/// A half-open range of a table's bytes or numbers.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn of<T>(self, whole: &[T]) -> &[T] {
        let start = usize::try_from(self.start);
        let end = usize::try_from(self.end);
        match (start, end) {
            (Ok(start), Ok(end)) => whole.get(start..end).unwrap_or_default(),
            _ => &[],
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    text: Span,
    /// Hit by the text alone.
    exact: Span,
    /// Hit by every text that begins so.
    prefix: Span,
    /// The longest prefix entry that this one begins with.
    parent: Option<u32>,
}

/// The sorted table.
#[derive(Debug, Default)]
pub(super) struct Table {
    text: Box<[u8]>,
    ids: Box<[u32]>,
    entries: Box<[Entry]>,
}

/// How a text is read: as it stands or backwards.
pub(super) trait Reading: Copy {
    /// The order of an entry relative to the text.
    fn order(self, entry: &[u8]) -> Ordering;
    fn starts_with(self, entry: &[u8]) -> bool;
    fn len(self) -> usize;
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Forwards<'a>(pub(super) &'a [u8]);

#[derive(Clone, Copy, Debug)]
pub(super) struct Backwards<'a>(pub(super) &'a [u8]);

impl Reading for Forwards<'_> {
    fn order(self, entry: &[u8]) -> Ordering {
        entry.cmp(self.0)
    }
    fn starts_with(self, entry: &[u8]) -> bool {
        self.0.starts_with(entry)
    }
    fn len(self) -> usize {
        self.0.len()
    }
}

impl Reading for Backwards<'_> {
    fn order(self, entry: &[u8]) -> Ordering {
        entry.iter().cmp(self.0.iter().rev())
    }
    fn starts_with(self, entry: &[u8]) -> bool {
        entry.len() <= self.0.len() && entry.iter().eq(self.0.iter().rev().take(entry.len()))
    }
    fn len(self) -> usize {
        self.0.len()
    }
}

impl Table {
    /// Adds the numbers of every entry that matches the text.
    pub(super) fn hits(&self, text: impl Reading, hits: &mut Hits) {
        let after = self
            .entries
            .partition_point(|entry| text.order(entry.text.of(&self.text)).is_le());
        let mut next = after.checked_sub(1).and_then(|ix| self.entries.get(ix));
        while let Some(entry) = next {
            let begin = entry.text.of(&self.text);
            if text.starts_with(begin) {
                hits.push_all(entry.prefix.of(&self.ids));
                if begin.len() == text.len() {
                    hits.push_all(entry.exact.of(&self.ids));
                }
            }
            next = entry.parent.and_then(|ix| self.entry(ix));
        }
    }

    fn entry(&self, ix: u32) -> Option<&Entry> {
        self.entries.get(usize::try_from(ix).ok()?)
    }

    /// Bytes on the heap.
    pub(super) fn memory(&self) -> usize {
        self.text.len() + size_of_val(&*self.ids) + size_of_val(&*self.entries)
    }
}

/// Collects the entries of a [`Table`].
#[derive(Debug, Default)]
pub(super) struct TableBuilder(BTreeMap<Box<[u8]>, Numbers>);

#[derive(Debug, Default)]
struct Numbers {
    exact: Vec<u32>,
    prefix: Vec<u32>,
}

impl TableBuilder {
    pub(super) fn exact(&mut self, text: &[u8], id: u32) {
        self.0.entry(text.into()).or_default().exact.push(id);
    }

    pub(super) fn prefix(&mut self, text: &[u8], id: u32) {
        self.0.entry(text.into()).or_default().prefix.push(id);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn build(self) -> Result<Table, PatternError> {
        let mut text = Vec::new();
        let mut ids = Vec::new();
        let mut entries = Vec::new();
        // The prefixes that the current entry begins with, outermost first.
        let mut open: Vec<(Box<[u8]>, u32)> = Vec::new();
        for (key, numbers) in self.0 {
            while open
                .last()
                .is_some_and(|(begin, _)| !key.starts_with(begin))
            {
                open.pop();
            }
            let here = count(entries.len())?;
            entries.push(Entry {
                text: append(&mut text, &key)?,
                exact: append(&mut ids, &numbers.exact)?,
                prefix: append(&mut ids, &numbers.prefix)?,
                parent: open.last().map(|&(_, ix)| ix),
            });
            if !numbers.prefix.is_empty() {
                open.push((key, here));
            }
        }
        Ok(Table {
            text: text.into(),
            ids: ids.into(),
            entries: entries.into(),
        })
    }
}

fn append<T: Copy>(whole: &mut Vec<T>, part: &[T]) -> Result<Span, PatternError> {
    let start = count(whole.len())?;
    whole.extend_from_slice(part);
    let end = count(whole.len())?;
    Ok(Span { start, end })
}

fn count(n: usize) -> Result<u32, PatternError> {
    u32::try_from(n).map_err(|_| PatternError::new("more patterns than one host can hold"))
}
