//! Executables and cores that are compressed, and what is wrong with some of them.

use std::path::{Path, PathBuf};

use crate::common::{Dir, Run, run};
use crate::damaged::{sample, unpacked};

/// A frame of lz4 whose blocks are as they were (lz4_Frame_format.md, 1.6.4): independent blocks of
/// at most 4 MiB, and the checksum of these two bytes.
fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut frame = b"\x04\x22\x4d\x18\x60\x70\x73".to_vec();
    for block in bytes.chunks(4 << 20) {
        frame.extend((block.len() as u32 | 1 << 31).to_le_bytes());
        frame.extend(block);
    }
    frame.extend([0; 4]);
    frame
}

fn ls(core: &Path, exe: &Path) -> Run {
    let [core, exe] = [core, exe].map(|path| path.to_str().expect("UTF-8"));
    run(["ls", core, "--exe", exe, "--format", "csv"])
}

fn info(exe: &Path) -> Run {
    run([Path::new("info"), exe])
}

/// The demo's executable, plain and as lz4, and its core.
fn files(dir: &Dir) -> (PathBuf, PathBuf, PathBuf) {
    let exe = unpacked("exe.zst");
    (dir.file("exe", &exe), dir.file("exe.lz4", &lz4(&exe)), sample("core.zst"))
}

#[test]
fn an_executable_is_the_same_however_it_is_compressed() {
    let dir = Dir::new("an_executable_is_the_same_however_it_is_compressed");
    let (plain, by_lz4, core) = files(&dir);
    let wanted = ls(&core, &plain);
    assert_eq!(wanted.code, Some(0), "{}", wanted.stderr);
    for packed in [&by_lz4, &sample("exe.zst")] {
        let packed = ls(&core, packed);
        assert_eq!((packed.code, packed.stdout), (Some(0), wanted.stdout.clone()));
    }
    // The core may be compressed in the one way, and its executable in the other.
    let core = dir.file("core.lz4", &lz4(&unpacked("core.zst")));
    assert_eq!(ls(&core, &sample("exe.zst")).stdout, wanted.stdout);
    let said = [&plain, &by_lz4].map(|exe| info(exe).stdout.lines().skip(1).collect::<String>());
    assert_eq!(said[0], said[1]);
}

#[test]
fn a_compressed_executable_that_is_cut_or_garbled_is_refused() {
    let dir = Dir::new("a_compressed_executable_that_is_cut_or_garbled_is_refused");
    let (_, by_lz4, core) = files(&dir);
    for whole in [sample("exe.zst"), by_lz4] {
        let bytes = std::fs::read(whole).expect("an executable");
        for (name, len) in [("half", bytes.len() / 2), ("end", bytes.len() - 5)] {
            let cut = dir.file(name, &bytes[..len]);
            ls(&core, &cut).fails(&format!("mapscope: cannot read {}", cut.display()));
            assert_eq!(info(&cut).code, Some(2), "{name}");
        }
        let mut garbled = bytes.clone();
        let middle = garbled.len() / 2;
        garbled[4..7].fill(0xff);
        garbled[middle..middle + 64].fill(0xff);
        let garbled = dir.file("garbled", &garbled);
        ls(&core, &garbled).fails("mapscope: cannot read ");
        assert_eq!(info(&garbled).code, Some(2));
    }
}

#[test]
fn what_is_compressed_must_be_what_is_asked_for() {
    let dir = Dir::new("what_is_compressed_must_be_what_is_asked_for");
    let (exe, _, core) = files(&dir);
    let text = dir.file("text.lz4", &lz4(b"hello, world\n"));
    ls(&core, &text).fails("text.lz4 cannot be used");
    ls(&core, &core).fails("cannot be used");
    ls(&text, &exe).fails("is neither a core nor a recording nor an executable");
    let packed_twice = dir.file("twice.lz4", &lz4(&lz4(&std::fs::read(&exe).expect("it"))));
    ls(&core, &packed_twice).fails("twice.lz4 cannot be used");
}
