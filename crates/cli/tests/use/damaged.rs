//! A real core, damaged on purpose: each of its segments and notes cut and garbled. It is that of
//! the demo, so that neither Go nor a process is needed.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::common::{Dir, Run, run};

/// `PT_LOAD` and `PT_NOTE`.
const LOAD: u32 = 1;
const NOTE: u32 = 4;
/// Notes that no answer needs: `NT_FPREGSET`, `NT_PRPSINFO`, `NT_X86_XSTATE`, `NT_SIGINFO`.
const UNNEEDED: [u32; 4] = [2, 3, 0x202, 0x5349_4749];

/// A core on disk, which can be damaged and mended.
struct Core {
    file: File,
    path: PathBuf,
    exe: PathBuf,
    bytes: Vec<u8>,
}

/// A piece of the core: where it lies, and how long it is.
#[derive(Clone, Copy)]
struct Piece {
    at: usize,
    len: usize,
}

/// A file of the demo.
pub(crate) fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/demo").join(name)
}

/// What it holds, decompressed.
pub(crate) fn unpacked(name: &str) -> Vec<u8> {
    let packed = File::open(sample(name)).expect("the sample");
    let mut bytes = Vec::new();
    let mut plain = ruzstd::decoding::StreamingDecoder::new(packed).expect("zstd");
    std::io::Read::read_to_end(&mut plain, &mut bytes).expect("zstd");
    bytes
}

impl Core {
    fn demo(dir: &Dir) -> Core {
        let bytes = unpacked("core.zst");
        let path = dir.file("core", &bytes);
        let file = File::options().write(true).open(&path).expect("a file");
        Core { file, path, exe: sample("exe.zst"), bytes }
    }

    /// What `ls` says while the file ends at `len`.
    fn cut(&self, len: usize) -> Run {
        self.file.set_len(len as u64).expect("cut");
        let run = self.ls();
        self.file.write_all_at(&self.bytes[len..], len as u64).expect("mended");
        run
    }

    /// What `ls` says while `patch` is in place of what is at `at`.
    fn with(&self, at: usize, patch: &[u8]) -> Run {
        self.file.write_all_at(patch, at as u64).expect("written");
        let run = self.ls();
        let before = &self.bytes[at..at + patch.len()];
        self.file.write_all_at(before, at as u64).expect("mended");
        run
    }

    fn ls(&self) -> Run {
        let [core, exe] = [&self.path, &self.exe].map(|path| path.to_str().expect("UTF-8"));
        run(["ls", core, "--exe", exe, "--format", "json"])
    }

    fn word(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.bytes[at..at + 8].try_into().expect("eight"))
    }

    fn half(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes[at..at + 4].try_into().expect("four"))
    }

    /// Where the headers of all segments of a kind are (`Elf64_Phdr`).
    fn headers(&self, kind: u32) -> Vec<usize> {
        let count = self.half(56) as usize & 0xffff;
        let all = (0..count).map(|i| self.word(32) as usize + i * 56);
        all.filter(|at| self.half(*at) == kind).collect()
    }

    /// The notes: each from its header on.
    fn notes(&self) -> Vec<Piece> {
        let header = self.headers(NOTE)[0];
        let (mut at, len) = (self.word(header + 8) as usize, self.word(header + 32) as usize);
        let end = at + len;
        let mut notes = Vec::new();
        while at + 12 <= end {
            let name = (self.half(at) as usize).next_multiple_of(4);
            let body = (self.half(at + 4) as usize).next_multiple_of(4);
            notes.push(Piece { at, len: 12 + name + body });
            at += 12 + name + body;
        }
        notes
    }
}

