//! The clauses of one host pattern, found by path and source together.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::hoist::Keys;
use super::numbers;
use crate::matching::Toward;
use crate::pattern::{Case, HostMap, HostPattern, PathIndex, PathPattern, PatternError, RegexPool};
use crate::rule::Matcher;
use crate::source::{SourceId, SourceTable};

/// The clauses of one host pattern.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) paths: PathIndex,
    /// Sorted; the clauses under (path, source).
    entries: Box<[(u32, SourceId, u32)]>,
}

impl Group {
    /// How many paths there are; they are numbered from 0.
    pub(super) fn path_count(&self) -> u32 {
        self.entries.last().map_or(0, |(path, _, _)| path + 1)
    }

    pub(super) fn clauses(&self, path: u32, source: SourceId) -> impl Iterator<Item = u32> + '_ {
        let first = self
            .entries
            .partition_point(|(p, s, _)| (*p, *s) < (path, source));
        self.entries
            .iter()
            .skip(first)
            .take_while(move |(p, s, _)| (*p, *s) == (path, source))
            .map(|(_, _, clause)| *clause)
    }
}

/// Groups under construction.
#[derive(Default)]
pub(super) struct HostGroups(HashMap<HostPattern, GroupDraft>);

#[derive(Default)]
struct GroupDraft {
    paths: Vec<PathPattern>,
    numbers: HashMap<PathPattern, u32>,
    entries: Vec<(u32, SourceId, u32)>,
}

impl HostGroups {
    pub(super) fn insert(
        &mut self,
        matcher: &Matcher,
        clause: u32,
        toward: Toward,
        table: &mut SourceTable,
    ) {
        let any_host = [HostPattern::Any];
        let any_path = [PathPattern::Any];
        let keys = Keys::of(matcher);
        let hosts = or(&keys.hosts, &any_host);
        let paths = or(&keys.paths, &any_path);
        let sources = numbers(&keys.from, toward, table);
        for host in hosts {
            let group = self.0.entry(host.clone()).or_default();
            for path in paths {
                let path = group.number(path);
                let under = sources.iter().map(|source| (path, *source, clause));
                group.entries.extend(under);
            }
        }
    }

    /// An error names one of the clauses whose patterns cannot be compiled.
    pub(super) fn build(
        self,
        case: Case,
        pool: &mut RegexPool,
    ) -> Result<HostMap<Group>, (usize, PatternError)> {
        let mut groups = Vec::with_capacity(self.0.len());
        for (host, draft) in self.0 {
            let GroupDraft {
                paths, mut entries, ..
            } = draft;
            let first = entries.first().map_or(0, |(_, _, clause)| *clause);
            entries.sort_unstable();
            entries.dedup();
            let numbered = (0..).zip(&paths).map(|(id, path)| (path, id));
            let paths = PathIndex::build(numbered, case, pool)
                .map_err(|error| (usize::try_from(first).unwrap_or(0), error))?;
            let entries = entries.into();
            groups.push((host, Group { paths, entries }));
        }
        Ok(HostMap::build(groups))
    }
}

impl GroupDraft {
    fn number(&mut self, path: &PathPattern) -> u32 {
        match self.numbers.entry(path.clone()) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let id = u32::try_from(self.paths.len()).unwrap_or(u32::MAX);
                self.paths.push(path.clone());
                *new.insert(id)
            }
        }
    }
}

fn or<'a, T>(given: &'a [T], default: &'a [T]) -> &'a [T] {
    if given.is_empty() { default } else { given }
}
