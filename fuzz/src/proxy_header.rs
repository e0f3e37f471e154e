//! The PROXY protocol's header, by which ztunnel introduces a caller.

use std::net::{IpAddr, SocketAddr};

use gateway::fuzzing;
use policy::principal::Principal;
use policy::refusal::Refusal;

use crate::pieces::{Pieces, at_once};

const FIXED: usize = 16;
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

type Said = Result<(SocketAddr, SocketAddr, Option<Principal>), Refusal>;

/// What is said, and what is left of the bytes.
fn read(bytes: &[u8], piece: usize) -> (Said, &[u8]) {
    let mut from = Pieces { left: bytes, piece };
    let said = at_once(fuzzing::proxy_header(&mut from));
    (said, from.left)
}

/// However the bytes come, the same is said; not a byte behind the header is read,
/// and the addresses are those that stand there.
pub fn target(data: &[u8]) {
    let (said, left) = read(data, usize::MAX);
    for piece in [1, 7] {
        assert_eq!(
            read(data, piece),
            (said.clone(), left),
            "in pieces of {piece}"
        );
    }
    let Ok((source, destination, _)) = said else {
        return;
    };
    let (header, behind) = data.split_at(data.len() - left.len());
    assert_eq!(behind, left);
    let length = usize::from(u16::from_be_bytes([header[14], header[15]]));
    assert_eq!(header.len(), FIXED + length);
    let addresses = [source, destination]
        .map(|socket| octets(socket.ip()))
        .concat();
    let ports = [source, destination]
        .map(|socket| socket.port().to_be_bytes())
        .concat();
    assert!(header[FIXED..].starts_with(&[addresses, ports].concat()));
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// A header, with what stands behind it.
fn header(family: u8, more: &[u8]) -> Vec<u8> {
    let length = u16::try_from(more.len()).expect("short").to_be_bytes();
    [SIGNATURE, &[0x21, family], &length, more, b"GET / HTTP/1.1"].concat()
}

/// As ztunnel writes it, for both families, and nearly.
pub fn seeds() -> Vec<Vec<u8>> {
    let four = [10, 0, 0, 7, 240, 240, 0, 10, 0xb2, 0x6d, 0, 80];
    let six = [[0x20; 32].as_slice(), &[0, 1, 0, 80]].concat();
    let id = b"spiffe://cluster.local/ns/default/sa/sleep";
    let length = u16::try_from(id.len()).expect("short").to_be_bytes();
    let named = [&[0xd0][..], &length, id].concat();
    vec![
        header(0x11, &four),
        header(0x11, &[&four[..], &named].concat()),
        header(0x11, &[&four[..], &[4, 0, 1, 0], &named, &named].concat()),
        header(0x21, &[&six[..], &named].concat()),
        header(0x00, &[]),
    ]
}
