//! The binary and its process: what an attacker who found a flaw would not find.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;

use integration_tests::egret::{Beside, Egret};
use integration_tests::mesh::Mesh;
use integration_tests::peers;
use integration_tests::wait::until;
use object::Endianness;
use object::elf;
use object::read::elf::{Dyn, ElfFile64, FileHeader, ProgramHeader};

/// Listens, and lets nothing leave.
const IDLE: &str = "
version: 1
listeners: [{ port: 443, bind: '127.0.0.1:0', mode: plaintext }]
admin: { bind: '127.0.0.1:0' }
";

type Elf<'data> = ElfFile64<'data, Endianness>;

/// Looks at the built program.
fn on_the_binary<T>(look: impl FnOnce(&Elf<'_>) -> T) -> T {
    let bytes = fs::read(peers::egret()).unwrap();
    look(&ElfFile64::parse(&*bytes).unwrap())
}

/// Kind and flags of every segment.
fn segments(elf: &Elf<'_>) -> Vec<(elf::ProgramType, u32)> {
    let endian = elf.endian();
    let headers = elf.elf_program_headers().iter();
    headers
        .map(|h| (h.p_type(endian), h.p_flags(endian).0))
        .collect()
}

/// The dynamic section.
fn dynamic(elf: &Elf<'_>) -> Vec<(elf::DynamicTag, u64)> {
    let endian = elf.endian();
    let headers = elf.elf_program_headers().iter();
    let mut found = headers.filter_map(|h| h.dynamic(endian, elf.data()).unwrap());
    let entries = found.next().expect("it is linked dynamically");
    let pair = |entry: &elf::Dyn64<_>| (entry.d_tag(endian), entry.d_val(endian));
    entries.iter().map(pair).collect()
}

fn flags(elf: &Elf<'_>) -> elf::DynamicFlags1 {
    let mut entries = dynamic(elf).into_iter();
    let found = entries.find(|(tag, _)| *tag == elf::DT_FLAGS_1);
    let (_, flags) = found.expect("DT_FLAGS_1");
    elf::DynamicFlags1(flags)
}

/// The process's limits and its mappings, as the system tells them.
fn told(egret: &Egret, file: &str) -> std::io::Result<String> {
    fs::read_to_string(format!("/proc/{}/{file}", egret.id()))
}

#[test]
fn the_program_stands_at_another_address_each_time() {
    on_the_binary(|elf| {
        let header = elf.elf_header();
        assert_eq!(header.e_type(elf.endian()), elf::ET_DYN);
        assert!(flags(elf).contains(elf::DF_1_PIE));
    });
}

#[test]
fn what_the_loader_wrote_nobody_writes_again() {
    on_the_binary(|elf| {
        let kinds: Vec<_> = segments(elf).into_iter().map(|(kind, _)| kind).collect();
        assert!(kinds.contains(&elf::PT_GNU_RELRO), "{kinds:x?}");
        assert!(
            flags(elf).contains(elf::DF_1_NOW),
            "functions are bound late: the table of their addresses stays writable"
        );
    });
}

#[test]
fn no_segment_is_written_and_executed() {
    on_the_binary(|elf| {
        let segments = segments(elf);
        let both = (elf::PF_W | elf::PF_X).0;
        let bad: Vec<_> = segments.iter().filter(|(_, f)| f & both == both).collect();
        assert!(bad.is_empty(), "{bad:x?}");
        let stack = segments.iter().find(|(kind, _)| *kind == elf::PT_GNU_STACK);
        let (_, flags) = stack.expect("without PT_GNU_STACK the stack is executable");
        assert_eq!(flags & elf::PF_X.0, 0, "the stack is executable");
        let code = segments
            .iter()
            .any(|(kind, f)| *kind == elf::PT_LOAD && f & elf::PF_X.0 != 0);
        assert!(code, "no segment is code: were the flags read at all?");
    });
}

#[test]
fn libraries_are_found_where_the_system_keeps_them_and_nowhere_else() {
    on_the_binary(|elf| {
        let paths = [elf::DT_RPATH, elf::DT_RUNPATH];
        let named = dynamic(elf)
            .into_iter()
            .any(|(tag, _)| paths.contains(&tag));
        assert!(!named, "the binary names folders to load libraries from");
    });
}

#[test]
fn a_crash_leaves_no_core_file() {
    let egret = Egret::start(IDLE);
    let limits = told(&egret, "limits").unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<_> = core.expect("the limit").split_whitespace().collect();
    assert_eq!(words.get(4..6), Some(&["0", "0"][..]), "{words:?}");
}

/// Started by a shell that allows it so many files.
fn allowed(files: &str) -> Egret {
    let through = ["sh", "-c", &format!("ulimit {files}; exec \"$0\" \"$@\"")];
    let beside = Beside {
        through: through.map(Into::into).into(),
        ..Beside::default()
    };
    Egret::start_beside(IDLE, &beside)
}

#[test]
fn as_many_files_may_be_open_as_the_system_allows() {
    let egret = allowed("-Sn 64");
    let limits = told(&egret, "limits").unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let words: Vec<_> = files.expect("the limit").split_whitespace().collect();
    assert_eq!(words[3], words[4], "{words:?}");
    assert_ne!(words[3], "64");
    let egret = allowed("-n 400");
    until("too few are told", || {
        let told = |line: &String| line.contains("may open 400 files") && line.contains("to 72");
        egret.diagnostics().iter().any(told).then_some(())
    });
}

/// To root, whom nothing stops, the mappings are told; to the gateway's own user
/// they are not, which is the promise.
#[test]
fn no_memory_of_the_running_process_is_written_and_executed_or_open_to_its_own_user() {
    let egret = Egret::start(IDLE);
    let maps = match told(&egret, "maps") {
        Err(error) => return assert_eq!(error.kind(), ErrorKind::PermissionDenied),
        Ok(maps) => maps,
    };
    let rights: Vec<_> = maps
        .lines()
        .filter_map(|l| l.split_whitespace().nth(1))
        .collect();
    assert!(rights.iter().any(|r| r.contains('x')), "{maps}");
    let both: Vec<_> = maps
        .lines()
        .filter(|line| {
            let rights = line.split_whitespace().nth(1).unwrap_or_default();
            rights.contains('w') && rights.contains('x')
        })
        .collect();
    assert!(both.is_empty(), "{}", both.join("\n"));
}

/// So much memory is looked at at once.
const PIECE: usize = 1024 * 1024;

/// What a PEM file of a key says, in any memory that was ever written. Root alone
/// may look; for others there is nothing to see, which the test above is about.
#[test]
fn the_text_of_a_key_is_gone_once_it_is_read() {
    let mesh = Mesh::start("destinations: [{ host: a.example }]\n");
    let key = fs::read_to_string(mesh.pki.dir().join("gateway/key.pem")).unwrap();
    let Ok(memory) = fs::File::open(format!("/proc/{}/mem", mesh.egret.id())) else {
        return;
    };
    let line = key.lines().nth(1).unwrap();
    let maps = told(&mesh.egret, "maps").unwrap();
    let mut looked_at = 0;
    for map in maps.lines().filter(|map| map.contains(" rw")) {
        let range = map.split(' ').next().and_then(|m| m.split_once('-'));
        let (from, to) = range.unwrap();
        let [from, to] = [from, to].map(|n| u64::from_str_radix(n, 16).unwrap());
        for at in (from..to).step_by(PIECE) {
            // With the beginning of the next, in which a line may end.
            let most = (to - at) as usize;
            let mut bytes = vec![0; most.min(PIECE + line.len())];
            if memory.read_exact_at(&mut bytes, at).is_ok() {
                looked_at += bytes.len();
                let text = String::from_utf8_lossy(&bytes);
                assert!(!text.contains(line), "the key is there: {map}");
            }
        }
    }
    assert!(looked_at > 1_000_000, "{looked_at} bytes looked at");
}
