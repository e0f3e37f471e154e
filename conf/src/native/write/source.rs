//! `from`.

use policy::origin::Origin;
use policy::source::{NamePattern, SourcePattern};

use super::Writer;
use crate::yaml::emit::{Map, Out};

impl Writer<'_> {
    /// Each source in its shortest spelling. A workload of our own trust domain
    /// that stands there under each of its names is written as one.
    pub(super) fn sources(&self, sources: &[SourcePattern], origin: &Origin) -> Vec<Out> {
        let mut out = Vec::new();
        let mut rest = sources;
        while let [source, others @ ..] = rest {
            match self.local(source) {
                Some((text, meant)) if rest.starts_with(&meant) => {
                    out.push(Out::Word(text));
                    rest = rest.get(meant.len()..).unwrap_or_default();
                }
                _ => {
                    out.push(self.source(source, origin));
                    rest = others;
                }
            }
        }
        out
    }

    /// The spelling of a workload of our own trust domain, and all that it means.
    fn local(&self, source: &SourcePattern) -> Option<(String, Vec<SourcePattern>)> {
        let SourcePattern::Workload {
            namespace,
            service_account,
            ..
        } = source
        else {
            return None;
        };
        let text = match (namespace, service_account) {
            (NamePattern::Any, NamePattern::Any) => return None,
            (namespace, NamePattern::Any) => format!("ns:{namespace}"),
            (namespace, account) => format!("sa:{namespace}/{account}"),
        };
        let meant = SourcePattern::parse(&text, &self.local).ok()?;
        Some((text, meant))
    }

    fn source(&self, source: &SourcePattern, origin: &Origin) -> Out {
        let text = match source {
            SourcePattern::Any => "any".to_owned(),
            SourcePattern::Anonymous => "anonymous".to_owned(),
            SourcePattern::Name(name) => format!("name:{name}"),
            SourcePattern::Address(range) => format!("ip:{range}"),
            SourcePattern::Workload {
                trust_domain,
                namespace: NamePattern::Any,
                service_account: NamePattern::Any,
            } => format!("td:{trust_domain}"),
            SourcePattern::Workload {
                trust_domain,
                namespace,
                service_account: NamePattern::Any,
            } => format!("{trust_domain}/ns/{namespace}/*"),
            SourcePattern::Workload {
                trust_domain,
                namespace,
                service_account,
            } => format!("{trust_domain}/ns/{namespace}/sa/{service_account}"),
        };
        let read = SourcePattern::parse(&text, &self.local);
        if read.is_ok_and(|read| read.as_slice() == std::slice::from_ref(source)) {
            return Out::Word(text);
        }
        let SourcePattern::Workload {
            trust_domain,
            namespace,
            service_account,
        } = source
        else {
            self.unsayable(origin, &format!("the source `{text}`"));
            return Out::Word(text);
        };
        let mut map = Map::inline();
        let parts = [
            ("domain", trust_domain),
            ("namespace", namespace),
            ("account", service_account),
        ];
        for (key, part) in parts {
            let text = part.to_string();
            if NamePattern::parse(&text) != *part {
                self.unsayable(origin, &format!("the name `{text}`"));
            }
            map.put(key, Out::Text(text));
        }
        Out::Map(map)
    }
}
