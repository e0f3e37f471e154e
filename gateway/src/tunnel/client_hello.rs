//! The server name of a `ClientHello`, read from the bytes as they come.
//!
//! We do not end this TLS connection: whoever does must find in these bytes the
//! very name we find, or a caller could show us one host and reach another.
//! Hence the reader is strict where RFC 8446 leaves a choice, and whatever could
//! be read in two ways (an extension twice, two names, lengths that disagree,
//! bytes behind the message) is refused.

use policy::refusal::Refusal;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The most a hello may take on the wire. Today's largest, with post-quantum
/// keys and padding, take two thousand bytes.
const MOST: usize = 16 * 1024;
const RECORD_HEAD: usize = 5;
/// RFC 8446, section 5.1.
const HANDSHAKE: u8 = 22;
/// RFC 8446, section 4.
const CLIENT_HELLO: u8 = 1;
/// RFC 6066, section 3.
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;
/// RFC 9849: the name seen is not, or may not be, the name meant. Browsers send
/// the extension with nothing in it too, which none can tell from the outside.
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
/// What came before it, in drafts.
const ENCRYPTED_SERVER_NAME: u16 = 0xffce;

/// A hello that was read whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ClientHello {
    /// The one server name, as sent.
    pub(crate) server_name: Box<str>,
    /// All that was read, for whom it is meant.
    pub(crate) wire: Vec<u8>,
}

impl ClientHello {
    /// Reads until the hello is whole.
    pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> Result<Self, Refusal> {
        let mut reader = Reader::default();
        loop {
            if let Some(server_name) = reader.advance()? {
                let wire = reader.wire;
                return Ok(Self { server_name, wire });
            }
            let room = u64::try_from(MOST.saturating_sub(reader.wire.len())).unwrap_or(0);
            let read = from.take(room).read_buf(&mut reader.wire).await;
            if read.unwrap_or(0) == 0 {
                return Err(Refusal::MalformedClientHello);
            }
            if reader.wire.first().is_some_and(|first| *first != HANDSHAKE) {
                return Err(Refusal::Plaintext);
            }
        }
    }
}

/// Puts the message together from its records; looks at every byte once,
/// however small the pieces are in which they come.
#[derive(Debug, Default)]
struct Reader {
    wire: Vec<u8>,
    /// Where the next record begins.
    next: usize,
    message: Vec<u8>,
}

impl Reader {
    /// The server name, once the message is whole.
    fn advance(&mut self) -> Result<Option<Box<str>>, Refusal> {
        while let Some(fragment) = fragment(self.wire.get(self.next..).unwrap_or_default())? {
            let end = self.next + RECORD_HEAD + fragment.len();
            self.message.extend_from_slice(fragment);
            self.next = end;
            if let Some(body) = whole(&self.message)? {
                return server_name(body).map(Some);
            }
        }
        // A record that will not fit is not waited for.
        match self.wire.len() < MOST {
            true => Ok(None),
            false => Err(Refusal::MalformedClientHello),
        }
    }
}

/// What the record at the beginning holds, once it has come whole.
fn fragment(wire: &[u8]) -> Result<Option<&[u8]>, Refusal> {
    let mut cursor = Cursor(wire);
    let head = (cursor.byte(), cursor.byte(), cursor.byte(), cursor.short());
    let lawful = match head {
        (Ok(kind), _, _, _) if kind != HANDSHAKE => false,
        (_, Ok(major), _, _) if major != 3 => false,
        // 3.1 to 3.3, whatever is negotiated later.
        (_, _, Ok(minor), _) if !(1..=3).contains(&minor) => false,
        // An empty fragment may not be sent (RFC 8446, section 5.1).
        (_, _, _, Ok(length)) => (1..=MOST - RECORD_HEAD).contains(&usize::from(length)),
        _ => true,
    };
    if !lawful {
        return Err(Refusal::MalformedClientHello);
    }
    let (_, _, _, Ok(length)) = head else {
        return Ok(None);
    };
    Ok(cursor.0.get(..usize::from(length)))
}

