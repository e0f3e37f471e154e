//! Whether a server has ended TLS by its own word (`close_notify`): the end of the
//! TCP connection alone may be anybody's on the way (RFC 8446, section 6.1).
//!
//! The TLS library takes both for an end, and says which it was only as it reads
//! the alert: then it is noted at the connection.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use boring::error::ErrorStack;
use boring::ex_data::Index;
use boring::ssl::{
    Ssl, SslAlert, SslContextBuilder, SslInfoCallbackMode, SslInfoCallbackValue, SslRef,
};
use pingora_core::protocols::Stream;

/// Where a connection keeps whether the word has come.
fn place() -> Result<Index<Ssl, AtomicBool>, ErrorStack> {
    static PLACE: OnceLock<Index<Ssl, AtomicBool>> = OnceLock::new();
    match PLACE.get() {
        Some(place) => Ok(*place),
        None => Ssl::new_ex_index().map(|place| *PLACE.get_or_init(|| place)),
    }
}

/// Has all connections of a context listen for it.
pub(super) fn listen(context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
    let place = place()?;
    context.set_info_callback(move |ssl: &SslRef, mode, value| {
        if mode == SslInfoCallbackMode::READ_ALERT
            && let SslInfoCallbackValue::Alert(alert) = value
            && alert.alert() == SslAlert::CLOSE_NOTIFY
            && let Some(said) = ssl.ex_data(place)
        {
            said.store(true, Ordering::Relaxed);
        }
    });
    Ok(())
}

/// Makes the place for it at a connection of such a context.
pub(super) fn expect(connection: &mut SslRef) -> Result<(), ErrorStack> {
    connection.set_ex_data(place()?, AtomicBool::new(false));
    Ok(())
}

/// Whether a stream that has ended was within TLS, and the server had not said so.
pub(super) fn is_missing(stream: &Stream) -> bool {
    let said = stream.get_ssl().zip(place().ok());
    let said = said.and_then(|(ssl, place)| ssl.ex_data(place));
    said.is_some_and(|said| !said.load(Ordering::Relaxed))
}
