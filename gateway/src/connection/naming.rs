//! What a caller has looked up by the names he writes.

use policy::refusal::Refusal;

use super::Connection;

impl Connection {
    /// Counts a host that a wildcard admits among those the caller asks for.
    pub(crate) fn count_name(&self, host: &str) -> Result<(), Refusal> {
        let (principal, source) = (self.principal.as_ref(), self.remote.ip());
        let wildcards = &self.gateway.wildcards;
        let names = self.names.get_or_init(|| wildcards.of(principal, source));
        names.admit(host, self.limits.wildcard_names)
    }
}
