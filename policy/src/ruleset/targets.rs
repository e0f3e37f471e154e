//! Paths and queries together, indexed: a list of ten thousand of them costs
//! what one costs.

use std::borrow::Cow;

use crate::canonical::deny_views;
use crate::matching::Toward;
use crate::pattern::{Hits, PathIndex, PathPattern, PatternError, RegexPool};
use crate::request::Request;

use super::case;

/// The targets of one matcher.
#[derive(Debug)]
pub(super) struct Targets(PathIndex);

impl Targets {
    /// Nothing where every target will do.
    pub(super) fn compile(
        targets: &[PathPattern],
        toward: Toward,
        pool: &mut RegexPool,
    ) -> Result<Option<Self>, PatternError> {
        if targets.is_empty() {
            return Ok(None);
        }
        let numbered = targets.iter().map(|target| (target, 0));
        PathIndex::build(numbered, case(toward), pool).map(|index| Some(Self(index)))
    }

    /// Whether one of them matches. A refusal also sees the path as the most
    /// permissive origin might.
    pub(super) fn hold(&self, request: &Request<'_>, toward: Toward) -> bool {
        let (path, query) = (request.path(), request.query());
        match toward {
            Toward::Permit => self.hit(&with_query(path.into(), query)),
            Toward::Refuse => {
                let folded = |path: &str| {
                    let mut target = with_query(path.into(), query).into_owned();
                    target.make_ascii_lowercase();
                    target
                };
                let views = deny_views(path);
                let mut others = views.iter().filter(|view| *view != path);
                self.hit(&folded(path)) || others.any(|view| self.hit(&folded(view)))
            }
        }
    }

    fn hit(&self, target: &str) -> bool {
        let mut hits = Hits::default();
        self.0.hits(target, &mut hits);
        !hits.is_empty()
    }
}

fn with_query<'a>(path: Cow<'a, str>, query: Option<&str>) -> Cow<'a, str> {
    match query {
        None => path,
        Some(query) => Cow::Owned(format!("{path}?{query}")),
    }
}
