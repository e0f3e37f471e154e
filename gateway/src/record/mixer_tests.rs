use conf::snapshot::{LINE_BYTES, Layout};

use super::super::samples::{Dice, World};
use super::*;

fn form(level: Level, fields: &[(&str, &str)]) -> Form {
    let compile = |(name, text): &(&str, &str)| (Box::from(*name), Expr::cexl(text).unwrap());
    let fields: Arc<[_]> = fields.iter().map(compile).collect();
    let instance: Arc<str> = "egress-access.logentry.istio-system".into();
    let layout = Layout::Mixer {
        instance: Arc::clone(&instance),
        fields: Arc::clone(&fields),
    };
    Form {
        level,
        instance,
        fields,
        room: layout.room().unwrap(),
    }
}

/// The fields of document 004's logentry.
const FIELDS: [(&str, &str); 6] = [
    ("destination", r#"request.host | "unknown""#),
    ("path", r#"request.path | "unknown""#),
    ("reporterUID", r#"context.reporter.uid | "unknown""#),
    ("responseCode", "response.code | 0"),
    ("responseSize", "response.size | 0"),
    ("sourcePrincipal", r#"source.principal | "unknown""#),
];

fn written(record: &Record<'_>, form: &Form) -> String {
    let mut out = Vec::new();
    line(&mut out, record, form);
    String::from_utf8(out).unwrap()
}

fn politics(world: &World) -> Record<'_> {
    Record {
        start_nanos: 1_548_747_804_611_462_000,
        path: Some("/politics".into()),
        reporter_uid: Some("kubernetes://istio-egressgateway-747b6764b8-44rrh.istio-system"),
        ..world.allowed()
    }
}

#[test]
fn writes_the_lines_of_document_004_byte_for_byte() {
    let world = World::new();
    for (level, word) in [(Level::Info, "info"), (Level::Error, "error")] {
        let expected = format!(
            "{}{word}{}{}{}{}",
            r#"{"level":""#,
            r#"","time":"2019-01-29T07:43:24.611462Z","instance":"egress-access.logentry.istio-system","#,
            r#""destination":"edition.cnn.com","path":"/politics","#,
            r#""reporterUID":"kubernetes://istio-egressgateway-747b6764b8-44rrh.istio-system","#,
            r#""responseCode":200,"responseSize":1883355,"sourcePrincipal":"cluster.local/ns/default/sa/sleep"}"#
        );
        assert_eq!(written(&politics(&world), &form(level, &FIELDS)), expected);
    }
}

#[test]
fn values_keep_their_types() {
    let world = World::new();
    let fields = [
        ("a", "connection.mtls"),
        ("b", "request.time"),
        ("c", "response.duration"),
        ("d", "source.ip"),
        ("e", "request.headers"),
        ("f", "request.referer"),
    ];
    let line = written(&politics(&world), &form(Level::Warn, &fields));
    let (_, values) = line.split_once(r#""a":"#).unwrap();
    assert_eq!(
        values,
        concat!(
            r#"true,"b":"2019-01-29T07:43:24.611462Z","c":"264.7ms","d":"10.10.0.21","#,
            r#""e":null,"f":null}"#
        )
    );
}

#[test]
fn any_bytes_give_valid_json_with_exactly_the_fields() {
    let world = World::new();
    let mut dice = Dice::new();
    let form = form(Level::Info, &FIELDS);
    for _ in 0..2_000 {
        let path = String::from_utf8_lossy(&dice.bytes(5_000)).into_owned();
        let record = Record {
            path: Some(path.into()),
            ..politics(&world)
        };
        let line = written(&record, &form);
        let read: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&line).unwrap();
        assert_eq!(read.len(), 3 + FIELDS.len());
        assert_eq!(read["responseCode"], 200);
    }
}

/// As many as Istio's own logs have, and as many as a line may have at all.
#[test]
fn a_hostile_text_is_cut_and_no_field_is_lost() {
    let world = World::new();
    let long = "\n/x".repeat(1_400);
    for many in [30, 100] {
        let names: Vec<String> = (0..many).map(|number| format!("a{number:03}")).collect();
        let theirs = names.iter().map(|name| (&**name, "request.path"));
        let ours = [
            ("large", "1e300"),
            ("responseCode", "response.code"),
            ("sourceIp", "source.ip"),
            ("sourcePrincipal", "source.principal"),
        ];
        let fields: Vec<_> = theirs.chain(ours).collect();
        let record = Record {
            path: Some((&*long).into()),
            ..politics(&world)
        };
        let line = written(&record, &form(Level::Info, &fields));
        assert!(line.len() <= LINE_BYTES, "{}", line.len());
        let read: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&line).unwrap();
        assert_eq!(read.len(), 3 + fields.len());
        assert_eq!(read["responseCode"], 200);
        assert_eq!(read["sourceIp"], "10.10.0.21");
        assert_eq!(read["sourcePrincipal"], "cluster.local/ns/default/sa/sleep");
        assert!(read["a000"].as_str().unwrap().len() > 20, "{line}");
    }
}

/// An honest line is told whole, however many fields it has.
#[test]
fn nothing_is_cut_where_there_is_room() {
    let world = World::new();
    let names: Vec<String> = (0..100).map(|number| format!("a{number:03}")).collect();
    let fields: Vec<_> = names.iter().map(|name| (&**name, "request.path")).collect();
    let line = written(&politics(&world), &form(Level::Info, &fields));
    assert_eq!(line.matches("\"/politics\"").count(), 100, "{line}");
}
