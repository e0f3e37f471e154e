//! By which way a request comes in. Istio evaluates the same objects twice,
//! once in the sidecar of the caller and once in the gateway; a listener takes
//! one of these parts.

use std::fmt;

/// Whose part a listener takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum View {
    /// The egress gateway's: sidecars lead here.
    #[default]
    Gateway,
    /// The sidecar's: applications come here themselves.
    Mesh,
}

/// A view, and the port that is addressed through it. A gateway serves the port
/// it listens on, whatever the `Host` says; a sidecar serves the port the
/// application meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Door {
    /// Whose part.
    pub view: View,
    /// The port.
    pub port: u16,
}

impl Door {
    /// The gateway's door at a port.
    #[must_use]
    pub fn gateway(port: u16) -> Self {
        Self {
            view: View::Gateway,
            port,
        }
    }

    /// The mesh's door at a port.
    #[must_use]
    pub fn mesh(port: u16) -> Self {
        Self {
            view: View::Mesh,
            port,
        }
    }

    /// The door of a request: `named` is the port its host names, `listener`
    /// that of the listener.
    pub(crate) fn of(view: View, named: Option<u16>, listener: u16) -> Self {
        match view {
            View::Gateway => Self::gateway(listener),
            View::Mesh => Self::mesh(named.unwrap_or(listener)),
        }
    }
}

/// `gateway:443`, `mesh:80`: as the native format writes it.
impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let view = match self.view {
            View::Gateway => "gateway",
            View::Mesh => "mesh",
        };
        write!(f, "{view}:{}", self.port)
    }
}
