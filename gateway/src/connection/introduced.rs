//! A connection of which a trusted peer says, by the PROXY protocol, whose it is
//! and where to.

use std::sync::Arc;

use policy::principal::Principal;
use policy::refusal::Refusal;
use tokio::time::timeout;

use super::{Draft, Spoken};
use crate::clock::Moment;
use crate::intake::proxy_protocol::Introduction;
use crate::limits::Permit;
use crate::live::Live;
use crate::socket::Socket;

impl Draft {
    /// Reads who is introduced, and leaves the rest to what he says.
    pub(super) async fn introduced(
        mut self,
        live: Arc<Live>,
        permit: Permit,
        mut socket: Socket,
    ) -> Option<Spoken> {
        let begun = Moment::now();
        let meant = match self.introduction(&mut socket).await {
            Ok(introduction) => self.accept(introduction, &live),
            Err(refusal) => Err(refusal),
        };
        // The peer brings those of many: each counts as his who is introduced.
        let counted = meant.and_then(|meant| {
            let permit = permit.of_source(self.remote.ip(), &self.limits)?;
            Ok((meant, permit))
        });
        match counted {
            Ok(((host, port), permit)) => {
                let connection = self.admit(live, permit, begun)?;
                let connection = Box::new(connection.at_port(port));
                Some(Spoken::Introduced(connection, socket, host))
            }
            Err(refusal) => {
                drop(socket);
                self.finish(live, None).record_refused(refusal, begun);
                None
            }
        }
    }

    /// Not from anybody: what is said there is proven by nothing.
    async fn introduction(&self, socket: &mut Socket) -> Result<Introduction, Refusal> {
        if !self.listener.believes(self.remote.ip()) {
            return Err(Refusal::UntrustedPeer);
        }
        let limit = self.limits.handshake_timeout;
        let read = timeout(limit, Introduction::read(socket)).await;
        read.unwrap_or(Err(Refusal::HandshakeTimeout))
    }

    /// Whom the connection is of from now on; the host it is for, and the port.
    fn accept(
        &mut self,
        introduction: Introduction,
        live: &Live,
    ) -> Result<(Box<str>, u16), Refusal> {
        let Introduction {
            source,
            destination,
            principal,
        } = introduction;
        let settings = live.snapshot().settings();
        let is_ours = |principal: &Principal| settings.trusts_domain(principal.trust_domain());
        self.introducer = Some(self.remote.ip());
        self.remote = source;
        if !principal.as_ref().is_none_or(is_ours) {
            return Err(Refusal::TrustDomain);
        }
        self.principal = principal;
        let host = settings.vips.find(destination.ip());
        Ok((host.ok_or(Refusal::UnknownVip)?.into(), destination.port()))
    }
}
