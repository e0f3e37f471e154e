//! Names of handlers and instances. In full they are `NAME.KIND.NAMESPACE`;
//! rules may leave parts out.

use crate::istio::kind::Kind;
use crate::istio::object::Object;

/// What an action names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Handler,
    Instance,
}

impl What {
    /// The kind that stands for all kinds of its sort, and the word for them.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Handler => Kind::Handler.name(),
            Self::Instance => Kind::Instance.name(),
        }
    }
}

/// The full name of an object.
pub(super) fn full(object: &Object<'_>) -> String {
    format!(
        "{}.{}.{}",
        object.name,
        object.kind.name(),
        object.namespace
    )
}

/// The full names that a reference in a rule of `namespace` may mean, the
/// likeliest first. Of two parts the second is a kind before it is a namespace.
pub(super) fn candidates(reference: &str, what: What, namespace: &str) -> Vec<String> {
    let word = what.word();
    match reference.split('.').collect::<Vec<_>>().as_slice() {
        [name] => vec![format!("{name}.{word}.{namespace}")],
        [name, second] => vec![
            format!("{name}.{second}.{namespace}"),
            format!("{name}.{word}.{second}"),
        ],
        _ => vec![reference.to_owned()],
    }
}

/// The kind that a reference names, where it names one.
pub(super) fn kind(reference: &str) -> Option<&str> {
    reference.split('.').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_left_out_are_those_of_the_rule_and_of_any_kind() {
        for (reference, what, expected) in [
            ("a", What::Handler, &["a.handler.ns"][..]),
            ("a", What::Instance, &["a.instance.ns"]),
            ("a.stdio", What::Handler, &["a.stdio.ns", "a.handler.stdio"]),
            (
                "a.logentry",
                What::Instance,
                &["a.logentry.ns", "a.instance.logentry"],
            ),
            ("a.stdio.other", What::Handler, &["a.stdio.other"]),
            ("a.b.c.d", What::Handler, &["a.b.c.d"]),
        ] {
            assert_eq!(candidates(reference, what, "ns"), expected, "{reference}");
        }
        assert_eq!((kind("a"), kind("a.stdio.ns")), (None, Some("stdio")));
    }
}
