//! The clauses of one host pattern, found by path and source together.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::hoist::Keys;
use super::numbers;
use crate::matching::Toward;
use crate::pattern::{Case, HostMap, HostPattern, PathIndex, PathPattern, PatternError, RegexPool};
use crate::rule::Matcher;
use crate::source::{SourceId, SourcePattern, SourceTable};

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

    /// The clauses under a path and one of the sources, which ascend. Of the two
    /// lists the shorter one is gone through, so that neither a host with many
    /// rules nor a caller in many crowds makes a look-up long.
    pub(super) fn clauses(&self, path: u32, sources: &[SourceId], mut ask: impl FnMut(u32)) {
        let first = self.entries.partition_point(|(p, _, _)| *p < path);
        let rest = self.entries.get(first..).unwrap_or_default();
        let count = rest.partition_point(|(p, _, _)| *p == path);
        let under = rest.get(..count).unwrap_or_default();
        if under.len() <= sources.len() {
            for (_, source, clause) in under {
                if sources.binary_search(source).is_ok() {
                    ask(*clause);
                }
            }
            return;
        }
        for source in sources {
            let first = under.partition_point(|(_, s, _)| s < source);
            let of_source = under.iter().skip(first);
            for (_, _, clause) in of_source.take_while(|(_, s, _)| s == source) {
                ask(*clause);
            }
        }
    }
}

/// Groups under construction.
#[derive(Default)]
pub(super) struct HostGroups {
    drafts: HashMap<HostPattern, GroupDraft>,
    /// All of the same direction.
    numbered: Numbered,
}

/// The numbers of lists of callers, by where a list stands: thousands of rules
/// may share one. It is held here, so that no other takes its place.
#[derive(Default)]
struct Numbered(HashMap<*const SourcePattern, Listed>);

struct Listed {
    ids: Box<[SourceId]>,
    _list: Arc<[SourcePattern]>,
}

impl Numbered {
    fn of(
        &mut self,
        list: &Arc<[SourcePattern]>,
        toward: Toward,
        table: &mut SourceTable,
    ) -> &[SourceId] {
        let known = self.0.entry(list.as_ptr());
        let listed = known.or_insert_with(|| Listed {
            ids: numbers(list, toward, table),
            _list: Arc::clone(list),
        });
        &listed.ids
    }
}

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
        let hoisted;
        let sources = match &keys.from {
            Cow::Borrowed(_) => self.numbered.of(&matcher.from, toward, table),
            Cow::Owned(from) => {
                hoisted = numbers(from, toward, table);
                &*hoisted
            }
        };
        for host in hosts {
            let group = self.drafts.entry(host.clone()).or_default();
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
        let mut groups = Vec::with_capacity(self.drafts.len());
        for (host, draft) in self.drafts {
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
