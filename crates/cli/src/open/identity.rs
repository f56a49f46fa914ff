//! Whether an executable is the one that a core was written by: build ids of both.

use mapscope_binary::Elf;
use mapscope_target::{Addr, Core, MemoryExt, Target};

/// `AT_PHDR`, `AT_PHENT` and `AT_PHNUM` of `elf.h`: the executable's program headers in memory.
const AT_PHDR: u64 = 3;
const AT_PHNUM: u64 = 5;
/// `PT_NOTE` and `PT_PHDR`.
const PT_NOTE: u32 = 4;
const PT_PHDR: u32 = 6;
/// The size of an `Elf64_Phdr`.
const PHDR: u64 = 56;
/// More notes than any executable has, in bytes.
const NOTES: u64 = 64 << 10;
/// More program headers than any executable has.
const HEADERS: u64 = 128;
/// `NT_GNU_BUILD_ID` of name `GNU`, and `ELF_NOTE_GOBUILDID_TAG` of name `Go`
/// (`cmd/link/internal/ld/elf.go`).
const GNU: (&[u8], u32) = (b"GNU\0", 3);
const GO: (&[u8], u32) = (b"Go\0\0", 4);

/// The build ids of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ids {
    /// GNU's, in hexadecimal.
    pub(crate) gnu: Option<String>,
    /// Go's.
    pub(crate) go: Option<String>,
}

/// How two programs' build ids compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    /// They have one in common.
    Same,
    /// They differ: which, the core's and the executable's.
    Differs(&'static str, String, String),
    /// One of them has none that can be read.
    Unproven,
}

impl Ids {
    /// Of an executable.
    pub(crate) fn of_elf(elf: &Elf<'_>) -> Ids {
        let hex = |id: Vec<u8>| hex(&id);
        Ids { gnu: elf.gnu_build_id().map(hex), go: elf.go_build_id() }
    }

    /// Of the program that a core was written by: from its notes in the core's memory, which the
    /// kernel dumps for this purpose (bit 4 of `coredump_filter`, `core(5)`).
    pub(crate) fn of_core(core: &Core) -> Ids {
        notes(core).map(|segments| Ids::of_notes(&segments)).unwrap_or_default()
    }

    fn of_notes(segments: &[Vec<u8>]) -> Ids {
        let mut ids = Ids::default();
        for mut bytes in segments.iter().map(Vec::as_slice) {
            while let Some((note, rest)) = next(bytes) {
                match (note.name, note.kind) {
                    GNU => ids.gnu = Some(hex(note.body)),
                    GO => ids.go = Some(String::from_utf8_lossy(note.body).into_owned()),
                    _ => {}
                }
                bytes = rest;
            }
        }
        ids
    }

    /// Compares the ids of a core, `self`, with those of an executable. Go's decides where both
    /// have it: a linker may be told to make GNU's from anything.
    pub(crate) fn compare(&self, exe: &Ids) -> Match {
        let pairs = [("Go build id", &self.go, &exe.go), ("GNU build id", &self.gnu, &exe.gnu)];
        for (kind, ours, theirs) in pairs {
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                return match ours == theirs {
                    true => Match::Same,
                    false => Match::Differs(kind, ours.clone(), theirs.clone()),
                };
            }
        }
        Match::Unproven
    }
}

/// The contents of the program's `PT_NOTE`s.
fn notes(core: &Core) -> Option<Vec<Vec<u8>>> {
    let auxv = core.auxv();
    let entry = |key| auxv.iter().find(|pair| pair.0 == key).map(|pair| pair.1);
    let (at, count) = (entry(AT_PHDR)?, entry(AT_PHNUM)?.min(HEADERS));
    let table = core.bytes(Addr(at), count * PHDR, HEADERS * PHDR).ok()?;
    let headers: Vec<(u32, u64, u64)> = table.chunks_exact(PHDR as usize).map(header).collect();
    let linked = headers.iter().find(|header| header.0 == PT_PHDR)?.1;
    let bias = at.wrapping_sub(linked);
    let notes = headers.iter().filter(|header| header.0 == PT_NOTE);
    let read = notes
        .filter_map(|&(_, va, size)| core.bytes(Addr(va.wrapping_add(bias)), size, NOTES).ok());
    Some(read.collect())
}

/// Type, `p_vaddr` and `p_filesz` of a program header of [`PHDR`] bytes.
fn header(bytes: &[u8]) -> (u32, u64, u64) {
    let word = |at: usize| u64_at(bytes, at).unwrap_or(0);
    (word(0) as u32, word(16), word(32))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|b| u64::from_le_bytes(*b))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b))
}

/// An ELF note.
struct NoteRef<'b> {
    name: &'b [u8],
    kind: u32,
    body: &'b [u8],
}

/// The first note, and what follows it.
fn next(bytes: &[u8]) -> Option<(NoteRef<'_>, &[u8])> {
    let (name, size, kind) = (u32_at(bytes, 0)?, u32_at(bytes, 4)?, u32_at(bytes, 8)?);
    let padded = |size: u32| (size as usize).checked_next_multiple_of(4);
    let rest = bytes.get(12..)?;
    let body = rest.get(padded(name)?..)?;
    let next = body.get(padded(size)?..).unwrap_or_default();
    let name = rest.get(..name as usize)?;
    let body = body.get(..size as usize)?;
    Some((NoteRef { name, kind, body }, next))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(name: &[u8], kind: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [name.len() as u32, body.len() as u32, kind] {
            bytes.extend(word.to_le_bytes());
        }
        for part in [name, body] {
            bytes.extend(part);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn ids_are_read_and_compared() {
        let segment =
            [note(b"X\0", 9, b"abc"), note(GO.0, GO.1, b"a/b"), note(GNU.0, 3, &[1, 255])];
        let ids = Ids::of_notes(&[segment.concat()]);
        assert_eq!(ids, Ids { gnu: Some("01ff".into()), go: Some("a/b".into()) });
        assert_eq!(ids.compare(&ids), Match::Same);
        assert_eq!(ids.compare(&Ids::default()), Match::Unproven);
        let other = Ids { gnu: Some("01fe".into()), go: None };
        let differs = Match::Differs("GNU build id", "01ff".into(), "01fe".into());
        assert_eq!(ids.compare(&other), differs);
    }

    #[test]
    fn notes_that_lie_end_the_list() {
        let mut bytes = note(GO.0, GO.1, b"id");
        bytes.extend([0xff; 12]);
        assert_eq!(Ids::of_notes(&[bytes.clone()]).go.as_deref(), Some("id"));
        for len in 0..bytes.len() {
            let _ = Ids::of_notes(&[bytes[..len].to_vec()]);
        }
    }
}
