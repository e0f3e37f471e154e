//! The gateway between a hostile origin and a good one, and what must hold of
//! each attempt.

use std::thread;

use integration_tests::client::{Curl, Reply};
use integration_tests::egret::{Beside, Egret};
use integration_tests::mesh::Mesh;
use integration_tests::pki::Pki;
use integration_tests::record::reason;
use serde_json::Value;

use crate::origin::Origin;

/// The host that misbehaves.
pub(crate) const HOST: &str = "httpbin.org";
/// The host beside it.
pub(crate) const GOOD: &str = "edition.cnn.com";
/// What the gateway may need for one exchange and its parts, in a debug build:
/// buffers and windows, and nothing that grows with what an origin sends.
const ROOM: usize = 16 * 1024 * 1024;

/// What comes of an attempt.
pub(crate) struct Expected {
    /// 0: no whole answer.
    pub(crate) status: u16,
    /// Code and flags of the record; empty and `-` for none.
    pub(crate) reason: &'static str,
    pub(crate) flags: &'static str,
}

pub(crate) struct Bench {
    pub(crate) mesh: Mesh,
    pub(crate) origin: Origin,
    memory: usize,
    room: usize,
}

impl Bench {
    /// `upstream` is how the origin is spoken to, beside its address.
    pub(crate) fn start(origin: Origin, upstream: &str) -> Self {
        Self::keeping("1s", origin, upstream)
    }

    /// The same, where connections are kept for so long.
    pub(crate) fn keeping(idle: &str, origin: Origin, upstream: &str) -> Self {
        let configuration = format!(
            "defaults: {{ policy: allow }}
limits: {{ bodyIdleTimeout: 2s }}
destinations:
  - host: {HOST}
    timeout: 3s
    upstream: {{ addresses: [\"{}\"], connectTimeout: 500ms, pool: {{ idle: {idle} }}, {upstream} }}
    allowAddresses: [127.0.0.0/8]
  - host: {GOOD}
    upstream: {{ addresses: [\"$NGINX\"], tls: {{ ca: $ORIGIN_CA }} }}
    allowAddresses: [127.0.0.0/8]
",
            origin.address
        );
        // One thread has one pool, and never makes a connection beside an idle one.
        let beside = Beside {
            arguments: ["--threads", "1"].map(Into::into).into(),
            ..Beside::default()
        };
        let start = |whole: &str| Egret::start_beside(whole, &beside);
        let mesh = Mesh::start_by(start, Pki::create(), &configuration);
        // Everything that is made once is made.
        assert_eq!(mesh.fetch("sleep", GOOD, "/large").status, 200);
        let memory = mesh.egret.memory();
        Self {
            mesh,
            origin,
            memory,
            room: ROOM,
        }
    }

    /// The same, with so many times the room in memory.
    pub(crate) fn with_room(self, times: usize) -> Self {
        let room = self.room * times;
        Self { room, ..self }
    }

    pub(crate) fn curl(&self, target: &str) -> Curl {
        self.mesh.curl("sleep", HOST, target)
    }

    /// A GET of the hostile host, as [`Bench::ask`] has it.
    pub(crate) fn get(&self, name: &str, expected: &Expected) -> Reply {
        let target = format!("/{name}");
        self.ask(&target, self.curl(&target), expected)
    }

    /// Asks the hostile host while another caller asks the good one, and holds
    /// what is seen against what is expected.
    pub(crate) fn ask(&self, target: &str, curl: Curl, expected: &Expected) -> Reply {
        let reply = thread::scope(|scope| {
            let hostile = scope.spawn(|| curl.send());
            let good = self.mesh.fetch("politics", GOOD, "/sport");
            assert_eq!(
                good.status,
                200,
                "beside {target}: {}",
                self.mesh.egret.said()
            );
            hostile.join().unwrap()
        });
        let record = self.mesh.egret.record_of(target);
        let seen = (reply.status, reason(&record), flags(&record));
        let meant = (expected.status, expected.reason, expected.flags);
        assert_eq!(seen, meant, "{target}: {} {record:#}", reply.error);
        let whole = reply.error.is_empty();
        assert_eq!(
            whole,
            expected.reason.is_empty() || expected.status > 400,
            "{target}: {}",
            reply.error
        );
        let grown = self.mesh.egret.memory().saturating_sub(self.memory);
        assert!(grown < self.room, "{target}: {grown} bytes more");
        reply
    }

    /// How many files and sockets the gateway has open.
    pub(crate) fn descriptors(&self) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.mesh.egret.id()));
        open.unwrap().count()
    }

    /// That no connection of before serves again: `/fine` tells its number.
    pub(crate) fn assert_new_connection(&self, after: &str) {
        let before = self.origin.connections();
        let fine = self.curl(&format!("/fine?{after}")).send();
        let number = (before + 1).to_string();
        assert_eq!(
            (fine.status, fine.text()),
            (200, number),
            "after {after}: {}",
            fine.error
        );
    }
}

fn flags(record: &Value) -> &str {
    record["response_flags"].as_str().unwrap_or_default()
}
