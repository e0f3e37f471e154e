//! The spine of what passes through untouched: canonicalise → decide → route,
//! or, where the port says it all, route → decide.

use crate::destination::{Carries, Passage, TcpLead, TcpRoute};
use crate::door::Door;
use crate::refusal::Refusal;
use crate::ruleset::{Grant, Marks};
use crate::tunnel::{
    AdmittedTunnel, PassageId, RawTunnel, RefusedTunnel, To, Tunnel, TunnelPlan, Way,
};

use super::Admission;

/// Where a tunnel goes if it is allowed.
type Lead = (Way, Carries, crate::destination::UpstreamRef);

impl Admission {
    /// As [`Admission::admit`], for what is to pass through untouched.
    ///
    /// # Errors
    /// A server name or an authority that is no host, what policy refuses, what
    /// no passage serves, in this order. A port that leads nowhere has no host
    /// to ask policy about.
    #[expect(
        clippy::result_large_err,
        reason = "both outcomes carry the tunnel, and neither is rare enough to box"
    )]
    pub fn admit_tunnel<'a>(
        &self,
        raw: RawTunnel<'a>,
        lot: u32,
    ) -> Result<AdmittedTunnel<'a>, RefusedTunnel<'a>> {
        let (tunnel, lead) = self.tunnel(raw, lot).map_err(|refusal| RefusedTunnel {
            refusal,
            tunnel: None,
            rule: None,
            marks: Marks::default(),
        })?;
        let grant = match self.rules.decide_tunnel(&tunnel) {
            Ok(grant) => grant,
            Err(denial) => {
                return Err(RefusedTunnel {
                    refusal: denial.refusal(),
                    tunnel: Some(tunnel),
                    rule: denial.rule,
                    marks: denial.marks,
                });
            }
        };
        match lead {
            Ok(lead) => {
                let plan = plan(grant, lead);
                Ok(AdmittedTunnel { tunnel, plan })
            }
            Err(refusal) => Err(RefusedTunnel {
                refusal,
                tunnel: Some(tunnel),
                rule: grant.rule(),
                marks: grant.marks(),
            }),
        }
    }

    /// The tunnel with its host, and where it leads.
    fn tunnel<'a>(
        &self,
        raw: RawTunnel<'a>,
        lot: u32,
    ) -> Result<(Tunnel<'a>, Result<Lead, Refusal>), Refusal> {
        match raw.to {
            To::ServerName(sent) => {
                let tunnel = Tunnel::canonicalise(raw, sent)?;
                let lead = self.routing.lead_by_name(&tunnel, lot);
                // What leads here has shown its name already.
                let lead = lead.map(|(way, upstream)| (way, Carries::Bytes, upstream));
                Ok((tunnel, lead))
            }
            To::Authority(sent) => {
                let tunnel = Tunnel::asked_for(raw, sent)?;
                let lead = self.routing.lead_by_authority(&tunnel, lot);
                Ok((tunnel, lead))
            }
            To::Port { .. } => {
                let (way, lead) = self.lead_by_port(raw, lot).ok_or(Refusal::UnknownPassage)?;
                let tunnel = Tunnel::leading(raw, lead);
                Ok((tunnel, Ok((way, lead.carries, lead.upstream))))
            }
        }
    }

    fn lead_by_port(&self, raw: RawTunnel<'_>, lot: u32) -> Option<(Way, &TcpLead)> {
        let To::Port { server_name } = raw.to else {
            return None;
        };
        self.routing
            .lead_by_port(raw.door(), server_name, raw.caller, lot)
    }

    /// Whether a connection to a port that carries bytes goes by the port. Where
    /// that leads nowhere and server names do, these are asked.
    #[must_use]
    pub fn goes_by_port(&self, raw: RawTunnel<'_>) -> bool {
        self.lead_by_port(raw, 0).is_some() || !self.routing.has_passages(raw.door())
    }

    /// Whether what CONNECT asks for is led by a TCP route, so that it need not be
    /// looked at to be known.
    #[must_use]
    pub fn goes_by_authority(&self, raw: RawTunnel<'_>) -> bool {
        let To::Authority(sent) = raw.to else {
            return false;
        };
        let tunnel = Tunnel::asked_for(raw, sent).ok();
        tunnel.is_some_and(|tunnel| self.routing.is_led_by_tcp(&tunnel))
    }

    /// Where TLS passes through to.
    #[must_use]
    pub fn passages(&self) -> &[Passage] {
        self.routing.passages()
    }

    /// Where ports lead, in order.
    #[must_use]
    pub fn tcp_routes(&self) -> &[TcpRoute] {
        self.routing.tcp()
    }

    /// The passage for a canonical host behind a door.
    #[must_use]
    pub fn find_passage(&self, host: &str, door: Door) -> Option<&Passage> {
        self.passage(self.routing.find_passage(host, door)?)
    }

    fn passage(&self, id: PassageId) -> Option<&Passage> {
        self.passages().get(usize::try_from(id.0).ok()?)
    }

    /// The name of the passage or host of a plan of this snapshot, for records.
    #[must_use]
    pub fn tunnel_destination(&self, plan: &TunnelPlan) -> Option<&str> {
        match plan.way {
            Way::Passage(id) => Some(&*self.passage(id)?.name),
            Way::Tcp { route, lead } => {
                let route = self.tcp_routes().get(usize::try_from(route).ok()?)?;
                Some(&*route.leads.get(usize::try_from(lead).ok()?)?.host)
            }
        }
    }
}

fn plan(grant: Grant, (way, carries, upstream): Lead) -> TunnelPlan {
    TunnelPlan {
        grant,
        way,
        carries,
        upstream,
    }
}
