//! The name servers, of which one that fails or keeps silent is no loss.
//!
//! The library asks a second server only when the first has had all the time there
//! is, and takes a failure of the first one's for an answer. So each is a resolver of
//! its own here, and so is each family: the next is asked when the last has failed,
//! or has kept silent for its share of the time; what comes first counts.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use conf::snapshot::{Dns, Families};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{MAX_ADDRESSES, NEGATIVE_TTL};

/// Once one family has addresses, how long the other is waited for: some servers
/// never answer what they do not know (RFC 8305, section 3, waits for less, but goes
/// on listening).
const OTHER_FAMILY: Duration = Duration::from_millis(250);

/// See the module.
#[derive(Debug)]
pub(super) struct Servers {
    /// Each with a resolver for each family.
    each: Box<[Box<[TokioResolver]>]>,
    /// Which is asked first: not one that kept silent while another answered.
    first: AtomicUsize,
    timeout: Duration,
}

/// Addresses, and until when they may be believed; none: there are none.
pub(super) type Found = (Vec<IpAddr>, Instant);

/// No server has given an answer.
#[derive(Debug)]
struct Unanswered;

impl Servers {
    /// Those of the operator, or of the system where he names none.
    pub(super) fn new(dns: &Dns) -> Result<Self, String> {
        let (servers, options) = if dns.servers.is_empty() {
            let (system, options) = hickory_resolver::system_conf::read_system_conf()
                .map_err(|e| format!("cannot read the system's resolver settings: {e}"))?;
            (system.name_servers().to_vec(), options)
        } else {
            let servers = dns.servers.iter().copied().map(explicit);
            (servers.collect(), ResolverOpts::default())
        };
        let mut each: Vec<_> = servers.into_iter().map(|server| vec![server]).collect();
        if each.is_empty() {
            // There is still the system's file of hosts.
            each.push(Vec::new());
        }
        let each = each.iter().map(|server| {
            let families = strategies(dns.families).iter();
            let families = families.map(|family| resolver(server, &options, dns.timeout, *family));
            families.collect::<Result<Box<[_]>, _>>()
        });
        Ok(Self {
            each: each.collect::<Result<_, _>>()?,
            first: AtomicUsize::new(0),
            timeout: dns.timeout,
        })
    }

    /// The addresses of a name; `None`: nobody knows.
    pub(super) async fn look_up(&self, name: &str) -> Option<Found> {
        let families = self.each.first().map_or(0, |server| server.len());
        let mut first = pin!(self.ask(0, name));
        if families == 1 {
            return join([Some(first.await)]);
        }
        let mut second = pin!(self.ask(1, name));
        join(tokio::select! {
            given = &mut first => {
                let other = briefly(&given, second).await;
                [Some(given), other]
            }
            given = &mut second => {
                let other = briefly(&given, first).await;
                [other, Some(given)]
            }
        })
    }

    /// The addresses of one family.
    async fn ask(&self, family: usize, name: &str) -> Result<Found, Unanswered> {
        let first = self.first.load(Ordering::Relaxed);
        let asked = self.ask_in_turn(first, family, name);
        let (found, by) = timeout(self.timeout, asked)
            .await
            .unwrap_or(Err(Unanswered))?;
        if let Some(by) = by {
            self.first.store(by, Ordering::Relaxed);
        }
        Ok(found)
    }

    /// What comes first; and by whom, if the one that was asked first is still silent.
    async fn ask_in_turn(
        &self,
        first: usize,
        family: usize,
        name: &str,
    ) -> Result<(Found, Option<usize>), Unanswered> {
        let count = self.each.len();
        let share = self.timeout / u32::try_from(count).unwrap_or(u32::MAX).max(1);
        let mut waiting = (0..count).map(|n| (first + n) % count).peekable();
        let mut asked = JoinSet::new();
        let mut silent = true;
        loop {
            if let Some(number) = waiting.next()
                && let Some(resolver) = self.each.get(number).and_then(|of| of.get(family))
            {
                // The final dot keeps the search list out (ndots cannot add to it).
                let (resolver, name) = (resolver.clone(), format!("{name}."));
                asked.spawn(async move { (number, resolver.lookup_ip(name).await) });
            }
            let (number, answer) = tokio::select! {
                ended = asked.join_next() => match ended {
                    Some(Ok(ended)) => ended,
                    Some(Err(_)) => continue,
                    None => return Err(Unanswered),
                },
                () = sleep(share), if waiting.peek().is_some() => continue,
            };
            silent &= number != first;
            let found = match answer {
                Ok(found) => (
                    found.iter().take(MAX_ADDRESSES).collect(),
                    found.valid_until(),
                ),
                Err(error) if error.is_no_records_found() => (Vec::new(), Instant::now()),
                Err(_) => continue,
            };
            return Ok((found, silent.then_some(number)));
        }
    }
}

