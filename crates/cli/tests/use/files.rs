//! Files that are no target.

use std::path::Path;

use crate::common::{Dir, elf_head, run, zoo};

fn ls(path: &Path) -> crate::common::Run {
    run([Path::new("ls"), path])
}

fn info(path: &Path) -> crate::common::Run {
    run([Path::new("info"), path])
}

#[test]
fn files_that_are_neither_core_nor_executable() {
    let dir = Dir::new("neither");
    ls(&dir.path().join("none")).fails("mapscope: there is no file ");
    ls(dir.path()).fails("is no regular file");
    for (name, bytes) in
        [("empty", &b""[..]), ("text", b"hello, world\n"), ("object", &elf_head(1))]
    {
        let path = dir.file(name, bytes);
        ls(&path).fails("is neither a core nor a recording nor an executable\n  hint: ");
    }
}

#[test]
fn executables_of_other_machines() {
    let dir = Dir::new("machines");
    let changed = |at: usize, value: u8| {
        let mut head = elf_head(2);
        head[at] = value;
        head
    };
    let cases = [
        (changed(4, 1), "a 32-bit executable: only 64-bit ones are supported"),
        (changed(18, 183), "only x86-64 is supported"),
        (elf_head(2)[..40].to_vec(), "truncated: the ELF header"),
    ];
    for (head, message) in cases {
        info(&dir.file("exe", &head)).fails(message);
    }
}

#[test]
fn cores_of_other_machines() {
    let dir = Dir::new("cores");
    let changed = |at: usize, value: u8| {
        let mut head = elf_head(4);
        head[at] = value;
        head
    };
    for (at, value) in [(4, 1), (18, 183)] {
        ls(&dir.file("core", &changed(at, value))).fails("cannot be read as a core: it is ");
    }
    ls(&dir.file("core", &elf_head(4)[..50])).fails("within its headers");
}

#[test]
fn executables_that_are_not_gos() {
    let other = Path::new("/bin/sh");
    info(other).fails("mapscope: /bin/sh cannot be used: no Go build info: not a Go executable");
}

#[test]
fn an_executable_has_no_maps() {
    ls(Path::new(env!("CARGO_BIN_EXE_mapscope")))
        .fails("which has no maps before it runs\n  hint: ");
}

#[test]
fn compressed_garbage() {
    let dir = Dir::new("compressed");
    for magic in [&b"\x28\xb5\x2f\xfd"[..], b"\x04\x22\x4d\x18"] {
        let path = dir.file("core.z", &[magic, &[0xa5; 200]].concat());
        ls(&path).fails("cannot decompress");
    }
}

#[test]
fn go_that_is_too_old() {
    let Some(zoo) = zoo("go_that_is_too_old") else { return };
    let dir = Dir::new("old");
    let mut bytes = std::fs::read(zoo).expect("the zoo");
    let magic = b"\xff Go buildinf:";
    let at = bytes.windows(magic.len()).position(|w| w == magic).expect("build info");
    // debug/buildinfo: bit 1 of byte 15 says that the strings follow; Go 1.17 had pointers.
    bytes[at + 15] = 0;
    info(&dir.file("old", &bytes))
        .fails("too old\n  hint: mapscope reads programs built by Go 1.19");
}

#[test]
fn names_are_neutralised() {
    let run = run(["ls", "no\x1b[31m\u{202e}such"]);
    run.fails(r"mapscope: there is no file no\x1b[31m\u202esuch");
}