/// The body of the message, once it is whole. Nothing may stand behind it in its
/// record: a client waits for the answer.
fn whole(message: &[u8]) -> Result<Option<&[u8]>, Refusal> {
    let malformed = Err(Refusal::MalformedClientHello);
    let mut cursor = Cursor(message);
    match cursor.byte() {
        Ok(CLIENT_HELLO) => {}
        _ => return malformed,
    }
    let (Ok(high), Ok(low)) = (cursor.byte(), cursor.short()) else {
        return Ok(None);
    };
    let length = usize::from(high) << 16 | usize::from(low);
    match cursor.0.len() {
        _ if length > MOST => malformed,
        there if there > length => malformed,
        there if there < length => Ok(None),
        _ => Ok(Some(cursor.0)),
    }
}

/// RFC 8446, section 4.1.2.
fn server_name(body: &[u8]) -> Result<Box<str>, Refusal> {
    let mut hello = Cursor(body);
    if hello.byte()? != 3 {
        return Err(Refusal::MalformedClientHello);
    }
    let _minor_version = hello.byte()?;
    let _random = hello.take(32)?;
    let session = hello.of_byte_length()?;
    let suites = hello.of_short_length()?;
    let compressions = hello.of_byte_length()?;
    if session.len() > 32 || suites.is_empty() || suites.len() % 2 != 0 || compressions.is_empty() {
        return Err(Refusal::MalformedClientHello);
    }
    if hello.is_empty() {
        // As before there were extensions.
        return Err(Refusal::NoServerName);
    }
    let extensions = hello.of_short_length()?;
    hello.end()?;
    let names = names(extensions)?.ok_or(Refusal::NoServerName)?;
    one_host(names)
}

/// The data of the extension that names servers, if it is there.
fn names(extensions: &[u8]) -> Result<Option<&[u8]>, Refusal> {
    let mut cursor = Cursor(extensions);
    let mut kinds = Vec::new();
    let mut found = None;
    while !cursor.is_empty() {
        let kind = cursor.short()?;
        let data = cursor.of_short_length()?;
        kinds.push(kind);
        if kind == SERVER_NAME {
            found = Some(data);
        }
    }
    kinds.sort_unstable();
    // Which of two would count is for each implementation to say.
    if kinds.windows(2).any(|two| two.first() == two.last()) {
        return Err(Refusal::MalformedClientHello);
    }
    let hides = [ENCRYPTED_CLIENT_HELLO, ENCRYPTED_SERVER_NAME];
    if hides.iter().any(|kind| kinds.binary_search(kind).is_ok()) {
        return Err(Refusal::EncryptedServerName);
    }
    Ok(found)
}

/// The only name of the list, which must be that of a host.
fn one_host(extension: &[u8]) -> Result<Box<str>, Refusal> {
    let mut cursor = Cursor(extension);
    let mut list = Cursor(cursor.of_short_length()?);
    cursor.end()?;
    let kind = list.byte()?;
    let name = list.of_short_length()?;
    list.end()?;
    let name = std::str::from_utf8(name)
        .ok()
        .filter(|name| !name.is_empty());
    match (kind, name) {
        (HOST_NAME, Some(name)) => Ok(name.into()),
        _ => Err(Refusal::MalformedClientHello),
    }
}

/// What is left to read; whatever is missing makes the hello malformed.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Refusal> {
        let split = self.0.split_at_checked(length);
        let (taken, rest) = split.ok_or(Refusal::MalformedClientHello)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Refusal> {
        let byte = self.take(1)?.first().copied();
        byte.ok_or(Refusal::MalformedClientHello)
    }

    fn short(&mut self) -> Result<u16, Refusal> {
        Ok(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    fn of_byte_length(&mut self) -> Result<&'a [u8], Refusal> {
        let length = self.byte()?;
        self.take(length.into())
    }

    fn of_short_length(&mut self) -> Result<&'a [u8], Refusal> {
        let length = self.short()?;
        self.take(length.into())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn end(&self) -> Result<(), Refusal> {
        match self.is_empty() {
            true => Ok(()),
            false => Err(Refusal::MalformedClientHello),
        }
    }
}

#[cfg(test)]
#[path = "client_hello_tests.rs"]
mod tests;
