//! What must come of an attempt, known before it is made.

/// What the origin sees of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AtOrigin {
    Nothing,
    /// One request, whole, with this method and target.
    Whole(&'static str, String),
    /// The same, or a part of it, or nothing: its caller does not keep it up.
    Perhaps(String),
}

/// What is told of an attempt: `allow`, or why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// There was nothing to tell.
    Nothing,
    /// One line, with this status and reason; a reason of nothing is an answer
    /// of the origin's.
    Line(u16, &'static str),
    /// One line, with one of these reasons.
    OneOf(&'static [&'static str]),
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) at_origin: AtOrigin,
    pub(crate) told: Told,
}

impl Fate {
    /// It is let go and answered.
    pub(crate) fn passes(method: &'static str, target: String) -> Self {
        Self {
            at_origin: AtOrigin::Whole(method, target),
            told: Told::Line(200, ""),
        }
    }

    /// It comes to nothing, and a line.
    pub(crate) fn ends(status: u16, reason: &'static str) -> Self {
        Self {
            at_origin: AtOrigin::Nothing,
            told: Told::Line(status, reason),
        }
    }

    /// Nobody tries anything.
    pub(crate) fn nothing() -> Self {
        Self {
            at_origin: AtOrigin::Nothing,
            told: Told::Nothing,
        }
    }

    /// It is let go, and not finished by its caller.
    pub(crate) fn breaks(target: String, reasons: &'static [&'static str]) -> Self {
        Self {
            at_origin: AtOrigin::Perhaps(target),
            told: Told::OneOf(reasons),
        }
    }
}

/// A request that is whole and canonical but for its spelling: what it asks for,
/// and what comes of it.
pub(crate) struct Plain {
    pub(crate) method: &'static str,
    pub(crate) host: &'static str,
    /// As sent.
    pub(crate) target: String,
    pub(crate) fate: Fate,
}

/// Any of these.
pub(crate) fn choose<T: Copy>(random: &mut fastrand::Rng, from: &[T]) -> T {
    from[random.usize(..from.len())]
}

/// A body of any size that may pass.
pub(crate) fn body(random: &mut fastrand::Rng) -> Vec<u8> {
    let length = choose(random, &[0, 1, 10, 700, 5000]);
    (0..length).map(|_| random.u8(..)).collect()
}

/// A request that is well-formed, and may or may not be let go. `id` is its own.
pub(crate) fn plain(id: &str, random: &mut fastrand::Rng) -> Plain {
    let method = choose(random, &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);
    let passing = |target: String| Fate::passes(method, target);
    let (host, target, fate) = match random.u8(..18) {
        0..5 => ("open.test", format!("/open/{id}"), None),
        5 => (
            "open.test",
            format!("//open///{id}"),
            Some(passing(format!("/open/{id}"))),
        ),
        6 => (
            "OPEN.test.",
            format!("/%6fpen/{id}?a=%2f..%2F"),
            Some(passing(format!("/open/{id}?a=%2f..%2F"))),
        ),
        7 => ("open.test", format!("/echo/{id}?{}", query(random)), None),
        8 => (
            "open.test",
            format!("/open/{id}/secret"),
            Some(Fate::ends(403, "denied")),
        ),
        9 => (
            "open.test",
            format!("/closed/{id}"),
            Some(Fate::ends(403, "not_allowed")),
        ),
        10 => (
            "elsewhere.test",
            format!("/open/{id}"),
            Some(Fate::ends(403, "not_allowed")),
        ),
        11 => (
            "open.test",
            format!("/unrouted/{id}"),
            Some(Fate::ends(404, "no_route")),
        ),
        12 => (
            "down.test",
            format!("/open/{id}"),
            Some(Fate::ends(503, "connect_failure")),
        ),
        13 => (
            "inside.test",
            format!("/open/{id}"),
            Some(Fate::ends(403, "address_denied")),
        ),
        14 => (
            "unnamed.test",
            format!("/open/{id}"),
            Some(Fate::ends(503, "no_address")),
        ),
        15 => (
            "open.test",
            format!("/open/../{id}"),
            Some(Fate::ends(400, "path_dot_segment")),
        ),
        16 => (
            "open.test",
            format!("/open/{id}%2f..%2fsecret"),
            Some(Fate::ends(400, "path_encoded_slash")),
        ),
        _ => (
            "open.test:0",
            format!("/open/{id}"),
            Some(Fate::ends(400, "host_port")),
        ),
    };
    let fate = fate.unwrap_or_else(|| passing(target.clone()));
    Plain {
        method,
        host,
        target,
        fate,
    }
}

fn query(random: &mut fastrand::Rng) -> String {
    let bytes = b"abcXYZ019-._~!$&'()*+,;=:@/?%41";
    let length = random.usize(..40);
    // A `%` may stand anywhere in a query; it is nobody's to read.
    let any = |_| char::from(bytes[random.usize(..bytes.len())]);
    (0..length).map(any).collect()
}
