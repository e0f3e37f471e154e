//! Series by their labels, a share of each for every thread.
//!
//! A request finds its series in its own thread's share: no lock, no
//! allocation, no cache line that another thread writes. A lock is taken only
//! when a thread meets labels for the first time, and by the scrape.
//!
//! The number of series is bounded, because callers and origins choose some of
//! the labels: what comes when the family is full is counted as `other`. Where
//! those of one first label are bounded too, so is what one of them takes from
//! the others: beyond its own bound, its other labels are `other`.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Stands between the values of a key: no UTF-8 text has this byte.
const SEPARATOR: u8 = 0xff;

/// The value of every label of what has no series of its own.
pub(super) const OTHER: &[u8] = b"other";

/// The label values of a series, built in a buffer that is used again.
#[derive(Debug, Default)]
pub(super) struct Key(Vec<u8>);

impl Key {
    pub(super) fn begin(&mut self) -> &mut Self {
        self.0.clear();
        self
    }

    /// Appends the next label's value.
    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(SEPARATOR);
        self
    }

    /// Appends the next label's value.
    pub(super) fn number(&mut self, value: u64) -> &mut Self {
        crate::record::scalar::decimal(&mut self.0, value);
        self.0.push(SEPARATOR);
        self
    }
}

/// All series of one set of label names.
#[derive(Debug)]
pub(super) struct Family<S> {
    most: usize,
    /// Of one first label.
    each: Option<usize>,
    known: Mutex<Known<S>>,
}

/// The shares of all threads.
#[derive(Debug)]
struct Known<S> {
    series: BTreeMap<Box<[u8]>, Vec<Arc<S>>>,
    other: Vec<Arc<S>>,
}

/// A series at a scrape: its label values in order (`None`: every one is
/// [`OTHER`]) and the shares of all threads.
#[derive(Debug)]
pub(super) struct Row<S> {
    key: Option<Box<[u8]>>,
    pub(super) shares: Vec<Arc<S>>,
}

impl<S> Row<S> {
    pub(super) fn labels<const N: usize>(&self) -> [&[u8]; N] {
        let mut labels = [OTHER; N];
        if let Some(key) = &self.key {
            for (label, value) in labels.iter_mut().zip(key.split(|byte| *byte == SEPARATOR)) {
                *label = value;
            }
        }
        labels
    }
}

impl<S: Default> Family<S> {
    /// At most `most` series beside `other`.
    pub(super) fn new(most: usize) -> Self {
        let known = Known {
            series: BTreeMap::new(),
            other: Vec::new(),
        };
        Self {
            most,
            each: None,
            known: Mutex::new(known),
        }
    }

    /// The same, with at most `each` series of one first label, beside its `other`.
    pub(super) fn bounded(most: usize, each: usize) -> Self {
        Self {
            each: Some(each),
            ..Self::new(most)
        }
    }

    /// The key itself, or its first label alone where that has all its series.
    fn counted_as<'k>(&self, key: &'k [u8], known: &Known<S>) -> &'k [u8] {
        let Some(each) = self.each.filter(|_| !known.series.contains_key(key)) else {
            return key;
        };
        let (first, with_separator) = first(key);
        let from = (Bound::Included(with_separator), Bound::Unbounded);
        let same = known.series.range::<[u8], _>(from);
        let same = same.take_while(|(other, _)| other.starts_with(with_separator));
        if same.take(each).count() < each {
            key
        } else {
            first
        }
    }

    /// Every series, sorted by its labels, `other` last.
    pub(super) fn rows(&self) -> Vec<Row<S>> {
        let known = self.lock();
        let own = known
            .series
            .iter()
            .map(|(key, shares)| (Some(key.clone()), shares));
        let other = (!known.other.is_empty()).then_some((None, &known.other));
        let rows = own.chain(other);
        rows.map(|(key, shares)| Row {
            key,
            shares: shares.clone(),
        })
        .collect()
    }

    /// A new share of the series of that key, or of `other` in a full family; and
    /// the key it is counted as.
    fn join<'k>(&self, key: &'k [u8]) -> (&'k [u8], Arc<S>) {
        let mut known = self.lock();
        let key = self.counted_as(key, &known);
        let share = Arc::<S>::default();
        if let Some(shares) = known.series.get_mut(key) {
            shares.push(Arc::clone(&share));
        } else if known.series.len() < self.most {
            known.series.insert(key.into(), vec![Arc::clone(&share)]);
        } else {
            known.other.push(Arc::clone(&share));
        }
        (key, share)
    }

    fn join_other(&self) -> Arc<S> {
        let share = Arc::<S>::default();
        self.lock().other.push(Arc::clone(&share));
        share
    }

    fn lock(&self) -> MutexGuard<'_, Known<S>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first label of a key, without and with what stands behind it.
