//! Fuzz targets: what must hold for whatever bytes a caller, or a file, holds.
//!
//! Each module is one target, a plain function that panics when a promise is
//! broken. `make fuzz` lets libFuzzer call them; the test below runs each over
//! its seeds and things close to them, so that `make test` notices as well.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a target that finds something must fail"
)]

pub mod authority;
pub mod certificate;
pub mod client_hello;
mod configuration;
pub mod expression;
pub mod http1_head;
pub mod istio_configuration;
pub mod json_line;
pub mod native_configuration;
pub mod pattern;
mod pieces;
pub mod proxy_head;
pub mod proxy_header;
pub mod request_target;
pub mod seeds;
pub mod spiffe_id;

/// A target by name.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is also its program's.
    pub name: &'static str,
    /// What it asserts.
    pub run: fn(&[u8]),
    /// Where it begins.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

macro_rules! targets {
    ($($name:ident)*) => {
        /// Every target.
        pub const TARGETS: &[Target] = &[$(Target {
            name: stringify!($name),
            run: $name::target,
            seeds: $name::seeds,
        },)*];
    };
}

targets! {
    authority certificate client_hello expression http1_head istio_configuration json_line
    native_configuration pattern proxy_head proxy_header request_target spiffe_id
}

#[cfg(test)]
mod tests;
