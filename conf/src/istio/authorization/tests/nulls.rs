//! What a template has rendered empty: `null` where a restriction was meant.

use super::*;

/// Where a key without a value stands, of all that is told.
fn without_value(objects: &str) -> Vec<String> {
    let all = problems(objects).into_iter();
    all.filter(|told| told.contains("has no value")).collect()
}

#[test]
fn a_restriction_without_a_value_is_an_error_and_not_for_everybody() {
    for (spec, key) in [
        (
            "rules: [{ from: [{ source: { principals: } }] }]",
            "principals",
        ),
        (
            "rules: [{ from: [{ source: { namespaces: [a], not_principals: null } }] }]",
            "not_principals",
        ),
        ("rules: [{ to: [{ operation: { paths: ~ } }] }]", "paths"),
        (
            "rules: [{ to: [{ operation: { methods: [GET], hosts: } }] }]",
            "hosts",
        ),
        (
            "rules: [{ from: , to: [{ operation: { paths: [/a] } }] }]",
            "from",
        ),
        ("rules: [{ when: }]", "when"),
        (
            "rules: [{ when: [{ key: source.ip, values: , notValues: [10.0.0.1] }] }]",
            "values",
        ),
        ("selector: { matchLabels: }\nrules: [{}]", "matchLabels"),
        ("targetRefs:\nrules: [{}]", "targetRefs"),
        ("action:\nrules: [{}]", "action"),
    ] {
        let told = without_value(&policy(spec));
        let expected = format!("error: `{key}` has no value: write one, or delete the key");
        assert!(
            matches!(&*told, [only] if only.ends_with(&expected)),
            "{spec}: {told:?}"
        );
    }
}

#[test]
fn a_role_and_a_subject_without_values_are_errors() {
    let rbac = |rule: &str, subject: &str| {
        format!(
            "apiVersion: rbac.istio.io/v1alpha1
kind: ServiceRole
metadata: {{ name: r, namespace: istio-system }}
spec: {{ rules: [{{ services: ['*'], {rule} }}] }}
---
apiVersion: rbac.istio.io/v1alpha1
kind: ServiceRoleBinding
metadata: {{ name: b, namespace: istio-system }}
spec: {{ subjects: [{{ {subject} }}], roleRef: {{ kind: ServiceRole, name: r }} }}
---
apiVersion: rbac.istio.io/v1alpha1
kind: ClusterRbacConfig
metadata: {{ name: default, namespace: istio-system }}
spec: {{ mode: ON }}
"
        )
    };
    for (rule, subject, expected) in [
        (
            "methods: [GET]",
            "user: ",
            "error: `user` has no value: write one, or delete the key",
        ),
        (
            "methods: [GET]",
            "properties: ",
            "error: `properties` has no value: write one, or delete the key",
        ),
        (
            "methods: [GET]",
            "properties: {}",
            "error: no `properties` are anybody's: write one, or delete the key",
        ),
        (
            "constraints: ",
            "user: cluster.local/ns/default/sa/sleep",
            "error: `constraints` has no value: write one, or delete the key",
        ),
    ] {
        let told = problems(&rbac(rule, subject));
        assert!(told.iter().any(|told| told.ends_with(expected)), "{told:?}");
    }
}
