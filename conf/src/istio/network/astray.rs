//! Routes that lead nowhere, and what an operator can do about it.

/// Why a route leads nowhere.
#[derive(Debug)]
pub(super) enum Astray {
    /// No object declares the host.
    Undeclared,
    /// The host has no such port.
    NoPort(u16),
    /// Several ports, and no word which.
    WhichPort,
    /// The port carries no HTTP.
    NotHttp(u16),
    /// The rule has no such subset.
    NoSubset,
    /// The subset has no endpoint.
    NoEndpoint,
}

impl Astray {
    /// In words, and what to write.
    pub(super) fn reason(&self, host: &str) -> String {
        match self {
            Self::Undeclared => {
                format!("no object declares `{host}`: write a ServiceEntry")
            }
            Self::NoPort(port) => {
                format!(
                    "`{host}` is declared without port {port}: write the port in its ServiceEntry"
                )
            }
            Self::WhichPort => {
                format!("`{host}` has several ports: write `port: {{ number: … }}`")
            }
            Self::NotHttp(port) => {
                format!(
                    "port {port} of `{host}` is declared as no HTTP: write `protocol: HTTP` or `HTTPS`"
                )
            }
            Self::NoEndpoint => {
                format!(
                    "no endpoint of `{host}` has the labels that are asked: write an endpoint with them in its ServiceEntry"
                )
            }
            Self::NoSubset => {
                format!(
                    "no DestinationRule of `{host}` has this subset: write it, or delete `subset`"
                )
            }
        }
    }
}
