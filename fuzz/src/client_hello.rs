//! The server name of a `ClientHello` that is for somebody else.

use std::cell::RefCell;
use std::io::{self, Read, Write};

use boring::ssl::{
    ClientHello, NameType, SelectCertError, Ssl, SslContext, SslMethod, SslStreamBuilder,
};
use gateway::fuzzing;
use policy::refusal::Refusal;

use crate::pieces::{Pieces, at_once};

/// What is read of one hello at most.
const MOST: usize = 16 * 1024;
const RECORD_HEAD: usize = 5;

type Found = Result<(Box<str>, Vec<u8>), Refusal>;

fn read(wire: &[u8], piece: usize) -> Found {
    at_once(fuzzing::client_hello(&mut Pieces { left: wire, piece }))
}

/// However the bytes come, one name or one refusal; nothing is read that is
/// not handed on; and BoringSSL, as whom it is meant for, finds that name.
pub fn target(data: &[u8]) {
    let whole = read(data, usize::MAX);
    let small = read(data, 1);
    let odd = read(data, 7);
    let name = |found: &Found| found.as_ref().ok().map(|(name, _)| name.clone());
    assert_eq!(name(&whole), name(&small));
    assert_eq!(name(&whole), name(&odd));
    for (_, wire) in [&whole, &small, &odd].into_iter().flatten() {
        assert!(wire.len() <= MOST, "{} bytes", wire.len());
        assert!(data.starts_with(wire), "what is handed on is what came");
    }
    let Ok((name, wire)) = small else { return };
    let message = message(&wire);
    assert!(message.windows(name.len()).any(|w| w == name.as_bytes()));
    for size in [1, 3, 200] {
        let records = records(&message, size);
        if records.len() < MOST {
            let again = read(&records, usize::MAX).map(|(name, _)| name);
            assert_eq!(again.as_deref(), Ok(&*name), "in records of {size}");
        }
    }
    // BoringSSL does not parse a hello that is wrong elsewhere.
    if let Some(theirs) = of_boring(&wire) {
        assert_eq!(
            theirs.as_deref(),
            Some(&*name),
            "BoringSSL finds another name"
        );
    }
}

/// The handshake message in records that were found good.
fn message(mut wire: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    while let [_, _, _, high, low, rest @ ..] = wire {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (fragment, rest) = rest.split_at_checked(length).expect("whole records");
        message.extend_from_slice(fragment);
        wire = rest;
    }
    message
}

/// The message in records of `size` bytes.
fn records(message: &[u8], size: usize) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() * (1 + RECORD_HEAD / size));
    for fragment in message.chunks(size) {
        let length = u16::try_from(fragment.len()).expect("a short record");
        wire.extend_from_slice(&[22, 3, 1]);
        wire.extend_from_slice(&length.to_be_bytes());
        wire.extend_from_slice(fragment);
    }
    wire
}

thread_local! {
    /// The name of the hello at hand; nothing when it was never parsed.
    static SEEN: RefCell<Option<Option<String>>> = const { RefCell::new(None) };
    static SERVER: SslContext = server();
}

fn server() -> SslContext {
    let mut context = SslContext::builder(SslMethod::tls()).expect("a context");
    context.set_select_certificate_callback(|hello: ClientHello<'_>| {
        let name = hello.servername(NameType::HOST_NAME).map(str::to_owned);
        SEEN.with(|seen| seen.replace(Some(name)));
        Err(SelectCertError::ERROR)
    });
    context.build()
}

fn of_boring(wire: &[u8]) -> Option<Option<String>> {
    SEEN.with(|seen| seen.replace(None));
    let ssl = SERVER
        .with(|server| Ssl::new(server))
        .expect("a connection");
    let _ = SslStreamBuilder::new(ssl, Wire(wire)).accept();
    SEEN.with(RefCell::take)
}

/// Gives the hello, and takes what is answered.
#[derive(Debug)]
struct Wire<'a>(&'a [u8]);

impl Read for Wire<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into) {
            Ok(0) => Err(io::ErrorKind::WouldBlock.into()),
            read => read,
        }
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An extension.
fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &short(data)].concat()
}

/// Data behind its length in two bytes.
fn short(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("short data");
    [&length.to_be_bytes()[..], data].concat()
}

/// A hello with these extensions.
fn hello(extensions: &[Vec<u8>]) -> Vec<u8> {
    let body = [
        &[3, 3][..],
        &[5; 32],
        &[0],
        &short(&[0x13, 0x01, 0xc0, 0x2f]),
        &[1, 0],
        &short(&extensions.concat()),
    ]
    .concat();
    let length = u32::try_from(body.len())
        .expect("a short hello")
        .to_be_bytes();
    [&[1], &length[1..], &body].concat()
}

/// Hellos, in one record and in many.
pub fn seeds() -> Vec<Vec<u8>> {
    let name = |name: &str| extension(0, &short(&[&[0], &*short(name.as_bytes())].concat()));
    let versions = extension(43, &[4, 3, 4, 3, 3]);
    let groups = extension(10, &short(&[0, 29, 0, 23]));
    let hidden = extension(0xfe0d, &[0; 12]);
    let cnn = name("edition.cnn.com");
    let good = hello(&[cnn.clone(), versions.clone(), groups.clone()]);
    let wire = records(&good, MOST);
    assert!(read(&wire, 1).is_ok(), "the seed is no hello");
    assert!(
        of_boring(&wire).is_some(),
        "BoringSSL does not parse the seed"
    );
    vec![
        records(&good, 50),
        records(&hello(&[versions, name("a.b")]), MOST),
        records(&hello(&[cnn.clone(), cnn.clone()]), MOST),
        records(&hello(&[cnn, hidden]), MOST),
        records(&hello(&[groups]), MOST),
        records(&hello(&[name("127.0.0.1")]), MOST),
        wire,
    ]
}
