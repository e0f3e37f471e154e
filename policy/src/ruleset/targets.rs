//! Paths and queries together, indexed: a list of ten thousand of them costs
//! what one costs.

use crate::matching::{Toward, any_deny_target, with_query};
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

    /// Whether one of them matches. A refusal also sees the target as permissive
    /// origins might.
    pub(super) fn hold(&self, request: &Request<'_>, toward: Toward) -> bool {
        match toward {
            Toward::Permit => self.hit(&with_query(request.path(), request.query())),
            Toward::Refuse => any_deny_target(request, |target| self.hit(target)),
        }
    }

    fn hit(&self, target: &str) -> bool {
        let mut hits = Hits::default();
        self.0.hits(target, &mut hits);
        !hits.is_empty()
    }
}
