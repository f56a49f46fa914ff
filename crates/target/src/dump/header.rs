//! The ELF header and program headers of a core.

use crate::Access;

/// `ET_CORE` of `elf.h`.
const ET_CORE: u16 = 4;
/// `PT_LOAD`.
const PT_LOAD: u32 = 1;
/// `PT_NOTE`.
const PT_NOTE: u32 = 4;
/// `e_phnum` when there are too many program headers for its 16 bits: the number is then in
/// `sh_info` of the first section header (System V gABI, chapter 4; `elf.5`).
const PN_XNUM: u16 = 0xffff;
/// The size of an `Elf64_Phdr`.
const PHDR: usize = 56;

/// The most program headers that are read: twice the highest `vm.max_map_count` that a
/// distribution sets (1048576).
const MAX_HEADERS: u64 = 1 << 21;

/// What a core's program headers say.
pub(super) struct Headers {
    /// `PT_LOAD` in the order of the file.
    pub(super) loads: Vec<Load>,
    /// `PT_NOTE`: offset and size.
    pub(super) notes: Vec<(u64, u64)>,
    /// Program headers that lie beyond the end of the file, or beyond all that can be true.
    pub(super) missing: u64,
}

/// A `PT_LOAD`.
#[derive(Clone, Copy)]
pub(super) struct Load {
    pub(super) offset: u64,
    pub(super) addr: u64,
    pub(super) file_size: u64,
    pub(super) mem_size: u64,
    pub(super) access: Access,
}

/// Why a file is no core that can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not an ELF file of 64-bit x86.
    #[error("it is {0}")]
    Foreign(&'static str),
    /// An ELF file of another kind.
    #[error("it is {0}, not a core")]
    NotCore(&'static str),
    /// The file ends within its own headers.
    #[error("it ends after {len} bytes, within its headers")]
    TooShort {
        /// How long it is.
        len: u64,
    },
    /// The program headers are said to have a size that none have.
    #[error("its program headers are {size} bytes each, instead of 56")]
    EntrySize {
        /// `e_phentsize`.
        size: u16,
    },
}

/// Reads the headers of a core. Entries beyond the end of the file are counted, not read.
pub(super) fn parse(bytes: &[u8]) -> Result<Headers, HeaderError> {
    let short = HeaderError::TooShort { len: bytes.len() as u64 };
    if let Some(what) = crate::elf_head::foreign(bytes) {
        return Err(HeaderError::Foreign(what));
    }
    match u16_at(bytes, 16).ok_or(short.clone())? {
        ET_CORE => {}
        1 => return Err(HeaderError::NotCore("an object file")),
        2 | 3 => return Err(HeaderError::NotCore("an executable or shared library")),
        _ => return Err(HeaderError::NotCore("an ELF file of an unknown kind")),
    }
    let table = u64_at(bytes, 32).ok_or(short.clone())?;
    let size = u16_at(bytes, 54).ok_or(short.clone())?;
    let count = count(bytes).ok_or(short.clone())?;
    if usize::from(size) < PHDR && count > 0 {
        return Err(HeaderError::EntrySize { size });
    }
    let table = usize::try_from(table).ok().and_then(|at| bytes.get(at..)).ok_or(short)?;
    Ok(read_table(table, usize::from(size).max(PHDR), count))
}

fn count(bytes: &[u8]) -> Option<u64> {
    let count = u16_at(bytes, 56)?;
    if count != PN_XNUM {
        return Some(u64::from(count));
    }
    let section = usize::try_from(u64_at(bytes, 40)?).ok()?;
    // sh_info is at 44 of an Elf64_Shdr. A core cut short has lost it: as many as the table holds.
    let info = section.checked_add(44).and_then(|at| u32_at(bytes, at));
    Some(info.filter(|&n| n > 0 && section > 0).map_or(u64::from(u32::MAX), u64::from))
}

fn read_table(table: &[u8], size: usize, count: u64) -> Headers {
    let mut headers = Headers { loads: Vec::new(), notes: Vec::new(), missing: 0 };
    let present = ((table.len() / size) as u64).min(MAX_HEADERS);
    headers.missing = count.saturating_sub(present);
    for entry in table.chunks_exact(size).take(count.min(present) as usize) {
        let word = |at| u64_at(entry, at).unwrap_or(0);
        match u32_at(entry, 0) {
            Some(PT_LOAD) => headers.loads.push(Load {
                offset: word(8),
                addr: word(16),
                file_size: word(32),
                mem_size: word(40),
                access: access(u32_at(entry, 4).unwrap_or(0)),
            }),
            Some(PT_NOTE) => headers.notes.push((word(8), word(32))),
            _ => {}
        }
    }
    headers
}

/// `PF_X` is 1, `PF_W` 2, `PF_R` 4.
fn access(flags: u32) -> Access {
    Access { read: flags & 4 != 0, write: flags & 2 != 0, execute: flags & 1 != 0 }
}

/// Little-endian integers at a place that may lie outside.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_le_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_le_bytes)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array_at(bytes, at).map(u64::from_le_bytes)
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
