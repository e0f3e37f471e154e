//! What a connection costs in memory that has been used once and is kept.
//!
//! Measured before any load, while the process holds nothing it could reuse.

use integration_tests::raw::{Hello, Raw};

use crate::gateway::Gateway;
use crate::generator::{HOST, TARGET};
use crate::rig::{CALLER, Rig};
use crate::trouble::{Trouble, trying};
use crate::usage::settled_memory;

/// Connections before the first look: what is made once is made by them.
const WARM: usize = 50;
/// Connections whose cost is counted.
const COUNTED: u32 = 500;
/// Requests the gateway is sent by [`kib_per_connection`].
pub(crate) const REQUESTS: usize = WARM + COUNTED as usize;

/// Resident KiB for each idle mutual TLS connection that spoke HTTP/1.1.
pub(crate) fn kib_per_connection(rig: &Rig, gateway: &Gateway) -> Result<f64, Trouble> {
    let mut hello = Hello::of(&rig.pki, CALLER, HOST);
    hello.alpn = vec!["http/1.1"];
    let one = || connect(&hello, gateway);
    let _warm = (0..WARM).map(|_| one()).collect::<Result<Vec<_>, _>>()?;
    let before = settled_memory(gateway.id())?;
    let _counted = (0..COUNTED).map(|_| one()).collect::<Result<Vec<_>, _>>()?;
    let after = settled_memory(gateway.id())?;
    Ok(f64::from(after.saturating_sub(before)) / f64::from(COUNTED))
}

/// A connection that was answered once.
fn connect(hello: &Hello, gateway: &Gateway) -> Result<Raw, Trouble> {
    let name = gateway.kind.name();
    let connected = hello.connect(gateway.address);
    let mut raw = connected.map_err(|e| Trouble::WrongAnswer(format!("{name} refuses us: {e}")))?;
    let request = format!("GET {TARGET} HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
    let answer = trying(name, raw.exchange(&request))?;
    match answer.status() {
        200 => Ok(raw),
        other => Err(Trouble::WrongAnswer(format!(
            "{name} answers {other} on an idle connection"
        ))),
    }
}