/// Bytes that mean nothing: a fixed sequence (Knuth's MMIX generator), so that a failure can be
/// repeated.
fn garbage(seed: usize, len: usize) -> Vec<u8> {
    let mut state = seed as u64 | 1;
    let mut next = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// The answer, or nothing where there was an error that says why.
#[track_caller]
fn answer(run: &Run, what: &str) -> Option<Value> {
    match run.code {
        Some(0 | 3) => {
            let said: Value = serde_json::from_str(&run.stdout).expect("JSON");
            assert_eq!(said["complete"], run.code == Some(0), "{what}: {}", run.stdout);
            Some(said)
        }
        Some(2) => {
            assert!(run.stdout.is_empty() && run.stderr.starts_with("mapscope: "), "{what}");
            None
        }
        code => panic!("{what}: {code:?}: {}", run.stderr),
    }
}

#[test]
fn segments_that_are_cut() {
    let dir = Dir::new("segments_that_are_cut");
    let core = Core::demo(&dir);
    let whole = answer(&core.ls(), "whole").expect("an answer");
    let count = whole["maps"].as_array().expect("maps").len();
    let mut answered = 0;
    for header in core.headers(LOAD) {
        let size = core.word(header + 32);
        for left in [0, size / 2, size.saturating_sub(8)].into_iter().filter(|left| *left < size) {
            let what = format!("{left} bytes left of {size} at {:#x}", core.word(header + 16));
            let Some(said) = answer(&core.with(header + 32, &left.to_le_bytes()), &what) else {
                continue;
            };
            answered += 1;
            let lacks = said["maps"] != whole["maps"];
            assert!(!lacks || said["complete"] == false, "{what}: it looks whole");
        }
    }
    assert!(answered >= 20, "{answered} answers");
    assert!(count > 600, "{count} maps");
}

#[test]
fn segments_of_garbage() {
    let dir = Dir::new("segments_of_garbage");
    let core = Core::demo(&dir);
    for (i, header) in core.headers(LOAD).into_iter().enumerate() {
        let (offset, size) = (core.word(header + 8) as usize, core.word(header + 32) as usize);
        let what = format!("garbage at {:#x}", core.word(header + 16));
        answer(&core.with(offset, &garbage(i, size)), &what);
        // A few words of it only: most of what is said stays right, and some of it leads astray.
        for part in 0..4 {
            let at = offset + size / 4 * part;
            answer(&core.with(at, &garbage(i * 4 + part, 64.min(size / 4))), &what);
        }
        answer(&core.with(header, &garbage(i, 56)), &format!("{what}, in its header"));
    }
}

#[test]
fn notes_that_are_cut_or_garbage() {
    let dir = Dir::new("notes_that_are_cut_or_garbage");
    let core = Core::demo(&dir);
    let whole = answer(&core.ls(), "whole").expect("an answer");
    let notes = core.notes();
    assert!(notes.len() > 12, "{} notes", notes.len());
    for (i, note) in notes.into_iter().enumerate() {
        let kind = core.half(note.at + 8);
        let what = format!("note {i} of type {kind:#x}");
        let body = note.at + 20..note.at + note.len;
        let garbled = core.with(body.start, &garbage(i, body.len()));
        let garbled = answer(&garbled, &format!("{what}, garbled"));
        if UNNEEDED.contains(&kind) {
            let said = garbled.unwrap_or_else(|| panic!("{what}: no answer without it"));
            assert_eq!(said["maps"], whole["maps"], "{what}");
        }
        // Half of it; more than there is; a name that is longer than all.
        let half = (core.half(note.at + 4) / 2).to_le_bytes();
        answer(&core.with(note.at + 4, &half), &format!("{what}, cut"));
        answer(&core.with(note.at + 4, &[0xff; 4]), &format!("{what}, endless"));
        answer(&core.with(note.at, &[0xff; 4]), &format!("{what}, without a name"));
        answer(&core.with(note.at + 8, &[0; 4]), &format!("{what}, of no type"));
    }
}

/// The file ends within each segment and each note, at its beginning and at its end.
#[test]
fn files_that_are_cut_everywhere() {
    let dir = Dir::new("files_that_are_cut_everywhere");
    let core = Core::demo(&dir);
    let whole = answer(&core.ls(), "whole").expect("an answer");
    let segments = core.headers(LOAD).into_iter().map(|header| Piece {
        at: core.word(header + 8) as usize,
        len: core.word(header + 32) as usize,
    });
    let pieces: Vec<Piece> = segments.chain(core.notes()).filter(|piece| piece.len > 0).collect();
    let mut answered = 0;
    for piece in &pieces {
        for len in [piece.at, piece.at + piece.len / 2, piece.at + piece.len - 1] {
            let what = format!("{len} bytes of {}", core.bytes.len());
            let run = core.cut(len);
            let told = run.stdout.contains("the core is truncated") || run.code == Some(2);
            assert!(told, "{what}: {}", run.stdout);
            let Some(said) = answer(&run, &what) else { continue };
            answered += 1;
            assert_eq!(said["complete"], false, "{what}: it looks whole");
            let maps = [&said, &whole].map(|said| said["maps"].as_array().expect("maps").len());
            assert!(maps[0] <= maps[1], "{what}: {maps:?}");
        }
    }
    assert!(pieces.len() > 20 && answered > 0, "{answered} answers of {} pieces", pieces.len());
}

/// Each field of the file's header and of each segment's: none, all, and one more.
#[test]
fn header_fields_of_garbage() {
    /// `Elf64_Ehdr` and `Elf64_Phdr`: where each field is, and its size.
    const FILE: [(usize, usize); 14] = [
        (0, 4),
        (4, 1),
        (5, 1),
        (6, 1),
        (16, 2),
        (18, 2),
        (20, 4),
        (24, 8),
        (32, 8),
        (40, 8),
        (48, 4),
        (52, 2),
        (54, 2),
        (56, 2),
    ];
    const SEGMENT: [(usize, usize); 8] =
        [(0, 4), (4, 4), (8, 8), (16, 8), (24, 8), (32, 8), (40, 8), (48, 8)];
    let dir = Dir::new("header_fields_of_garbage");
    let core = Core::demo(&dir);
    // What is done to one of them is done to all, so some will do.
    let loads = core.headers(LOAD);
    let some = loads.iter().copied().step_by(loads.len().div_ceil(6).max(1));
    let segments = some.chain(core.headers(NOTE));
    let of_segments = segments.flat_map(|at| SEGMENT.map(|(field, size)| (at + field, size)));
    for (at, size) in FILE.into_iter().chain(of_segments) {
        let mut more = core.bytes[at..at + size].to_vec();
        more[0] = more[0].wrapping_add(1);
        for patch in [vec![0; size], vec![0xff; size], more] {
            answer(&core.with(at, &patch), &format!("{patch:x?} at {at:#x}"));
        }
    }
}
