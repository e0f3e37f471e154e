//! How deep below its wildcard a host may lie. Whoever may ask for any name
//! below a domain can write what he likes into its labels, and whoever answers
//! for the domain reads it in our look-ups: data leaves by name. Each label
//! holds 63 bytes, so their number is bounded.

use crate::destination::{Upstream, UpstreamHost, UpstreamRef};
use crate::pattern::HostPattern;
use crate::refusal::Refusal;

/// Labels a caller may choose of a host that a wildcard admits and that is
/// looked up by the name he chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChosenLabels(pub u32);

impl Default for ChosenLabels {
    fn default() -> Self {
        Self(4)
    }
}

/// The bound on one destination's hosts; `None`: nothing is looked up by a name
/// that callers choose.
#[derive(Clone, Copy, Debug)]
pub(super) struct Depth(Option<ChosenLabels>);

impl Depth {
    pub(super) fn of(
        host: &HostPattern,
        leads: impl IntoIterator<Item = UpstreamRef>,
        upstreams: &[Upstream],
        most: ChosenLabels,
    ) -> Self {
        let by_name = |lead: UpstreamRef| {
            let upstream = usize::try_from(lead.0).ok().and_then(|n| upstreams.get(n));
            upstream.is_some_and(|upstream| upstream.host == UpstreamHost::Requested)
        };
        let chosen = !matches!(host, HostPattern::Exact(_)) && leads.into_iter().any(by_name);
        Self(chosen.then_some(most))
    }

    /// `pattern` gives the one that `host` was found under.
    pub(super) fn check<'p>(
        self,
        host: &str,
        pattern: impl FnOnce() -> &'p HostPattern,
    ) -> Result<(), Refusal> {
        let Some(ChosenLabels(most)) = self.0 else {
            return Ok(());
        };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        match pattern().labels_chosen(host) > most {
            true => Err(Refusal::NameTooDeep),
            false => Ok(()),
        }
    }
}
