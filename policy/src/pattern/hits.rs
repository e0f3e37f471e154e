//! The numbers of the patterns that matched: a small buffer that a request
//! reuses, so that an ordinary look-up allocates nothing.

const INLINE: usize = 16;

/// Numbers of matching patterns, in no order until [`Hits::sorted`].
#[derive(Clone, Debug, Default)]
pub struct Hits {
    inline: [u32; INLINE],
    len: usize,
    /// Holds every number once there are more than fit in place.
    spilled: Vec<u32>,
}

impl Hits {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the numbers, keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
        self.spilled.clear();
    }

    /// Adds a number; the same number may be added more than once.
    pub fn push(&mut self, id: u32) {
        if self.spilled.is_empty()
            && let Some(slot) = self.inline.get_mut(self.len)
        {
            *slot = id;
            self.len = self.len.saturating_add(1);
            return;
        }
        if self.spilled.is_empty() {
            self.spilled.extend_from_slice(&self.inline);
        }
        self.spilled.push(id);
    }

    /// Adds every number of a list.
    pub(super) fn push_all(&mut self, ids: &[u32]) {
        ids.iter().for_each(|&id| self.push(id));
    }

    /// Whether nothing matched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// The numbers as they came.
    #[must_use]
    pub fn as_slice(&self) -> &[u32] {
        if self.spilled.is_empty() {
            self.inline.get(..self.len).unwrap_or_default()
        } else {
            &self.spilled
        }
    }

    /// The numbers in ascending order, each once.
    pub fn sorted(&mut self) -> &[u32] {
        if self.spilled.is_empty() {
            self.sort_inline();
        } else {
            self.spilled.sort_unstable();
            self.spilled.dedup();
        }
        self.as_slice()
    }

    fn sort_inline(&mut self) {
        let Some(ids) = self.inline.get_mut(..self.len) else {
            return;
        };
        ids.sort_unstable();
        let mut kept = 0;
        let mut last = None;
        for id in self.inline.into_iter().take(self.len) {
            if last != Some(id)
                && let Some(slot) = self.inline.get_mut(kept)
            {
                *slot = id;
                kept += 1;
                last = Some(id);
            }
        }
        self.len = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_and_drops_repetitions_in_place_and_spilled() {
        for count in [0_u32, 1, 5, 16, 17, 100] {
            let mut hits = Hits::new();
            for id in (0..count).rev() {
                hits.push(id / 2);
            }
            let expected: Vec<u32> = (0..count.div_ceil(2)).collect();
            assert_eq!(hits.sorted(), expected, "{count} numbers");
        }
    }

    #[test]
    fn holds_sixteen_without_the_heap_and_is_reusable() {
        let mut hits = Hits::new();
        (0..16).for_each(|id| hits.push(id));
        assert_eq!(hits.spilled.capacity(), 0);
        hits.push(16);
        assert_eq!(hits.as_slice(), (0..17).collect::<Vec<_>>());
        hits.clear();
        assert!(hits.is_empty());
        hits.push(7);
        assert_eq!(hits.as_slice(), [7]);
    }
}
