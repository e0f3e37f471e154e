//! The bench on which the gateway is tried with real parts: Envoy as sidecars,
//! nginx and a recording server as external hosts, curl as the application,
//! and certificate authorities for all of them.
//!
//! Nothing here knows the gateway's code; it knows its command line, its
//! configuration, its streams and the wire. What goes wrong in the bench itself
//! panics with a sentence: the test that needed it fails.

pub mod authoriser;
mod bootstrap;
pub mod client;
pub mod dns;
pub mod egress_access;
pub mod egret;
pub mod grpc;
pub mod hello;
pub mod http2;
pub mod istio;
pub mod jsonl;
pub mod leaf;
mod lines;
pub mod load;
pub mod mesh;
pub mod message;
pub mod origin;
pub mod peers;
pub mod pki;
pub mod postgres;
pub mod process;
pub mod raw;
pub mod record;
pub mod recorder;
pub mod reply;
pub mod sidecar;
pub mod tinyproxy;
pub mod wait;
pub mod websocket;
