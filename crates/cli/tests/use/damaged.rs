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

impl Core {
    fn demo(dir: &Dir) -> Core {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/demo");
        let packed = File::open(samples.join("core.zst")).expect("the sample");
        let mut bytes = Vec::new();
        let mut plain = ruzstd::decoding::StreamingDecoder::new(packed).expect("zstd");
        std::io::Read::read_to_end(&mut plain, &mut bytes).expect("zstd");
        let path = dir.file("core", &bytes);
        let file = File::options().write(true).open(&path).expect("a file");
        Core { file, path, exe: samples.join("exe.zst"), bytes }
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
