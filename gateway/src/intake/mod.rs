//! From bytes to a request that may be judged: framing, and nothing else.
//!
//! Stricter than Pingora's parser, which repairs what it can. What is not
//! plainly one request is refused here, before any rule is asked, and recorded.

mod budget;
pub(crate) mod chunks;
pub(crate) mod fields;
mod frames;
pub(crate) mod head;
pub(crate) mod proxy;
pub(crate) mod streams;
