//! Files of which only parts were kept, and which parts those should be.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use object::LittleEndian;
use object::elf::{self, ProgramHeader64, SectionHeader64};
use object::read::elf::{ProgramHeader as _, SectionHeader as _};

use super::{ElfError, Header, LE};

/// So many noted parts are merged before more are noted.
const MAX_NOTED: usize = 1 << 16;

/// What there is of a file.
pub(super) enum Kept {
    /// All of it.
    Whole,
    /// These ranges of it, by rising offset, neither overlapping nor adjoining; and how often
    /// something else was asked for.
    Parts(Vec<Range<u64>>, AtomicUsize),
}

impl Kept {
    /// Only these ranges.
    pub(super) fn parts(parts: &[Range<u64>]) -> Kept {
        Kept::Parts(merged(parts.to_vec(), u64::MAX), AtomicUsize::new(0))
    }

    /// An error that names `what` unless all of `range` was kept.
    pub(super) fn all(&self, range: Range<u64>, what: &str) -> Result<(), ElfError> {
        if range.is_empty() || self.front(range.clone()) == range {
            return Ok(());
        }
        Err(ElfError::NotRecorded { what: what.to_owned() })
    }

    /// What was kept of `range` from its beginning on, without a hole.
    pub(super) fn front(&self, range: Range<u64>) -> Range<u64> {
        let Kept::Parts(parts, lost) = self else { return range };
        let after = parts.partition_point(|part| part.start <= range.start);
        let part = after.checked_sub(1).and_then(|index| parts.get(index));
        let end = part.map_or(range.start, |part| part.end.clamp(range.start, range.end));
        if end < range.end {
            lost.fetch_add(1, Ordering::Relaxed);
        }
        range.start..end
    }

    /// How often something was asked for that was not kept.
    pub(super) fn lost(&self) -> usize {
        match self {
            Kept::Whole => 0,
            Kept::Parts(_, lost) => lost.load(Ordering::Relaxed),
        }
    }
}

/// Notes which parts of a file are asked for, once it is told to.
#[derive(Default)]
pub(super) struct Watch {
    on: AtomicBool,
    noted: Mutex<Vec<Range<u64>>>,
}

impl Watch {
    pub(super) fn begin(&self) {
        self.on.store(true, Ordering::Relaxed);
    }

    pub(super) fn note(&self, range: Range<u64>) {
        if !self.on.load(Ordering::Relaxed) {
            return;
        }
        let mut noted = self.noted.lock().unwrap_or_else(|e| e.into_inner());
        if noted.len() >= MAX_NOTED {
            *noted = merged(std::mem::take(&mut noted), u64::MAX);
        }
        noted.push(range);
    }

    pub(super) fn noted(&self) -> Vec<Range<u64>> {
        self.noted.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }
}

/// The ranges up to `end`, in order, those that overlap or adjoin as one.
pub(super) fn merged(mut ranges: Vec<Range<u64>>, end: u64) -> Vec<Range<u64>> {
    ranges.iter_mut().for_each(|range| range.end = range.end.min(end));
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, last| {
        let joined = next.start <= last.end;
        if joined {
            last.end = last.end.max(next.end);
        }
        joined
    });
    ranges
}

/// Where the tables of segments and sections lie, which parsing reads.
pub(super) fn tables(header: &Header) -> [(&'static str, Range<u64>); 2] {
    let table =
        |start: u64, count: u64, size: u64| start..start.saturating_add(count.saturating_mul(size));
    let segments = table(
        header.e_phoff.get(LE),
        header.e_phnum.get(LE).into(),
        header.e_phentsize.get(LE).into(),
    );
    // A table too long for `e_shnum` says so in its first entry.
    let sections = match header.e_shoff.get(LE) {
        0 => 0..0,
        start => {
            table(start, header.e_shnum.get(LE).max(1).into(), header.e_shentsize.get(LE).into())
        }
    };
    [("the table of segments", segments), ("the section table", sections)]
}

/// Whether a section holds symbols or their names.
pub(super) fn is_symbols(section: &SectionHeader64<LittleEndian>) -> bool {
    let loaded = section.sh_flags(LE).contains(elf::SHF_ALLOC);
    matches!(section.sh_type(LE), elf::SHT_SYMTAB | elf::SHT_STRTAB) && !loaded
}

/// Where in the file the bytes of a segment are.
pub(super) fn stored(program: &ProgramHeader64<LittleEndian>) -> Range<u64> {
    let start = program.p_offset(LE);
    start..start.saturating_add(program.p_filesz(LE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_merged_and_cut() {
        let ranges = vec![5..7, 0..2, 2..3, 6..9, 20..30, 4..4];
        assert_eq!(merged(ranges, 25), [0..3, 5..9, 20..25]);
    }

    #[test]
    fn only_what_was_kept_is_there() {
        let kept = Kept::parts(&[10..20, 30..40]);
        assert!(kept.all(10..20, "x").is_ok());
        assert_eq!(kept.lost(), 0);
        assert_eq!(kept.front(12..35), 12..20);
        assert_eq!(kept.front(20..35), 20..20);
        assert_eq!(kept.all(0..1, "x"), Err(ElfError::NotRecorded { what: "x".into() }));
        assert_eq!(kept.lost(), 3);
    }
}
