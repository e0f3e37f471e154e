//! By which way requests come to a destination: `at`, `ports`, `hop`.

use policy::destination::Action;
use policy::door::Door;

use super::*;

/// The one problem of a destination, written from column 5 of line 4 on.
#[track_caller]
fn wrong(text: &str) -> String {
    problem(&format!("destinations:\n  - {text}\n"))
}

#[test]
fn a_host_has_one_destination_for_each_way_in() {
    let admission = admission(
        "destinations:
  - { host: a.example, at: 'mesh:80', routes: [{ hop: 443 }] }
  - { host: a.example, at: 'gateway:443', ports: any }
  - { host: a.example, ports: 8080 }
",
    );
    let doors: Vec<_> = admission
        .destinations()
        .map(|d| (d.door, d.ports.as_slice()))
        .collect();
    assert_eq!(
        doors,
        [
            (Some(Door::mesh(80)), &[80, 443][..]),
            (Some(Door::gateway(443)), &[]),
            (None, &[8080]),
        ]
    );
    let first = admission.destinations().next().unwrap();
    assert!(matches!(first.routes[0].action, Action::Hop(443)));
}

#[test]
fn two_destinations_of_one_host_and_way_are_refused() {
    let text = "destinations:\n  - { host: a.example, at: 'mesh:80' }\n  - { host: a.example, at: 'mesh:80' }\n";
    assert_eq!(
        problem(text),
        "5:13 error: this host has two destinations: write its routes into the one at etc/egress.yaml:4"
    );
}

#[test]
fn a_way_that_is_none_is_refused() {
    for text in [
        "gateway",
        "mesh",
        "443",
        "'gateway:'",
        "'gateway:0'",
        "'mesh:080'",
        "'Mesh:80'",
        "'mesh:70000'",
    ] {
        let plain = text.trim_matches('\'');
        assert!(
            wrong(&format!("{{ host: a.example, at: {text} }}")).ends_with(&format!(
                "error: `{plain}` is no way in: write such as `gateway:443` or `mesh:80`"
            )),
            "{text}"
        );
    }
    assert_eq!(
        wrong("{ host: a.example, ports: [any, 80] }"),
        "4:32 error: `any` is no number from 1 to 65535: write one"
    );
}

#[test]
fn only_a_sidecars_route_goes_on_at_the_gateway() {
    for at in ["", "at: 'gateway:443', "] {
        let problem = wrong(&format!(
            "{{ host: a.example, {at}routes: [{{ hop: 443 }}] }}"
        ));
        assert!(
            problem.ends_with("error: `hop` goes on at the gateway, as a sidecar's route does: write `at: mesh:PORT` in the destination, or name an upstream"),
            "{problem}"
        );
    }
    assert_eq!(
        wrong(
            "{ host: a.example, at: 'mesh:80', routes: [{ hop: 443, respond: { status: 200 } }] }"
        ),
        "4:48 error: `respond` and `hop` exclude each other: delete one of them"
    );
}

#[test]
fn an_upstream_that_nothing_leads_to_needs_no_name() {
    let text = "destinations: [{ host: 192.0.2.1, at: 'mesh:80', routes: [{ hop: 443 }] }]\n";
    assert_eq!(problems(text), [""; 0]);
    assert!(
        wrong("{ host: 192.0.2.1, at: 'mesh:80', routes: [{ hop: 443, path: /a }, {}] }")
            .contains("is no name a certificate can show")
    );
}
