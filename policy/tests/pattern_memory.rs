//! What an index of a hundred routes costs in memory: ten thousand hosts must
//! fit. `-- --nocapture` prints the numbers.

use policy::pattern::{Case, PathIndex, PathPattern, RegexPool};

const HOSTS: usize = 50;

/// Sixty exact paths, thirty prefixes and ten regular expressions that differ
/// from host to host.
fn routes(host: usize) -> Vec<PathPattern> {
    let exact = (0..60).map(|n| PathPattern::exact(&format!("/api/v1/resource{n}/item{}", n * 7)));
    let prefixes = (0..30).map(|n| PathPattern::prefix(&format!("/files/dir{n}/")));
    let regexes = (0..10).map(|n| PathPattern::regex(&format!("/h{host}-{n}/[0-9]+/[^/]+(/.*)?")));
    exact
        .chain(prefixes)
        .chain(regexes)
        .map(Result::unwrap)
        .collect()
}

#[test]
fn a_hundred_routes_cost_a_few_kibibytes_and_their_regexes_a_few_more() {
    let mut pool = RegexPool::new();
    let indexes: Vec<PathIndex> = (0..HOSTS)
        .map(|host| {
            PathIndex::build(routes(host).iter().zip(0..), Case::Sensitive, &mut pool).unwrap()
        })
        .collect();
    let index =
        indexes.iter().map(PathIndex::memory).sum::<usize>() / HOSTS + size_of::<PathIndex>();
    let automaton = pool.memory() / pool.lists();
    println!("a hundred routes: index {index} bytes, automaton of ten regexes {automaton} bytes");
    assert_eq!(pool.lists(), HOSTS);
    assert!((1024..8 << 10).contains(&index), "{index}");
    assert!((1024..16 << 10).contains(&automaton), "{automaton}");
}