fn first(key: &[u8]) -> (&[u8], &[u8]) {
    let end = key.iter().position(|byte| *byte == SEPARATOR);
    let of = |length| key.get(..length).unwrap_or(key);
    end.map_or((key, key), |end| (of(end), of(end + 1)))
}

/// What one thread has of a family.
#[derive(Debug)]
pub(super) struct Share<S> {
    series: HashMap<Box<[u8]>, Arc<S>>,
    other: Option<Arc<S>>,
}

impl<S> Default for Share<S> {
    fn default() -> Self {
        Self {
            series: HashMap::new(),
            other: None,
        }
    }
}

impl<S: Default> Share<S> {
    /// This thread's share of the series of that key.
    pub(super) fn of<T>(&mut self, family: &Family<S>, key: &Key, add: impl FnOnce(&S) -> T) -> T {
        match self.series.get(key.0.as_slice()) {
            Some(share) => add(share),
            None => add(&self.meet(family, &key.0)),
        }
    }

    /// Remembers keys beyond the bound too, as belonging to `other`, so that
    /// they do not ask the family again; but not without end. Of a first label
    /// that has all its series it remembers that alone.
    fn meet(&mut self, family: &Family<S>, key: &[u8]) -> Arc<S> {
        let bounded = family.each.and_then(|_| self.series.get(first(key).0));
        if let Some(share) = bounded {
            return Arc::clone(share);
        }
        if self.series.len() >= family.most.saturating_mul(2) {
            return Arc::clone(self.other.get_or_insert_with(|| family.join_other()));
        }
        let (key, share) = family.join(key);
        self.series.insert(key.into(), Arc::clone(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use super::super::histogram::Count;
    use super::*;

    fn count(share: &mut Share<Count>, family: &Family<Count>, label: &str) {
        let mut key = Key::default();
        key.begin().text(label);
        share.of(family, &key, |count| count.add(1));
    }

    fn totals(family: &Family<Count>) -> Vec<(String, u64)> {
        let total = |row: &Row<Count>| row.shares.iter().map(|share| share.read()).sum();
        let label = |row: &Row<Count>| String::from_utf8_lossy(row.labels::<1>()[0]).into_owned();
        family
            .rows()
            .iter()
            .map(|row| (label(row), total(row)))
            .collect()
    }

    #[test]
    fn adds_up_what_threads_counted_by_themselves() {
        let family = Family::new(10);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut share = Share::default();
                    for _ in 0..1000 {
                        count(&mut share, &family, "a");
                        count(&mut share, &family, "b");
                    }
                });
            }
        });
        assert_eq!(
            totals(&family),
            [("a".to_owned(), 4000), ("b".to_owned(), 4000)]
        );
    }

    #[test]
    fn counts_as_other_what_comes_when_it_is_full_and_loses_nothing() {
        let family = Family::new(3);
        let mut share = Share::default();
        for number in 0..100 {
            count(&mut share, &family, &number.to_string());
            count(&mut share, &family, "0");
        }
        assert_eq!(share.series.len(), 6, "a thread's memory is bounded too");
        let totals = totals(&family);
        assert_eq!(totals.len(), 4);
        assert_eq!(totals[0], ("0".to_owned(), 101));
        assert_eq!(totals[3], ("other".to_owned(), 97));
    }

    #[test]
    fn one_first_label_takes_no_series_from_another() {
        let family = Family::bounded(100, 3);
        let mut share = Share::default();
        let mut count = |first: &str, second: u64| {
            let mut key = Key::default();
            key.begin().text(first).number(second);
            share.of(&family, &key, |count: &Count| count.add(1));
        };
        (0..500).for_each(|number| count("a", number));
        count("a", 1);
        count("ab", 7);
        count("", 7);
        assert_eq!(share.series.len(), 6, "a thread's memory is bounded too");
        let rows = family.rows();
        let told = rows.iter().map(|row| {
            let [first, second] = row.labels().map(String::from_utf8_lossy);
            let total: u64 = row.shares.iter().map(|share| share.read()).sum();
            format!("{first} {second} {total}")
        });
        let expected = ["a other 497", "ab 7 1", "a 0 1", "a 1 2", "a 2 1", " 7 1"];
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn labels_come_back_as_they_were_given() {
        let family = Family::<Count>::new(3);
        let mut key = Key::default();
        key.begin().text("").text("a b").number(403);
        Share::default().of(&family, &key, |_| ());
        assert_eq!(family.rows()[0].labels(), [&b""[..], b"a b", b"403"]);
    }
}
