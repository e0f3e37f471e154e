//! Istio's own kinds, of every age, made into the same rules, routes and logs
//! as the native format's.
//!
//! Each kind is read in its own file into what it says, then lowered into what
//! `policy` decides by. Semantics are those of the Istio release that knew the
//! kind, but for what the README lists as different on purpose.

mod authorization;
mod kind;
mod mixer;
mod network;
mod object;
mod proto;
mod scope;
mod secret;
mod telemetry;
mod unhonoured;

use std::collections::HashMap;
use std::net::IpAddr;

use policy::authoriser::Authoriser;
use policy::destination::{Destination, Passage, TcpRoute, Upstream};
use policy::origin::Origin;
use policy::pattern::HostPattern;
use policy::rule::{DefaultPolicy, Rule};

use crate::Environment;
use crate::native::{Lowered, mounted_identity};
use crate::node::Node;
use crate::remote::RemoteList;
use crate::report::Report;
use crate::snapshot::{Listener, Log, local_domains};

pub(crate) use object::is_object;

use object::Objects;
use scope::Scope;

/// The namespace of objects that name none, as with kubectl.
const NAMESPACE: &str = "default";

/// Istio's own rule: without a word, what is routed may go, until some policy
/// allows. The native format's is to refuse.
const WITHOUT_A_WORD: DefaultPolicy = DefaultPolicy::Allow;

/// Where the first Gateway among these stands.
pub(crate) fn first_gateway(documents: &[Node]) -> Option<&Origin> {
    let is_gateway =
        |object: &&Node| object.entry("kind").and_then(Node::scalar) == Some("Gateway");
    let gateway = documents.iter().flat_map(object::items).find(is_gateway)?;
    let name = gateway.entry("metadata").and_then(|m| m.entry("name"));
    Some(&name.unwrap_or(gateway).origin)
}

/// What objects say, beside what native documents say.
#[derive(Debug, Default)]
struct Said {
    rules: Vec<Rule>,
    /// Whether what no rule allows is refused: some object allows.
    allows: bool,
    destinations: Vec<Destination>,
    passages: Vec<Passage>,
    tcp: Vec<TcpRoute>,
    upstreams: Vec<Upstream>,
    authorisers: Vec<Authoriser>,
    /// What Gateways listen on; for use where no native document says.
    listeners: Vec<Listener>,
    vips: Vec<(IpAddr, Box<str>)>,
    lists: Vec<RemoteList>,
    /// Nothing where no object speaks of logs.
    logs: Option<Vec<Log>>,
}

/// Reads the objects among a configuration's documents and adds what they say
/// to what native documents say.
pub(crate) fn lower(
    documents: &[Node],
    lowered: &mut Lowered,
    environment: &Environment,
    report: &Report,
) {
    let namespace = environment.namespace.as_deref().unwrap_or(NAMESPACE);
    let objects = Objects::of(documents, namespace, report);
    if objects.is_empty() {
        return;
    }
    let local = local_domains(&lowered.settings.trust);
    let scope = Scope {
        report,
        gateway: &lowered.settings.gateway,
        local: &local,
        deployed: network::deployed(&objects, &lowered.settings.gateway),
        reach: &lowered.defaults.reach,
        profile: lowered.defaults.profile,
        connect_timeout: lowered.defaults.connect_timeout,
        lists: &environment.lists,
        authorisers: &lowered.admission.authorisers,
        listeners: &lowered.settings.listeners,
        has_tunnels: false,
        default_policy: match lowered.is_written {
            true => lowered.admission.default_policy,
            false => WITHOUT_A_WORD,
        },
    };
    unhonoured::refuse(&objects, &scope);
    let mesh = telemetry::mesh_config(&objects, &scope);
    let first = lowered.admission.upstreams.len();
    let providers = authorization::providers(mesh.as_ref(), &objects, &scope, first);
    let first = first.saturating_add(providers.upstreams.len());
    let authorisers = [scope.authorisers, &providers.authorisers].concat();
    let scope = Scope {
        authorisers: &authorisers,
        ..scope
    };
    let network = network::lower(&objects, &scope, scope.listeners, first);
    let native = &lowered.admission;
    let scope = Scope {
        listeners: match scope.listeners {
            [] => &network.listeners,
            written => written,
        },
        has_tunnels: [network.passages.len(), network.tcp.len()] != [0, 0]
            || [native.passages.len(), native.tcp.len()] != [0, 0],
        ..scope
    };
    let authorization = authorization::lower(&objects, &scope);
    let mut said = Said {
        rules: authorization.rules,
        allows: authorization.allows,
        destinations: network.destinations,
        passages: network.passages,
        tcp: network.tcp,
        authorisers: providers.authorisers,
        // In the order in which they were numbered.
        upstreams: [providers.upstreams, network.upstreams].concat(),
        listeners: network.listeners.clone(),
        vips: network.vips,
        ..Said::default()
    };
    said.mixer(mixer::lower(&objects, &scope));
    said.add_logs(telemetry::logs(&objects, mesh.as_ref(), &scope));
    refuse_rivals(&said.destinations, &lowered.admission.destinations, report);
    said.join(lowered);
}

/// A host that both formats speak of would be served by whichever was read
/// first.
fn refuse_rivals(ours: &[Destination], native: &[Destination], report: &Report) {
    let native: HashMap<&HostPattern, &Destination> =
        native.iter().map(|native| (&native.host, native)).collect();
    for destination in ours {
        if let Some(rival) = native.get(&destination.host) {
            let (name, there) = (&destination.name, &rival.origin);
            let message = format!(
                "`{name}` is also a destination of the native format at {there}: delete one of them"
            );
            report.error(&destination.origin, message);
        }
    }
}

impl Said {
    /// Mixer's checks refuse beside whatever else is said, and allow nothing.
    fn mixer(&mut self, mixer: mixer::Lowered) {
        self.rules.extend(mixer.rules);
        self.lists.extend(mixer.lists);
        self.add_logs(mixer.logs);
    }

    /// Logs of Telemetry stand beside those of Mixer.
    fn add_logs(&mut self, logs: Option<Vec<Log>>) {
        if let Some(logs) = logs {
            self.logs.get_or_insert_default().extend(logs);
        }
    }

    /// Adds to what native documents say; where both may say only one thing,
    /// they have the last word.
    fn join(self, lowered: &mut Lowered) {
        let (spec, settings) = (&mut lowered.admission, &mut lowered.settings);
        if !lowered.is_written {
            spec.default_policy = WITHOUT_A_WORD;
        }
        if self.allows {
            spec.default_policy = DefaultPolicy::Deny;
        }
        spec.rules.extend(self.rules);
        lowered.lists.extend(self.lists);
        spec.destinations.extend(self.destinations);
        spec.passages.extend(self.passages);
        spec.tcp.extend(self.tcp);
        spec.upstreams.extend(self.upstreams);
        spec.authorisers.extend(self.authorisers);
        for (address, host) in self.vips {
            // Of several hosts of an address, the first is meant.
            settings.vips.add(address, &host);
        }
        if !lowered.listeners_written {
            settings.listeners = self.listeners;
            // A Gateway's own certificate is the workload's, whatever files its
            // release kept it in.
            if settings.listeners.iter().any(Listener::verifies_callers) {
                settings.identity.get_or_insert_with(mounted_identity);
            }
        }
        if let (false, Some(logs)) = (lowered.logs_written, self.logs) {
            settings.logs = logs;
        }
    }
}
