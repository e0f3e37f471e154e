//! Sockets for the mesh.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use conf::snapshot::Listener;
use policy::refusal::Refusal;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::clock::Moment;
use crate::connection::Accepted;
use crate::drain::{Drain, Phase};
use crate::gateway::Gateway;
use crate::handover::{Inherited, Offered};
use crate::workers::Workers;

/// Connections the kernel may hold before we accept them.
const BACKLOG: u32 = 4096;
/// Wait after an error of accepting, such as having no descriptors left.
const AFTER_ERROR: Duration = Duration::from_millis(50);

/// A bound socket, ready to serve.
#[derive(Debug)]
pub(crate) struct Bound {
    /// Among the process's sockets: what it serves may change.
    number: usize,
    /// As it was when it was bound.
    listener: Arc<Listener>,
    socket: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Binds the socket of the listener of that number, or takes the one a predecessor has bound.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn bind(
        number: usize,
        listener: &Listener,
        inherited: &mut Inherited,
    ) -> io::Result<Self> {
        let socket = match inherited.take(Some(&listener.name), listener.bind)? {
            Some(socket) => TcpListener::from_std(socket)?,
            None => listen(listener)?,
        };
        Ok(Self {
            number,
            address: socket.local_addr()?,
            listener: Arc::new(listener.clone()),
            socket,
        })
    }

    /// Adds the socket to what a successor may take.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub(crate) fn offer(&self, offered: &mut Offered) -> io::Result<()> {
        let Listener { name, bind, .. } = &*self.listener;
        offered.add(Some(name), *bind, &self.socket)
    }

    /// Where it is bound; tells the port when any was asked for.
    #[must_use]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The listener it was bound for.
    #[must_use]
    pub(crate) fn listener(&self) -> &Listener {
        &self.listener
    }

    /// Accepts until the process closes; connections live on.
    pub(crate) async fn serve(self, gateway: Arc<Gateway>, workers: Arc<Workers>, drain: Drain) {
        let mut closing = drain.clone();
        loop {
            tokio::select! {
                accepted = self.socket.accept() => match accepted {
                    Ok((tcp, remote)) => self.admit(&gateway, &workers, tcp, remote, &drain),
                    Err(error) => {
                        tracing::warn!(listener = %self.listener.name, %error, "cannot accept");
                        tokio::time::sleep(AFTER_ERROR).await;
                    }
                },
                () = closing.accepts_no_more() => return,
            }
        }
    }

    fn admit(
        &self,
        gateway: &Arc<Gateway>,
        workers: &Workers,
        tcp: TcpStream,
        remote: SocketAddr,
        drain: &Drain,
    ) {
        let live = gateway.live();
        let listener = live.served(self.number).unwrap_or(&self.listener);
        let limits = &live.snapshot().settings().limits;
        let permit = if gateway.memory.is_spent() {
            Err(Refusal::Overloaded)
        } else {
            let connections = &gateway.connections;
            let permit = match listener.believes(remote.ip()) {
                true => connections.admit_peer(limits),
                false => connections.admit(remote.ip(), limits),
            };
            match listener.verifies_callers() {
                true => {
                    let tight = gateway.memory.is_tight();
                    permit.and_then(|permit| permit.for_handshake(limits, tight))
                }
                false => permit,
            }
        };
        let accepted = |tcp: TcpStream| Accepted {
            gateway: Arc::clone(gateway),
            live: Arc::clone(&live),
            listener: Arc::clone(listener),
            local: tcp.local_addr().unwrap_or(self.address),
            tcp,
            remote,
            drain: drain.clone(),
        };
        match permit {
            Ok(permit) => {
                let mut drain = drain.clone();
                let served = workers.serve(tcp, |tcp| {
                    let serving = accepted(tcp).serve(permit);
                    async move {
                        tokio::select! {
                            () = serving => {}
                            // Dropped here, while somebody still writes, it is on record.
                            () = drain.reached(Phase::Over) => {}
                        }
                    }
                });
                if let Err(error) = served {
                    tracing::warn!(listener = %self.listener.name, %error, "cannot serve");
                }
            }
            Err(refusal) => accepted(tcp).refuse(refusal, Moment::now()),
        }
    }
}

fn listen(listener: &Listener) -> io::Result<TcpListener> {
    let socket = match listener.bind {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(listener.bind)?;
    socket.listen(BACKLOG)
}
