//! Build ids, which tie a core to its executable.

use super::Elf;

/// `NT_GNU_BUILD_ID`.
const GNU_BUILD_ID: u32 = 3;
/// `ELF_NOTE_GOBUILDID_TAG` (Go 1.19 … 1.27, `cmd/link/internal/ld/elf.go`).
const GO_BUILD_ID: u32 = 4;

/// One ELF note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Note<'d> {
    kind: u32,
    name: &'d [u8],
    desc: &'d [u8],
}

/// The GNU build id, where the linker wrote one.
pub(super) fn gnu_build_id(elf: &Elf<'_>) -> Option<Vec<u8>> {
    find(elf, ".note.gnu.build-id", b"GNU\0", GNU_BUILD_ID).map(<[u8]>::to_vec)
}

/// Go's build id (four parts with slashes between), where the linker wrote one.
pub(super) fn go_build_id(elf: &Elf<'_>) -> Option<String> {
    let desc = find(elf, ".note.go.buildid", b"Go\0\0", GO_BUILD_ID)?;
    Some(String::from_utf8_lossy(desc).trim_end_matches('\0').to_owned())
}

fn find<'d>(elf: &Elf<'d>, section: &str, name: &[u8], kind: u32) -> Option<&'d [u8]> {
    let in_section = elf.section(section).and_then(|s| elf.stored(s).ok());
    let in_segments = elf.note_segments();
    in_section.into_iter().chain(in_segments).find_map(|data| {
        Notes(data).find(|n| n.kind == kind && n.name == name).map(|note| note.desc)
    })
}

/// The notes in a section or segment, up to the first that is cut off. 4-byte alignment, which
/// all notes with build ids have.
struct Notes<'d>(&'d [u8]);

impl<'d> Iterator for Notes<'d> {
    type Item = Note<'d>;

    fn next(&mut self) -> Option<Note<'d>> {
        let name_len = self.word()? as usize;
        let desc_len = self.word()? as usize;
        let kind = self.word()?;
        let name = self.padded(name_len)?;
        let desc = self.padded(desc_len)?;
        Some(Note { kind, name, desc })
    }
}

impl<'d> Notes<'d> {
    fn word(&mut self) -> Option<u32> {
        let (head, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*head))
    }

    fn padded(&mut self, len: usize) -> Option<&'d [u8]> {
        let field = self.0.get(..len)?;
        let padded = len.checked_next_multiple_of(4)?;
        self.0 = self.0.get(padded..).unwrap_or_default();
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_end_where_they_are_cut_off() {
        let mut bytes = Vec::new();
        for word in [4u32, 5, 4] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(b"Go\0\0a/b/c");
        let whole: Vec<_> = Notes(&bytes).collect();
        assert_eq!(whole, [Note { kind: 4, name: b"Go\0\0", desc: b"a/b/c" }]);
        for cut in 0..bytes.len() {
            assert_eq!(Notes(&bytes[..cut]).count(), 0);
        }
    }
}
