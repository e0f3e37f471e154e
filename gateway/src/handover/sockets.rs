//! Listening sockets on their way from one process to another: which they are,
//! as JSON, and the descriptors themselves (unix(7): `SCM_RIGHTS`).

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde_json::{Value, json};

/// Sockets a message may carry (Linux: `SCM_MAX_FD` is 253).
const MOST: usize = 250;
/// Bytes of what is told of them.
const TOLD: u32 = 256 * 1024;

/// What a socket is for: a listener's name, or the admin port, and what it was
/// asked to bind.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Purpose {
    listener: Option<Box<str>>,
    bind: SocketAddr,
}

/// The sockets of this process, for a successor.
#[derive(Debug, Default)]
pub(crate) struct Offered(Vec<(Purpose, OwnedFd)>);

impl Offered {
    /// Adds a copy of a socket. `listener`: its name; the admin port has none.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub(crate) fn add(
        &mut self,
        listener: Option<&str>,
        bind: SocketAddr,
        socket: &impl AsFd,
    ) -> io::Result<()> {
        let listener = listener.map(Into::into);
        let copy = socket.as_fd().try_clone_to_owned()?;
        self.0.push((Purpose { listener, bind }, copy));
        Ok(())
    }

    /// Sends them all: the length of what is told, with the descriptors; then
    /// what is told.
    pub(super) fn send(&self, mut stream: &UnixStream) -> io::Result<()> {
        let told = |(Purpose { listener, bind }, _): &(Purpose, OwnedFd)| json!({ "listener": listener, "bind": bind });
        let told = Value::from_iter(self.0.iter().map(told)).to_string();
        let length = u32::try_from(told.len()).map_err(io::Error::other)?;
        let copies: Vec<_> = self.0.iter().map(|(_, socket)| socket.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&copies)) {
            return Err(io::Error::other("there are too many sockets to hand over"));
        }
        let length = length.to_be_bytes();
        let sent = sendmsg(
            stream,
            &[IoSlice::new(&length)],
            &mut control,
            SendFlags::empty(),
        )?;
        if sent != length.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        stream.write_all(told.as_bytes())
    }
}

/// The sockets a predecessor has given.
#[derive(Debug, Default)]
pub(crate) struct Inherited(Vec<(Purpose, TcpListener)>);

impl Inherited {
    pub(super) fn receive(mut stream: &UnixStream) -> io::Result<Self> {
        let mut length = [0; 4];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            stream,
            &mut [IoSliceMut::new(&mut length)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL,
        )?;
        let mut sockets = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                sockets.extend(descriptors.map(TcpListener::from));
            }
        }
        let length = u32::from_be_bytes(length);
        if received.bytes != 4 || length > TOLD {
            return Err(invalid());
        }
        let mut told = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        stream.read_exact(&mut told)?;
        let told: Vec<Value> = serde_json::from_slice(&told)?;
        if told.len() != sockets.len() {
            return Err(invalid());
        }
        let purposes = told.iter().map(Purpose::read).collect::<Option<Vec<_>>>();
        let purposes = purposes.ok_or_else(invalid)?;
        Ok(Self(purposes.into_iter().zip(sockets).collect()))
    }

    /// The socket for a purpose, if there is one; ready for the runtime.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn take(
        &mut self,
        listener: Option<&str>,
        bind: SocketAddr,
    ) -> io::Result<Option<TcpListener>> {
        let listener = listener.map(Into::into);
        let wanted = Purpose { listener, bind };
        // A name may change while the port stays; port 0 stands for any.
        let fits = |given: &Purpose| *given == wanted || (given.bind == bind && bind.port() != 0);
        let Some(place) = self.0.iter().position(|(given, _)| fits(given)) else {
            return Ok(None);
        };
        let (_, socket) = self.0.swap_remove(place);
        socket.set_nonblocking(true)?;
        Ok(Some(socket))
    }
}

impl Purpose {
    fn read(told: &Value) -> Option<Self> {
        let listener = match told.get("listener")? {
            Value::Null => None,
            name => Some(name.as_str()?.into()),
        };
        let bind = told.get("bind")?.as_str()?.parse().ok()?;
        Some(Self { listener, bind })
    }
}

fn invalid() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the process before speaks otherwise",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any() -> SocketAddr {
        ([127, 0, 0, 1], 0).into()
    }

    #[test]
    fn sockets_arrive_as_what_they_were() {
        let (here, there) = UnixStream::pair().unwrap();
        let names = [Some("mesh"), Some("db"), None];
        let sockets = names.map(|_| TcpListener::bind(any()).unwrap());
        let mut offered = Offered::default();
        for (name, socket) in names.iter().zip(&sockets) {
            offered.add(*name, any(), socket).unwrap();
        }
        offered.send(&here).unwrap();
        let mut inherited = Inherited::receive(&there).unwrap();
        for (name, socket) in names.iter().zip(&sockets).rev() {
            let taken = inherited.take(*name, any()).unwrap().unwrap();
            assert_eq!(taken.local_addr().unwrap(), socket.local_addr().unwrap());
            assert!(inherited.take(*name, any()).unwrap().is_none(), "once");
        }
    }

    #[test]
    fn a_port_that_stays_is_known_by_itself_and_any_port_by_its_name() {
        let (here, there) = UnixStream::pair().unwrap();
        let socket = TcpListener::bind(any()).unwrap();
        let fixed = ([127, 0, 0, 1], 8443).into();
        let mut offered = Offered::default();
        offered.add(Some("mesh"), fixed, &socket).unwrap();
        offered.add(Some("any"), any(), &socket).unwrap();
        offered.send(&here).unwrap();
        let mut inherited = Inherited::receive(&there).unwrap();
        assert!(inherited.take(Some("other"), any()).unwrap().is_none());
        assert!(inherited.take(Some("renamed"), fixed).unwrap().is_some());
        assert!(inherited.take(Some("any"), any()).unwrap().is_some());
    }

    #[test]
    fn what_is_no_offer_is_an_error() {
        for bytes in [
            &b""[..],
            b"\0\0",
            b"\0\0\0\x02[]",
            b"\0\0\0\x02{}",
            b"\xff\xff\xff\xff",
            b"\0\0\0\x04[{}]",
        ] {
            let (mut here, there) = UnixStream::pair().unwrap();
            here.write_all(bytes).unwrap();
            drop(here);
            let received = Inherited::receive(&there);
            assert_eq!(received.is_ok(), bytes.ends_with(b"[]"), "{bytes:?}");
        }
    }
}
