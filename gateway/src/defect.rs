//! Defects on purpose, to test what one does: in debug builds alone, and there
//! only where the environment asks for them.

use std::sync::OnceLock;

use pingora_core::protocols::http::server::Session;

/// Names the first segment of the paths whose requests meet a defect; the
/// second names the place.
const VARIABLE: &str = "EGRET_DEFECT";

/// Panics if the request is to meet a defect at `place`.
#[expect(clippy::panic, reason = "what it is for")]
pub(crate) fn at(place: &str, session: &Session) {
    static SEGMENT: OnceLock<Option<String>> = OnceLock::new();
    let Some(segment) = SEGMENT.get_or_init(|| std::env::var(VARIABLE).ok()) else {
        return;
    };
    let path = session.req_header().uri.path();
    if path.strip_prefix('/') == Some(&*format!("{segment}/{place}")) {
        panic!("a defect at `{place}`, as {VARIABLE} asks");
    }
}
