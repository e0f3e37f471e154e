//! A connection within a connection, as HBONE brings them.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use conf::snapshot::{Listener, ListenerMode};

use policy::refusal::Refusal;

use super::Connection;
use crate::server_name::ServerName;
use crate::socket::Presence;

impl Connection {
    /// An application's own connection to `port`, of the same caller, which lasts as
    /// long as his `presence`. It counts as one of his.
    ///
    /// # Errors
    /// When he has too many.
    pub(crate) fn within(&self, port: u16, presence: Presence) -> Result<Self, Refusal> {
        let permit = self
            .gateway
            .connections
            .admit(self.remote.ip(), &self.limits)?;
        let permit = permit.of_principal(self.principal.as_ref(), &self.limits)?;
        let listener = Listener {
            port,
            ..(*self.listener).clone()
        };
        Ok(Self {
            gateway: Arc::clone(&self.gateway),
            listener: Arc::new(listener),
            local: self.local,
            remote: self.remote,
            principal: self.principal.clone(),
            requested_server_name: None,
            server_name: ServerName::Ourselves,
            limits: self.limits.clone(),
            drain: self.drain.clone(),
            presence,
            shown: self.shown.clone(),
            introducer: self.introducer,
            seen: ArcSwap::new(self.seen()),
            names: OnceLock::new(),
            _permit: Some(permit),
            _counted: self.gateway.metrics.connection_opened(),
        })
    }

    /// The same, meant for another port than the listener's.
    pub(crate) fn at_port(mut self, port: u16) -> Self {
        Arc::make_mut(&mut self.listener).port = port;
        self
    }

    /// The same, as if it had come to a listener of that mode.
    pub(crate) fn speaking(mut self, mode: ListenerMode) -> Self {
        Arc::make_mut(&mut self.listener).mode = mode;
        self
    }
}
