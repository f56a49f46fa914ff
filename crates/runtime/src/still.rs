//! An executable that does not run, as the memory that a process of it begins with.

use std::path::PathBuf;

use mapscope_binary::Elf;
use mapscope_target::{Access, Addr, Crash, Fault, Kind, Mapping, Memory, Target, Thread, Why};

/// `AT_ENTRY` of the auxiliary vector (elf.h).
const AT_ENTRY: u64 = 9;

/// `R_X86_64_RELATIVE`: the word is where the file was loaded, plus the addend (System V ABI, AMD64).
const RELATIVE: u64 = 8;

/// The size of an `Elf64_Rela`.
const RELA: usize = 24;

/// What of an executable is known without a process: code, types, constants, and variables as they
/// are before the first instruction. There are no threads, no heap, and nothing was ever written.
///
/// It lies where it is linked to lie; in a position-independent one the words are filled in that a
/// loader would fill in.
pub struct Still<'e> {
    elf: &'e Elf<'e>,
    mappings: Vec<Mapping>,
    /// Words that a loader fills in: where, and with what, by rising address.
    filled: Vec<(u64, u64)>,
}

impl<'e> Still<'e> {
    /// The executable as it would be loaded.
    pub fn new(elf: &'e Elf<'e>) -> Still<'e> {
        let mappings = elf.segments().iter().filter_map(|segment| {
            Some(Mapping {
                start: Addr(segment.addr.0),
                end: Addr(segment.addr.0.checked_add(segment.size)?),
                access: Access { read: true, write: segment.write, execute: segment.execute },
                offset: segment.offset.0,
                path: None,
            })
        });
        let mut mappings: Vec<Mapping> = mappings.collect();
        mappings.sort_by_key(|mapping| mapping.start);
        Still { elf, mappings, filled: filled(elf) }
    }

    /// What of `buf`, which begins at `addr`, a loader fills in.
    fn fill(&self, addr: Addr, buf: &mut [u8]) {
        let end = addr.0.saturating_add(buf.len() as u64);
        let first = self.filled.partition_point(|(at, _)| at.saturating_add(8) <= addr.0);
        let within = self.filled.iter().skip(first).take_while(|(at, _)| *at < end);
        for (at, word) in within {
            for (i, byte) in (0_u64..).zip(word.to_le_bytes()) {
                let place = at.checked_add(i).and_then(|at| at.checked_sub(addr.0));
                let place = place.and_then(|place| usize::try_from(place).ok());
                if let Some(place) = place.and_then(|place| buf.get_mut(place)) {
                    *place = byte;
                }
            }
        }
    }
}

impl Memory for Still<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let unmapped = || Fault::new(addr, Why::Unmapped);
        let after = self.mappings.partition_point(|mapping| mapping.start <= addr);
        let mapping = after.checked_sub(1).and_then(|index| self.mappings.get(index));
        let mapping = mapping.filter(|mapping| mapping.contains(addr)).ok_or_else(unmapped)?;
        if mapping.end.0 - addr.0 < buf.len() as u64 {
            return Err(Fault::new(mapping.end, Why::Unmapped));
        }
        // Beyond what the file has of a segment, it is zeroes (System V gABI, chapter 5).
        let stored = self.elf.bytes_from(mapscope_binary::FileVa(addr.0)).unwrap_or_default();
        let len = stored.len().min(buf.len());
        let (head, tail) = buf.split_at_mut(len);
        head.copy_from_slice(&stored[..len]);
        tail.fill(0);
        self.fill(addr, buf);
        Ok(())
    }
}

impl Target for Still<'_> {
    fn kind(&self) -> Kind {
        Kind::Executable
    }

    fn pid(&self) -> Option<u32> {
        None
    }

    fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    fn threads(&self) -> Vec<Thread> {
        Vec::new()
    }

    fn auxv(&self) -> Vec<(u64, u64)> {
        vec![(AT_ENTRY, self.elf.entry().0)]
    }

    fn exe_path(&self) -> Option<PathBuf> {
        None
    }

    fn crash(&self) -> Option<Crash> {
        None
    }

    fn as_memory(&self) -> &dyn Memory {
        self
    }
}

/// The words that a loader fills in, of an executable that is loaded where it is linked to lie.
fn filled(elf: &Elf<'_>) -> Vec<(u64, u64)> {
    let tables = elf.sections().iter().filter(|section| section.name.starts_with(".rela"));
    let bytes = tables.filter_map(|section| elf.stored(section).ok());
    let mut filled: Vec<(u64, u64)> = bytes
        .flat_map(|bytes| bytes.as_chunks::<RELA>().0)
        .filter_map(|entry| {
            let word = |at: usize| entry[at..].first_chunk().map(|w| u64::from_le_bytes(*w));
            (word(8)? & 0xffff_ffff == RELATIVE).then_some((word(0)?, word(16)?))
        })
        .collect();
    filled.sort_unstable();
    filled
}
