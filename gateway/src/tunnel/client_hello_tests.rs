use std::io::{self, Read, Write};

use boring::ssl::{SslConnector, SslMethod, SslVersion};

use super::*;

/// Takes what a client sends, and never answers.
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

/// How BoringSSL is asked to begin.
#[derive(Clone, Copy)]
struct Client {
    name: Option<&'static str>,
    newest: SslVersion,
    grease: bool,
    groups: &'static str,
    ech: bool,
}

const PLAIN: Client = Client {
    name: Some("www.googleapis.com"),
    newest: SslVersion::TLS1_3,
    grease: false,
    groups: "X25519:P-256",
    ech: false,
};

/// The hello a real client sends.
fn hello(client: Client) -> Vec<u8> {
    let mut tls = SslConnector::builder(SslMethod::tls()).unwrap();
    tls.set_max_proto_version(Some(client.newest)).unwrap();
    tls.set_grease_enabled(client.grease);
    tls.set_curves_list(client.groups).unwrap();
    tls.set_alpn_protos(b"\x02h2\x08http/1.1").unwrap();
    let mut connection = tls.build().configure().unwrap();
    connection.set_use_server_name_indication(client.name.is_some());
    connection.set_verify_hostname(false);
    connection.set_enable_ech_grease(client.ech);
    let name = client.name.unwrap_or("unnamed.test");
    match connection.connect(name, Sent::default()) {
        Err(boring::ssl::HandshakeError::WouldBlock(waiting)) => waiting.get_ref().0.clone(),
        other => panic!("{other:?}"),
    }
}

/// Reads as the gateway does, in pieces of at most `piece` bytes.
fn read_in(wire: &[u8], piece: usize) -> Result<Option<Box<str>>, Refusal> {
    let mut reader = Reader::default();
    for bytes in wire.chunks(piece) {
        reader.wire.extend_from_slice(bytes);
        if let Some(name) = reader.advance()? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn read(wire: &[u8]) -> Result<Option<Box<str>>, Refusal> {
    let whole = read_in(wire, wire.len().max(1));
    assert_eq!(
        read_in(wire, 1),
        whole,
        "it matters in which pieces it comes"
    );
    whole
}

fn record(fragment: &[u8]) -> Vec<u8> {
    let length = u16::try_from(fragment.len()).unwrap().to_be_bytes();
    [&[22, 3, 1], &length[..], fragment].concat()
}

fn message(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1], &length[1..], body].concat()
}

fn short(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    [&length[..], data].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &short(data)].concat()
}

/// The names of a server name extension, each with its kind.
fn server_names(names: &[(u8, &[u8])]) -> Vec<u8> {
    let list = names
        .iter()
        .flat_map(|(kind, name)| [&[*kind], &short(name)[..]].concat());
    extension(SERVER_NAME, &short(&list.collect::<Vec<u8>>()))
}

fn body(extensions: Option<&[u8]>) -> Vec<u8> {
    let mut body = [&[3, 3][..], &[7; 32], &[0], &short(&[0x13, 1]), &[1, 0]].concat();
    body.extend(extensions.map(short).unwrap_or_default());
    body
}

/// A hello with these extensions.
fn with(extensions: &[&[u8]]) -> Vec<u8> {
    record(&message(&body(Some(&extensions.concat()))))
}

fn named(name: &str) -> Vec<u8> {
    server_names(&[(HOST_NAME, name.as_bytes())])
}

#[test]
fn finds_the_name_in_hellos_of_a_real_client() {
    for (what, client) in [
        ("TLS 1.3", PLAIN),
        (
            "TLS 1.2",
            Client {
                newest: SslVersion::TLS1_2,
                ..PLAIN
            },
        ),
        (
            "with GREASE",
            Client {
                grease: true,
                ..PLAIN
            },
        ),
        (
            "of more than a segment",
            Client {
                groups: "X25519MLKEM768:X25519:P-256",
                ..PLAIN
            },
        ),
    ] {
        let wire = hello(client);
        assert_eq!(read(&wire), Ok(Some("www.googleapis.com".into())), "{what}");
    }
    let large = hello(Client {
        groups: "X25519MLKEM768",
        ..PLAIN
    });
    assert!(large.len() > 1_300, "{}", large.len());
}

#[test]
fn a_hello_without_name_or_with_a_hidden_one_is_refused() {
    let nameless = hello(Client {
        name: None,
        ..PLAIN
    });
    assert_eq!(read(&nameless), Err(Refusal::NoServerName));
    let hidden = hello(Client { ech: true, ..PLAIN });
    assert_eq!(read(&hidden), Err(Refusal::EncryptedServerName));
}

#[test]
fn a_hello_cut_anywhere_is_waited_for_and_never_misread() {
    let wire = hello(Client {
        grease: true,
        ..PLAIN
    });
    for length in 0..wire.len() {
        assert_eq!(read_in(&wire[..length], 64), Ok(None), "cut at {length}");
    }
}

#[test]
fn a_hello_over_many_records_is_put_together() {
    let whole = hello(PLAIN);
    for piece in [1, 2, 3, 100, 4_000] {
        let wire: Vec<u8> = whole[5..].chunks(piece).flat_map(record).collect();
        assert_eq!(
            read(&wire),
            Ok(Some("www.googleapis.com".into())),
            "{piece}"
        );
        // Each cut of it too.
        for length in 0..wire.len() {
            assert_eq!(
                read_in(&wire[..length], 4_096),
                Ok(None),
                "{piece}: {length}"
            );
        }
    }
}

