use std::os::unix::fs::PermissionsExt;

use super::*;

fn opened(path: &Path, rotate: Option<Rotate>) -> Outlet {
    Outlet::open(&Sink::File {
        path: path.to_owned(),
        rotate,
    })
    .unwrap()
}

fn write_all(outlet: &mut Outlet, page: &[u8]) {
    let mut progress = Progress::new(page);
    while !progress.rest().is_empty() {
        let written = outlet.write(&progress).unwrap();
        progress.advance(written);
    }
}

fn content(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn creates_a_file_that_others_cannot_read_and_appends_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    write_all(&mut opened(&path, None), b"one\n");
    write_all(&mut opened(&path, None), b"two\n");
    assert_eq!(content(&path), "one\ntwo\n");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o137, 0, "{mode:o}");
}

#[test]
fn rotates_between_lines_and_keeps_as_many_as_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let mut outlet = opened(&path, Some(Rotate { size: 10, keep: 2 }));
    write_all(&mut outlet, b"1111\n2222\n3333\n4444\n5555\n6666\n7777\n");
    write_all(&mut outlet, b"8888\n9999\n");
    assert_eq!(content(&path), "9999\n");
    assert_eq!(content(&dir.path().join("access.log.1")), "7777\n8888\n");
    assert_eq!(content(&dir.path().join("access.log.2")), "5555\n6666\n");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
}

#[test]
fn counts_what_the_file_already_holds() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    fs::write(&path, "before\n").unwrap();
    write_all(
        &mut opened(&path, Some(Rotate { size: 10, keep: 1 })),
        b"after\n",
    );
    assert_eq!(content(&path), "after\n");
    assert_eq!(content(&dir.path().join("access.log.1")), "before\n");
}

#[test]
fn a_line_larger_than_a_file_gets_one_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let mut outlet = opened(&path, Some(Rotate { size: 4, keep: 9 }));
    write_all(&mut outlet, b"a\nlonger than four\nb\n");
    assert_eq!(content(&path), "b\n");
    assert_eq!(
        content(&dir.path().join("access.log.1")),
        "longer than four\n"
    );
    assert_eq!(content(&dir.path().join("access.log.2")), "a\n");
}

#[test]
fn finishes_a_torn_line_before_it_rotates() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let mut outlet = opened(&path, Some(Rotate { size: 4, keep: 1 }));
    let mut progress = Progress::new(b"abcdef\nnext\n");
    progress.advance(3);
    let written = outlet.write(&progress).unwrap();
    assert_eq!(written, 4);
    progress.advance(written);
    outlet.write(&progress).unwrap();
    assert_eq!(content(&path), "next\n");
    assert_eq!(content(&dir.path().join("access.log.1")), "def\n");
}

#[test]
fn goes_on_in_the_same_file_when_it_cannot_rotate() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    // A directory stands where the rotated file should go.
    fs::create_dir_all(dir.path().join("access.log.1/x")).unwrap();
    let mut outlet = opened(&path, Some(Rotate { size: 4, keep: 1 }));
    write_all(&mut outlet, b"one\ntwo\nthree\n");
    assert_eq!(content(&path), "one\ntwo\nthree\n");
}

#[test]
fn opens_a_new_file_when_the_old_one_was_moved_away() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let moved = dir.path().join("moved.log");
    let mut outlet = opened(&path, None);
    write_all(&mut outlet, b"one\n");
    fs::rename(&path, &moved).unwrap();
    write_all(&mut outlet, b"two\n");
    outlet.reopen().unwrap();
    write_all(&mut outlet, b"three\n");
    assert_eq!(
        (content(&moved), content(&path)),
        ("one\ntwo\n".into(), "three\n".into())
    );
}

#[test]
fn keeps_the_old_file_when_a_new_one_cannot_be_opened() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("logs");
    fs::create_dir(&inner).unwrap();
    let mut outlet = opened(&inner.join("access.log"), None);
    let moved = dir.path().join("moved");
    fs::rename(&inner, &moved).unwrap();
    assert!(outlet.reopen().is_err());
    write_all(&mut outlet, b"not lost\n");
    assert_eq!(content(&moved.join("access.log")), "not lost\n");
}
