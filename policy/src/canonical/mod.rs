//! The canonical form of a request: one spelling of host, path and method.
//!
//! What is matched is what is sent. Everything here takes wire bytes and gives
//! either the exact bytes that will be both judged and forwarded, or one
//! [`Malformed`] reason. Where an origin might read a path in two ways the
//! request is refused, never repaired. Nothing here knows hosts, rules or
//! routes, and canonicalising a canonical form changes no byte.

mod authority;
mod bytes;
mod deny_view;
mod escape;
mod malformed;
mod method;
mod method_set;
mod path;
mod profile;
mod target;

pub use authority::Authority;
pub use deny_view::{DenyViews, deny_views};
pub(crate) use deny_view::{deny_literal, deny_text};
pub use malformed::Malformed;
pub use method::{Method, OtherMethod};
pub use method_set::{InvalidMethod, MethodSet};
pub use profile::{DuplicateSlashes, Encoded, PathProfile};
pub use target::{MAX_TARGET, Target};
