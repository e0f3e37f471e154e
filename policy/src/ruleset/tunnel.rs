//! Rules asked of tunnels. A tunnel has no path, so its rules are not found by
//! one: of a host's clauses those that permit whatever the path are asked, and
//! of those that refuse, all.

use crate::matching::Toward;
use crate::pattern::HostMap;
use crate::tunnel::Tunnel;

use super::group::Group;
use super::{Denial, Found, Grant, RuleId, RuleSet};

impl RuleSet {
    /// As [`RuleSet::decide`], for a tunnel. No authoriser can be asked about
    /// what nobody sees: what would be referred is refused.
    pub(crate) fn decide_tunnel(&self, tunnel: &Tunnel<'_>) -> Result<Grant, Denial> {
        let refused = self.found_for_tunnel(&self.refusing, tunnel, Toward::Refuse);
        let permitted = self.found_for_tunnel(&self.permitting, tunnel, Toward::Permit);
        let grant = self.verdict(&refused, &permitted, true)?;
        let referring = self.referring.as_ref();
        let referring = referring.and_then(|rules| {
            self.found_for_tunnel(rules, tunnel, Toward::Refuse)
                .enforced
        });
        match referring {
            None => Ok(grant),
            Some(rule) => Err(Denial {
                rule: Some(rule),
                marks: grant.marks(),
            }),
        }
    }

    fn found_for_tunnel(
        &self,
        groups: &HostMap<Group>,
        tunnel: &Tunnel<'_>,
        toward: Toward,
    ) -> Found {
        let mut found = Found::default();
        for group in groups.chain(tunnel.host()) {
            for path in 0..group.path_count() {
                group.clauses(path, tunnel.caller().sources(), |clause| {
                    self.ask_clause_of_tunnel(clause, tunnel, toward, &mut found);
                });
            }
        }
        found
    }

    fn ask_clause_of_tunnel(
        &self,
        clause: u32,
        tunnel: &Tunnel<'_>,
        toward: Toward,
        found: &mut Found,
    ) {
        let clause = usize::try_from(clause).ok();
        let Some(clause) = clause.and_then(|c| self.clauses.get(c)) else {
            return;
        };
        let slot = found.slot(clause.verdict);
        let known = slot.is_some_and(|earlier| earlier <= clause.rule);
        if known || !clause.holds_for_tunnel(tunnel, toward) {
            return;
        }
        if clause.excepted && self.tunnel_excepted(clause.rule, tunnel, toward.opposite()) {
            return;
        }
        *slot = Some(clause.rule);
    }

    fn tunnel_excepted(&self, rule: RuleId, tunnel: &Tunnel<'_>, toward: Toward) -> bool {
        self.exceptions
            .get(rule.index())
            .is_some_and(|all| all.iter().any(|e| e.holds_for_tunnel(tunnel, toward)))
    }
}