#[test]
fn every_byte_changed_gives_an_answer_and_no_other_name_by_a_length() {
    let wire = hello(PLAIN);
    let name = wire
        .windows(18)
        .position(|bytes| bytes == b"www.googleapis.com")
        .unwrap();
    for at in 0..wire.len() {
        for value in [
            0,
            1,
            0x7f,
            0x80,
            0xff,
            wire[at] ^ 1,
            wire[at].wrapping_add(1),
        ] {
            let mut wire = wire.clone();
            wire[at] = value;
            let inside = (name..name + 18).contains(&at);
            match read(&wire) {
                Ok(Some(found)) if !inside => assert_eq!(&*found, "www.googleapis.com", "{at}"),
                _ => {}
            }
        }
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let good = named("a.test");
    assert_eq!(
        read(&with(&[&good])),
        Ok(Some("a.test".into())),
        "the bench itself"
    );
    let two = server_names(&[(HOST_NAME, b"a.test"), (HOST_NAME, b"b.test")]);
    let behind = [&server_names(&[(HOST_NAME, b"a.test")])[..], &[0]].concat();
    let in_list = extension(SERVER_NAME, &[&short(&[0, 0, 1, b'a'])[..], &[0]].concat());
    for (what, wire) in [
        ("two names", with(&[&two])),
        ("two extensions", with(&[&good, &named("b.test")])),
        (
            "another extension twice",
            with(&[&good, &extension(16, b""), &extension(16, b"")]),
        ),
        (
            "a name of another kind",
            with(&[&server_names(&[(1, b"a.test")])]),
        ),
        (
            "a second name of another kind",
            with(&[&server_names(&[(HOST_NAME, b"a.test"), (1, b"b.test")])]),
        ),
        ("an empty name", with(&[&named("")])),
        ("no entry", with(&[&server_names(&[])])),
        ("an empty extension", with(&[&extension(SERVER_NAME, b"")])),
        (
            "no UTF-8",
            with(&[&server_names(&[(HOST_NAME, b"a\xff.test")])]),
        ),
        ("bytes behind the last extension", with(&[&behind])),
        ("bytes behind the list", with(&[&in_list])),
    ] {
        assert_eq!(read(&wire), Err(Refusal::MalformedClientHello), "{what}");
    }
}

#[test]
fn lengths_that_lie_are_refused() {
    let good = body(Some(&named("a.test")));
    let longer = [&good[..], &[0]].concat();
    let two_messages = [message(&good), message(&good)].concat();
    let mut short_list = named("a.test");
    short_list[5] -= 1;
    let mut long_list = named("a.test");
    long_list[5] += 1;
    let mut long_name = named("a.test");
    long_name[8] += 1;
    for (what, wire) in [
        ("bytes behind the extensions", record(&message(&longer))),
        ("a second message in the record", record(&two_messages)),
        ("a list shorter than its entry", with(&[&short_list])),
        ("a list longer than its extension", with(&[&long_list])),
        ("a name longer than its list", with(&[&long_name])),
        ("an empty record", record(b"")),
        ("an empty message", record(&message(b""))),
        ("a message of 16 MiB", record(&[1, 0xff, 0xff, 0xff, 3, 3])),
        ("a record that is too long", vec![22, 3, 1, 0xff, 0xff]),
        (
            "an odd list of suites",
            record(&message(
                &[&[3, 3][..], &[7; 32], &[0], &short(&[0]), &[1, 0]].concat(),
            )),
        ),
        (
            "a session of 33 bytes",
            record(&message(
                &[
                    &[3, 3][..],
                    &[7; 32],
                    &[33],
                    &[0; 33],
                    &short(&[0, 1]),
                    &[1, 0],
                ]
                .concat(),
            )),
        ),
    ] {
        assert_eq!(read(&wire), Err(Refusal::MalformedClientHello), "{what}");
    }
    let bare = record(&message(&body(None)));
    assert_eq!(
        read(&bare),
        Err(Refusal::NoServerName),
        "no extensions at all"
    );
}

#[test]
fn what_is_no_hello_is_refused_at_the_first_byte_that_shows_it() {
    for wire in [
        &b"GET / HTTP/1.1\r\n"[..],
        &[21, 3, 1, 0, 2, 1, 0],
        &[22, 2],
        &[22, 3, 0],
        &[22, 3, 4],
        &[22, 3, 1, 0, 1, 2],
        &[0x80, 0x2e, 1, 0, 2],
    ] {
        assert_eq!(read(wire), Err(Refusal::MalformedClientHello), "{wire:?}");
    }
}

#[test]
fn a_hello_may_take_16_kib_and_no_more() {
    let of = |padding: usize| with(&[&extension(21, &vec![0; padding]), &named("a.test")]);
    let most = 16 * 1024 - of(0).len();
    assert_eq!(read_in(&of(most), 1_000), Ok(Some("a.test".into())));
    assert_eq!(
        read_in(&of(most + 1), 1_000),
        Err(Refusal::MalformedClientHello)
    );
    // Many records of one byte count with their heads.
    let whole = message(&body(Some(
        &[named("a.test"), extension(21, &[0; 4_000])].concat(),
    )));
    let wire: Vec<u8> = whole.chunks(1).flat_map(record).collect();
    assert_eq!(read_in(&wire, 1_000), Err(Refusal::MalformedClientHello));
}

#[tokio::test]
async fn reads_no_further_than_it_must_and_gives_back_every_byte() {
    let wire = [hello(PLAIN), vec![20, 3, 3, 0, 1, 1]].concat();
    let read = ClientHello::read(&mut &wire[..]).await.unwrap();
    assert_eq!(
        (&*read.server_name, &read.wire),
        ("www.googleapis.com", &wire)
    );
    let cut = &wire[..100];
    let read = ClientHello::read(&mut &cut[..]).await;
    assert_eq!(read, Err(Refusal::MalformedClientHello), "the client left");
}