/// What the other family gives, for which there is little time once one has addresses.
async fn briefly(
    given: &Result<Found, Unanswered>,
    other: impl Future<Output = Result<Found, Unanswered>>,
) -> Option<Result<Found, Unanswered>> {
    match given {
        Ok((addresses, _)) if !addresses.is_empty() => timeout(OTHER_FAMILY, other).await.ok(),
        _ => Some(other.await),
    }
}

/// The addresses of all families, in their order. What has not been answered is asked
/// again soon.
fn join<const N: usize>(given: [Option<Result<Found, Unanswered>>; N]) -> Option<Found> {
    let now = Instant::now();
    let (mut all, mut until, mut is_whole) = (Vec::new(), None::<Instant>, true);
    for family in given {
        let Some(Ok((addresses, fresh_until))) = family else {
            is_whole = false;
            continue;
        };
        if !addresses.is_empty() {
            until = Some(until.map_or(fresh_until, |until| until.min(fresh_until)));
            all.extend(addresses);
        }
    }
    let until = until.unwrap_or(now);
    match (is_whole, all.is_empty()) {
        (true, _) => Some((all, until)),
        (false, false) => Some((all, until.min(now + NEGATIVE_TTL))),
        (false, true) => None,
    }
}

fn strategies(families: Families) -> &'static [LookupIpStrategy] {
    const V4: LookupIpStrategy = LookupIpStrategy::Ipv4Only;
    const V6: LookupIpStrategy = LookupIpStrategy::Ipv6Only;
    match families {
        Families::Both => &[V4, V6],
        Families::V4 => &[V4],
        Families::V6 => &[V6],
    }
}

/// One server, asked for one family.
fn resolver(
    server: &[NameServerConfig],
    options: &ResolverOpts,
    timeout: Duration,
    family: LookupIpStrategy,
) -> Result<TokioResolver, String> {
    let config = ResolverConfig::from_parts(None, Vec::new(), server.to_vec());
    let mut options = options.clone();
    options.timeout = timeout;
    options.attempts = 2;
    options.cache_size = 0;
    options.num_concurrent_reqs = 1;
    options.ip_strategy = family;
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options)
        .build()
        .map_err(|error| format!("cannot set up the resolver: {error}"))
}

fn explicit(server: SocketAddr) -> NameServerConfig {
    let mut config = NameServerConfig::udp_and_tcp(server.ip());
    for connection in &mut config.connections {
        connection.port = server.port();
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(addresses: &[&str], seconds: u64) -> Option<Result<Found, Unanswered>> {
        let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
        Some(Ok((
            addresses,
            Instant::now() + Duration::from_secs(seconds),
        )))
    }

    #[test]
    fn half_an_answer_is_believed_for_a_moment_and_none_is_no_answer() {
        let soon = Instant::now() + NEGATIVE_TTL + Duration::from_secs(1);
        let (whole, until) =
            join([found(&["192.0.2.1"], 60), found(&["2001:db8::1"], 90)]).unwrap();
        assert!(whole.len() == 2 && whole[0].is_ipv4() && until > soon);
        let (_, until) = join([found(&["192.0.2.1"], 60), found(&[], 0)]).unwrap();
        assert!(until > soon);
        for other in [None, Some(Err(Unanswered))] {
            let (half, until) = join([other, found(&["2001:db8::1"], 60)]).unwrap();
            assert!(half.len() == 1 && until < soon);
        }
        assert!(join([found(&[], 0), found(&[], 0)]).unwrap().0.is_empty());
        assert!(join([found(&[], 0), None]).is_none());
    }
}
