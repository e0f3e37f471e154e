//! TLS towards upstreams, as a snapshot asks for it.

use std::sync::Arc;

use conf::snapshot::Pins;
use policy::destination::{TlsPolicy, Upstream, UpstreamTls as TlsChoice};
use policy::origin::Origin;

use super::LiveError;
use crate::upstream::{Proxy, Target, TlsError, UpstreamTls};

/// One TLS context for each policy: most upstreams share the default's, and
/// with it one copy of the system's roots.
#[derive(Default)]
pub(super) struct Contexts(Vec<(TlsPolicy, Arc<UpstreamTls>)>);

impl Contexts {
    /// Where an upstream is, and how it is spoken to.
    ///
    /// # Errors
    /// A certificate, key or file of credentials that cannot be used.
    pub(super) fn target(
        &mut self,
        upstream: &Upstream,
        pins: &Arc<Pins>,
    ) -> Result<Target, LiveError> {
        let broken = |origin: &Arc<Origin>| {
            let origin = Arc::clone(origin);
            |error| LiveError::Upstream(origin, error)
        };
        let tls = self.find(&upstream.tls).map_err(broken(&upstream.origin))?;
        let proxy = match &upstream.via {
            None => None,
            Some(via) => {
                let tls = self.find(&via.tls).map_err(broken(&via.origin))?;
                let proxy = Proxy::load(via, tls);
                let origin = || Arc::clone(&via.origin);
                let proxy = proxy.map_err(|error| LiveError::Credentials(origin(), error))?;
                Some(Arc::new(proxy))
            }
        };
        Ok(Target::new(upstream.clone(), tls, proxy, Arc::clone(pins)))
    }

    fn find(&mut self, tls: &TlsChoice) -> Result<Option<Arc<UpstreamTls>>, TlsError> {
        let TlsChoice::On(policy) = tls else {
            return Ok(None);
        };
        let known = self.0.iter().find(|(known, _)| known == policy);
        if let Some((_, context)) = known {
            return Ok(Some(Arc::clone(context)));
        }
        let context = Arc::new(UpstreamTls::load(policy)?);
        self.0.push((policy.clone(), Arc::clone(&context)));
        Ok(Some(context))
    }
}
