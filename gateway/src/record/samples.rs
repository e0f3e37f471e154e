//! Records for tests.

use std::borrow::Cow;
use std::time::Duration;

use policy::origin::Origin;
use policy::principal::Principal;

use super::{Decision, Record, RuleName, TunnelPart};

/// What a record borrows.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) sleep: Principal,
    pub(crate) origin: Origin,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            sleep: Principal::from_name("cluster.local/ns/default/sa/sleep").unwrap(),
            origin: Origin::new("egress/policy.yaml", 12, 5),
        }
    }

    /// `GET http://edition.cnn.com/politics` by `sleep`, answered by the origin.
    pub(crate) fn allowed(&self) -> Record<'_> {
        Record {
            duration: Duration::from_micros(264_700),
            listener: "mesh",
            method: Some("GET".into()),
            path: Some("/politics?page=2".into()),
            protocol: Some("HTTP/1.1"),
            authority: Some("edition.cnn.com".into()),
            host: Some("edition.cnn.com"),
            response_code: 200,
            response_code_details: Some("via_upstream".into()),
            bytes_sent: 1_883_355,
            request_bytes: 812,
            response_bytes: 1_883_900,
            upstream_service_time: Some(Duration::from_millis(261)),
            user_agent: Some(b"curl/7.88.1"),
            request_id: Some(b"d6ca4391-9749-4ef8-a2ee-147f77fddf97"),
            upstream_host: Some("151.101.3.5:443".parse().unwrap()),
            upstream_local_address: Some("10.10.0.7:51514".parse().unwrap()),
            upstream_cluster: Some("outbound|443||edition.cnn.com".into()),
            requested_server_name: Some("edition.cnn.com"),
            route_name: Some("default"),
            source_principal: Some(&self.sleep),
            decision: Decision::Allow,
            rule: Some(RuleName {
                name: "cnn-readers",
                origin: &self.origin,
            }),
            destination: Some("edition.cnn.com"),
            snapshot: "0123456789ab",
            refusal: None,
            connection_termination_details: None,
            ..self.handshake()
        }
    }

    /// The same, refused by a rule.
    pub(crate) fn denied(&self) -> Record<'_> {
        Record {
            response_code: 403,
            response_code_details: Some("rbac_access_denied_matched_policy[none]".into()),
            bytes_sent: 84,
            response_bytes: 230,
            upstream_service_time: None,
            upstream_host: None,
            upstream_local_address: None,
            upstream_cluster: None,
            decision: Decision::Deny,
            refusal: Some("denied"),
            ..self.allowed()
        }
    }

    /// TLS to the same host that passed through, from a caller nobody knows.
    pub(crate) fn tunnel(&self) -> Record<'_> {
        Record {
            tunnel: Some(TunnelPart {
                begins: true,
                ends: true,
                received: 517,
                sent: 4_096,
            }),
            bytes_received: 517,
            bytes_sent: 4_096,
            requested_server_name: Some("edition.cnn.com"),
            decision: Decision::Allow,
            destination: Some("edition.cnn.com"),
            refusal: None,
            connection_termination_details: None,
            ..self.handshake()
        }
    }

    /// A handshake that was refused.
    pub(crate) fn handshake(&self) -> Record<'_> {
        Record {
            refusal: Some("certificate_expired"),
            connection_termination_details: Some(Cow::Borrowed("certificate_expired")),
            ..Record::of_connection(
                1_795_197_724_533_462_999,
                "10.10.0.7:8443".parse().unwrap(),
                "10.10.0.21:34567".parse().unwrap(),
            )
        }
    }
}

/// The same numbers on every run (xorshift, Marsaglia 2003).
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % bound
    }

    /// Bytes a hostile caller would choose.
    pub(crate) fn bytes(&mut self, longest: usize) -> Vec<u8> {
        const PIECES: [&[u8]; 14] = [
            b"\"",
            b"\\",
            b"\n",
            b"\r\n",
            b"\0",
            b"\x1b[2J",
            b"\",\"decision\":\"allow",
            b"\"}\n{\"level\":\"info\"",
            b"\xff\xfe",
            b"\xe2\x80",
            "\u{2028}é😀".as_bytes(),
            b"\xed\xa0\x80",
            b" - \"x\" ",
            b"\\u0022",
        ];
        let mut bytes = Vec::new();
        let length = self.below(longest);
        while bytes.len() < length {
            match self.below(4) {
                0 => bytes.extend_from_slice(PIECES[self.below(PIECES.len())]),
                1 => bytes.push(u8::try_from(self.below(256)).unwrap()),
                _ => bytes.extend_from_slice(b"plain"),
            }
        }
        bytes
    }
}
