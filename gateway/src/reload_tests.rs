use std::future::poll_fn;
use std::pin::pin;

use conf::Environment;
use notify::event::{CreateKind, DataChange, MetadataKind, RenameMode};

use super::*;
use crate::record::Sinks;

/// A gateway that may not watch folders (inotify has no instance left for its
/// user) looks at its files, and no oftener than one that may.
#[tokio::test]
async fn without_a_watcher_it_looks_now_and_then() {
    let text = "version: 1\nlisteners: [{ port: 443, mode: plaintext }]\nlogs: off\n";
    let files = [SourceFile::new("egress.yaml", text)];
    let snapshot = conf::compile(&files, &Environment::default()).unwrap();
    let sinks = Arc::new(Sinks::new());
    let live = Live::load(snapshot, &sinks).unwrap();
    let gateway = Arc::new(Gateway::new(live, sinks, 1));
    let source = Source::default();
    let mut reloader = Reloader::new(gateway, source, Watched::default(), Arc::default());
    reloader.watcher = None;
    (_, reloader.changes) = mpsc::channel(1);
    let (_ask, asked) = mpsc::channel(1);
    let mut running = pin!(reloader.run(asked));
    let mut polled = 0;
    let counted = poll_fn(|cx| {
        polled += 1;
        running.as_mut().poll(cx)
    });
    assert!(timeout(2 * GLANCE, counted).await.is_err());
    assert!((2..50).contains(&polled), "polled {polled} times");
}

#[test]
fn a_line_of_a_log_in_the_same_folder_is_no_change() {
    let names = Names::from(["egress.yaml".into(), "..data".into()]);
    let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
    let touched = EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any));
    let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::To));
    for (kind, path, expected) in [
        (written, "./egress.yaml", true),
        (touched, "/etc/egret/egress.yaml", true),
        (written, "/etc/egret/access.log", false),
        (touched, "/etc/egret/access.log", false),
        (renamed, "/etc/egret/..data", true),
        (
            EventKind::Create(CreateKind::File),
            "/etc/egret/new.yaml",
            true,
        ),
    ] {
        let event = Event::new(kind).add_path(path.into());
        assert_eq!(may_concern(&event, &names), expected, "{kind:?} {path}");
    }
}
