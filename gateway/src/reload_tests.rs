use super::*;
use notify::event::{CreateKind, DataChange, MetadataKind, RenameMode};

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
