//! The first bytes of a TLS client, for tests that go no further.

use std::io::{self, Read, Write};

use boring::ssl::{HandshakeError, SslConnector, SslMethod};

/// What was said, to nobody.
#[derive(Debug, Default)]
struct Sent(Vec<u8>);

impl Write for Sent {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Sent {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

/// A `ClientHello` for `name`.
///
/// # Panics
/// When BoringSSL will not.
#[must_use]
pub fn client_hello(name: &str) -> Vec<u8> {
    hello(name, false)
}

/// The same, with an extension that may hide the server's name.
///
/// # Panics
/// When BoringSSL will not.
#[must_use]
pub fn hiding_hello(name: &str) -> Vec<u8> {
    hello(name, true)
}

fn hello(name: &str, hidden: bool) -> Vec<u8> {
    let tls = SslConnector::builder(SslMethod::tls()).expect("TLS");
    let connection = tls.build().configure().expect("TLS");
    connection.set_enable_ech_grease(hidden);
    match connection.connect(name, Sent::default()) {
        Err(HandshakeError::WouldBlock(waiting)) => waiting.get_ref().0.clone(),
        other => panic!("{other:?}"),
    }
}
