//! A table of whole texts and of beginnings (or of endings), asked for all of
//! them at once: one look-up for the text, and one for each distinct length of
//! a beginning that is not longer. Nothing else grows with the table.
//!
//! A look-up reads two or three places of memory, because among ten thousand
//! hosts that is where the time goes; halving a sorted list reads many. The
//! hash needs no key: the configuration alone settles which buckets are
//! crowded, and what a client sends is never stored.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{Hits, PatternError};

/// Which part of a text the entries are that are not whole texts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Beginning,
    Ending,
}

impl Part {
    fn of(self, text: &[u8], length: usize) -> Option<&[u8]> {
        match self {
            Self::Beginning => text.get(..length),
            Self::Ending => text.get(text.len().checked_sub(length)?..),
        }
    }
}

/// The table.
#[derive(Debug)]
pub(super) struct Table {
    /// Where each bucket of entries begins, and the end of the last. There are
    /// a power of two.
    buckets: Box<[u32]>,
    entries: Box<[Entry]>,
    text: Box<[u8]>,
    part: Part,
    /// Of beginnings (or endings), ascending.
    lengths: Box<[u32]>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Tells most other texts apart without reading them.
    tag: u32,
    start: u32,
    end: u32,
    id: u32,
    hit_by: HitBy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HitBy {
    /// The text alone.
    Whole,
    /// Every text with this [`Part`].
    Part,
}

impl Table {
    /// Adds the numbers of every entry that matches the text.
    pub(super) fn hits(&self, text: &[u8], hits: &mut Hits) {
        if self.is_empty() {
            return;
        }
        for &length in &self.lengths {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let Some(part) = self.part.of(text, length) else {
                break;
            };
            self.find(part, HitBy::Part, hits);
        }
        self.find(text, HitBy::Whole, hits);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn find(&self, text: &[u8], hit_by: HitBy, hits: &mut Hits) {
        let hash = Hash::of(text);
        for entry in self.bucket(hash) {
            let may_be = entry.tag == hash.tag && entry.hit_by == hit_by;
            if may_be && between(&self.text, entry.start, entry.end) == text {
                hits.push(entry.id);
            }
        }
    }

    fn bucket(&self, hash: Hash) -> &[Entry] {
        let place = hash.among(self.buckets.len().saturating_sub(1));
        match self.buckets.get(place..).unwrap_or_default() {
            [start, end, ..] => between(&self.entries, *start, *end),
            _ => &[],
        }
    }

    /// Bytes on the heap.
    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.buckets)
            + size_of_val(&*self.entries)
            + self.text.len()
            + size_of_val(&*self.lengths)
    }
}

fn between<T>(all: &[T], start: u32, end: u32) -> &[T] {
    match (usize::try_from(start), usize::try_from(end)) {
        (Ok(start), Ok(end)) => all.get(start..end).unwrap_or_default(),
        _ => &[],
    }
}

#[derive(Clone, Copy, Debug)]
struct Hash {
    place: u32,
    tag: u32,
}

impl Hash {
    fn of(text: &[u8]) -> Self {
        let (words, rest) = text.as_chunks();
        let mut last = [0; 8];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        let start = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let words = words.iter().chain([&last, &[0; 8]]);
        let [a, b, c, d, e, f, g, h] = words.fold(start, mixed).to_le_bytes();
        Self {
            place: u32::from_le_bytes([e, f, g, h]),
            tag: u32::from_le_bytes([a, b, c, d]),
        }
    }

    /// One of a power of two.
    fn among(self, buckets: usize) -> usize {
        usize::try_from(self.place).unwrap_or_default() & buckets.saturating_sub(1)
    }
}

/// A product's high half depends on all bits of its factors; it is moved down
/// to where it reaches all bits of the next.
fn mixed(state: u64, word: &[u8; 8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let product = (state ^ u64::from_le_bytes(*word)).wrapping_mul(ODD);
    product ^ (product >> 32)
}

/// Collects the entries of a [`Table`].
#[derive(Debug, Default)]
pub(super) struct TableBuilder<'a>(Vec<(Cow<'a, [u8]>, HitBy, u32)>);

impl<'a> TableBuilder<'a> {
    /// Hit by this text alone.
    pub(super) fn whole(&mut self, text: Cow<'a, [u8]>, id: u32) {
        self.0.push((text, HitBy::Whole, id));
    }

    /// Hit by every text of which this is the [`Part`].
    pub(super) fn part(&mut self, text: Cow<'a, [u8]>, id: u32) {
        self.0.push((text, HitBy::Part, id));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn build(self, part: Part) -> Result<Table, PatternError> {
        let mut text = Vec::with_capacity(self.0.iter().map(|(text, ..)| text.len()).sum());
        let mut lengths = BTreeSet::new();
        let mut entries = Vec::with_capacity(self.0.len());
        for (key, hit_by, id) in &self.0 {
            let hash = Hash::of(key);
            let start = count(text.len())?;
            text.extend_from_slice(key);
            if *hit_by == HitBy::Part {
                lengths.insert(count(key.len())?);
            }
            let entry = Entry {
                tag: hash.tag,
                start,
                end: count(text.len())?,
                id: *id,
                hit_by: *hit_by,
            };
            entries.push((hash, entry));
        }
        let amount = entries.len().next_power_of_two();
        entries.sort_by_key(|(hash, _)| hash.among(amount));
        let begins = |place| entries.partition_point(|(hash, _)| hash.among(amount) < place);
        Ok(Table {
            buckets: (0..=amount)
                .map(|place| count(begins(place)))
                .collect::<Result<_, _>>()?,
            entries: entries.into_iter().map(|(_, entry)| entry).collect(),
            text: text.into(),
            part,
            lengths: lengths.into_iter().collect(),
        })
    }
}

fn count(n: usize) -> Result<u32, PatternError> {
    u32::try_from(n).map_err(|_| PatternError::new("more patterns than one host can hold"))
}
