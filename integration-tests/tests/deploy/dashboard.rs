//! The dashboard: it asks for what the gateway counts, and shows all of it.

use std::collections::BTreeSet;

use crate::read;

/// Words of a query that look like names of series.
fn series(query: &str) -> impl Iterator<Item = &str> {
    let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| {
        ["egret_", "istio_", "process_"]
            .iter()
            .any(|prefix| word.starts_with(prefix))
    })
}

#[test]
fn the_dashboard_asks_for_series_and_labels_the_gateway_has() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("deploy/dashboards/egret.json")).unwrap();
    let (golden, render) = (
        read("gateway/src/metrics/exposition.golden"),
        read("gateway/src/metrics/render.rs"),
    );
    let known: BTreeSet<_> = golden
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .flat_map(|(name, kind)| match kind {
            "histogram" => ["_bucket", "_sum", "_count"]
                .map(|suffix| format!("{name}{suffix}"))
                .to_vec(),
            _ => vec![name.to_owned()],
        })
        .collect();
    let label_is_known = |label: &str| {
        let given =
            golden.contains(&format!("{label}=\"")) || render.contains(&format!("(\"{label}\""));
        given || label == "instance"
    };
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let targets = panel["targets"].as_array().into_iter().flatten();
        queries.extend(targets.map(|target| target["expr"].as_str().unwrap().to_owned()));
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
    queries
        .extend(variables.filter_map(|variable| Some(variable["definition"].as_str()?.to_owned())));
    assert!(queries.len() > 20);
    let mut asked = BTreeSet::new();
    for query in &queries {
        for name in series(query) {
            assert!(
                known.contains(name),
                "`{name}` is no series of the gateway: {query}"
            );
            asked.insert(name.to_owned());
        }
        let grouped = query
            .split("by (")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        let matched = query
            .split(['{', ','])
            .filter_map(|part| part.split_once('='))
            .map(|(label, _)| label);
        let matched = matched
            .map(|label| label.trim_end_matches('!'))
            .filter(|label| !label.contains([' ', '(']));
        for label in grouped.flat_map(|list| list.split(", ")).chain(matched) {
            assert!(
                label_is_known(label),
                "`{label}` is no label of the gateway: {query}"
            );
        }
    }
    let own: Vec<_> = known
        .iter()
        .filter(|name| name.starts_with("egret_") && !asked.contains(*name))
        .collect();
    assert!(own.is_empty(), "shown nowhere: {own:?}");
}
