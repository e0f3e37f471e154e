//! Origins that mean harm: what the caller gets, what the record says, and that
//! nobody else notices. (Origins that are merely slow or gone are in `timeouts`,
//! those that prove nothing in `upstream_tls`.)

mod bench;
mod http1;
mod http2;
mod origin;
mod tls;
