//! The ELF file: segments, sections, symbols, build ids.

mod compressed;
mod error;
mod identify;
mod kept;
mod note;
mod section;
mod symbol;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use foldhash::fast::RandomState;
use object::LittleEndian;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::elf::{FileHeader as _, ProgramHeader as _, SectionHeader as _, SymbolTable};

use crate::{FileOff, FileVa};

pub use error::ElfError;
use kept::{Kept, Watch};
pub use section::Section;
pub use symbol::{Symbol, SymbolKind};

type Header = FileHeader64<LittleEndian>;

/// The endianness of every file that [`Elf::parse`] accepts.
const LE: LittleEndian = LittleEndian;

/// One loadable piece of the executable (`PT_LOAD`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it is linked to lie.
    pub addr: FileVa,
    /// Its size in a process, in bytes; beyond `file_size` it is zeroes.
    pub size: u64,
    /// Where its bytes begin in the file.
    pub offset: FileOff,
    /// How many bytes of it are in the file.
    pub file_size: u64,
    /// The process may write to it.
    pub write: bool,
    /// The process may execute it.
    pub execute: bool,
}

impl Segment {
    /// Whether the file holds the byte at `va`, and at which distance from the segment's start.
    fn stored_at(&self, va: FileVa) -> Option<u64> {
        va.offset_from(self.addr).filter(|&at| at < self.file_size)
    }
}

/// An x86-64 executable or shared object, parsed where it lies.
pub struct Elf<'d> {
    data: &'d [u8],
    header: &'d Header,
    programs: &'d [ProgramHeader64<LittleEndian>],
    segments: Vec<Segment>,
    sections: Vec<Section<'d>>,
    symbols: SymbolTable<'d, Header>,
    by_name: OnceLock<HashMap<&'d [u8], Symbol<'d>, RandomState>>,
    decompressed: Vec<OnceLock<Result<Vec<u8>, ElfError>>>,
    kept: Kept,
    watch: Watch,
}

impl<'d> Elf<'d> {
    /// Parses the headers, the section table and the symbol table's place. Nothing is
    /// decompressed or indexed before it is asked for.
    ///
    /// # Errors
    /// Says what the file is where it is no x86-64 executable, and what is cut off or malformed
    /// where it is one.
    pub fn parse(data: &'d [u8]) -> Result<Elf<'d>, ElfError> {
        Elf::with(data, Kept::Whole)
    }

    /// The same of a file of which only the ranges `kept` of `data` are there (offsets in the
    /// file, in any order). What lies elsewhere is an error or absent, whatever bytes `data` has
    /// there. [`Elf::touched`] tells what to keep.
    ///
    /// # Errors
    /// As [`Elf::parse`], and where a header or table that it reads is not among what was kept.
    pub fn parse_kept(data: &'d [u8], kept: &[Range<u64>]) -> Result<Elf<'d>, ElfError> {
        Elf::with(data, Kept::parts(kept))
    }

    fn with(data: &'d [u8], kept: Kept) -> Result<Elf<'d>, ElfError> {
        kept.all(0..64, "the ELF header")?;
        let header = identify::header(data)?;
        for (what, range) in kept::tables(header) {
            kept.all(range, what)?;
        }
        let programs = header.program_headers(LE, data).map_err(malformed("program headers"))?;
        let segments = programs.iter().filter(|p| p.p_type(LE) == elf::PT_LOAD);
        let segments: Vec<_> = segments.map(segment).collect();
        for segment in &segments {
            let end = segment.offset.0.saturating_add(segment.file_size);
            inside(data, end, || format!("the segment at {}", segment.addr))?;
        }
        let table = section::table(data, header)?;
        // A file without a table of sections has none of their names either.
        let names = match table.is_empty() {
            true => 0,
            false => header.shstrndx(LE, data).map_err(malformed("section table"))? as usize,
        };
        for (index, section) in table.iter().enumerate() {
            if index == names || kept::is_symbols(section) {
                let start = section.sh_offset(LE);
                let range = start..start.saturating_add(section.sh_size(LE));
                kept.all(range, "a table of symbols or names")?;
            }
        }
        let sections = section::sections(data, &table)?;
        let symbols = symbol::table(data, &table)?;
        let decompressed = sections.iter().map(|_| OnceLock::new()).collect();
        let by_name = OnceLock::new();
        let watch = Watch::default();
        Ok(Elf {
            data,
            header,
            programs,
            segments,
            sections,
            symbols,
            by_name,
            decompressed,
            kept,
            watch,
        })
    }

    /// Notes from now on which parts of the file are asked for.
    pub fn watch(&self) {
        self.watch.begin();
    }

    /// Which parts of the file have been asked for since [`Elf::watch`], and those that are read
    /// in any case: by rising offset, without overlaps.
    pub fn touched(&self) -> Vec<Range<u64>> {
        let mut touched = self.watch.noted();
        touched.push(0..64);
        touched.extend(kept::tables(self.header).map(|(_, range)| range));
        let small = |p: &&ProgramHeader64<LittleEndian>| {
            matches!(p.p_type(LE), elf::PT_NOTE | elf::PT_DYNAMIC)
        };
        touched.extend(self.programs.iter().filter(small).map(kept::stored));
        if let Ok(table) = section::table(self.data, self.header) {
            let names = self.header.shstrndx(LE, self.data).unwrap_or(0) as usize;
            let tables = table.iter().enumerate();
            let tables = tables.filter(|(i, section)| *i == names || kept::is_symbols(section));
            touched.extend(tables.map(|(_, section)| {
                let start = section.sh_offset(LE);
                start..start.saturating_add(section.sh_size(LE))
            }));
        }
        kept::merged(touched, self.data.len() as u64)
    }

    /// The bytes of the file in `range`, where it has and kept all of them.
    pub fn bytes_in(&self, range: Range<u64>) -> Option<&'d [u8]> {
        self.kept.all(range.clone(), "").ok()?;
        self.data.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
    }

    /// The length of the file, in bytes.
    pub fn file_len(&self) -> u64 {
        self.data.len() as u64
    }

    /// How often parts of the file were asked for that were not kept.
    pub fn lost(&self) -> usize {
        self.kept.lost()
    }

    /// The loadable segments, in the file's order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// All sections, in the file's order; empty where the section table was stripped off.
    pub fn sections(&self) -> &[Section<'d>] {
        &self.sections
    }

    /// Where execution begins.
    pub fn entry(&self) -> FileVa {
        FileVa(self.header.e_entry(LE))
    }

    /// The bytes linked to lie at `va`, where one segment holds all of them in the file.
    pub fn bytes_at(&self, va: FileVa, len: u64) -> Option<&'d [u8]> {
        let range = self.range_from(va)?;
        let end = range.start.checked_add(len).filter(|&end| end <= range.end)?;
        self.watch.note(range.start..end);
        self.bytes_in(range.start..end)
    }

    /// The bytes linked to lie at `va` and up to the end of what its segment has in the file, or
    /// of what was kept of that.
    pub fn bytes_from(&self, va: FileVa) -> Option<&'d [u8]> {
        let range = self.range_from(va)?;
        self.watch.note(range.clone());
        self.bytes_in(self.kept.front(range))
    }

    /// Where in the file are the bytes from `va` to the end of its segment.
    fn range_from(&self, va: FileVa) -> Option<Range<u64>> {
        let (segment, at) = self.segments.iter().find_map(|s| Some((s, s.stored_at(va)?)))?;
        let start = segment.offset.0.checked_add(at)?;
        Some(start..start.checked_add(segment.file_size - at)?)
    }

    /// Where in the file the byte at `va` is.
    pub fn file_off(&self, va: FileVa) -> Option<FileOff> {
        self.segments.iter().find_map(|s| s.offset.checked_add(s.stored_at(va)?))
    }

    /// The section of that name.
    pub fn section(&self, name: &str) -> Option<&Section<'d>> {
        self.sections.iter().find(|s| s.name == name)
    }

    /// The section of that name, decompressed if need be; `.debug_x` also finds an old
    /// `.zdebug_x`. `None` where there is none. Decompressed at most once.
    ///
    /// # Errors
    /// The section is cut off, states a size that its bytes cannot have, or does not decompress.
    pub fn section_data(&self, name: &str) -> Result<Option<&[u8]>, ElfError> {
        let old_name = name.strip_prefix('.').map(|name| format!(".z{name}"));
        let wanted = |s: &Section<'_>| s.name == name || Some(s.name) == old_name.as_deref();
        let Some(index) = self.sections.iter().position(wanted) else { return Ok(None) };
        let (Some(section), Some(slot)) = (self.sections.get(index), self.decompressed.get(index))
        else {
            return Ok(None);
        };
        let stored = self.stored(section)?;
        let Some(body) = section.compressed_body(stored)? else { return Ok(Some(stored)) };
        let out = slot.get_or_init(|| compressed::decompress(section.name, body));
        out.as_ref().map(|bytes| Some(bytes.as_slice())).map_err(ElfError::clone)
    }

    /// A section's bytes as the file has them, not decompressed; empty for `.bss` and its like.
    ///
    /// # Errors
    /// The file ends before the section does.
    pub fn stored(&self, section: &Section<'_>) -> Result<&'d [u8], ElfError> {
        if !section.in_file {
            return Ok(&[]);
        }
        let end = section.offset.0.saturating_add(section.size);
        inside(self.data, end, || format!("section {}", section.name))?;
        self.watch.note(section.offset.0..end);
        self.kept.all(section.offset.0..end, section.name)?;
        let range = section.offset.0 as usize..end as usize;
        self.data.get(range).ok_or_else(|| ElfError::Malformed {
            what: "section",
            why: format!("{} wraps around", section.name),
        })
    }

    /// Whether the file has a symbol table (not stripped).
    pub fn has_symtab(&self) -> bool {
        !self.symbols.is_empty()
    }

    /// The symbols that have an address, in the file's order.
    pub fn symbols(&self) -> impl Iterator<Item = Symbol<'d>> + '_ {
        symbol::symbols(&self.symbols)
    }

    /// The symbol of that name. The first call indexes the table.
    pub fn symbol(&self, name: &str) -> Option<Symbol<'d>> {
        let index = self.by_name.get_or_init(|| {
            let mut index =
                HashMap::with_capacity_and_hasher(self.symbols.len(), RandomState::default());
            for symbol in self.symbols() {
                index.entry(symbol.name).or_insert(symbol);
            }
            index
        });
        index.get(name.as_bytes()).copied()
    }

    /// The GNU build id, where the linker wrote one.
    pub fn gnu_build_id(&self) -> Option<Vec<u8>> {
        note::gnu_build_id(self)
    }

    /// Go's build id, where the linker wrote one (also in stripped files).
    pub fn go_build_id(&self) -> Option<String> {
        note::go_build_id(self)
    }

    /// Whether the kernel chooses where to load it: its addresses need a load bias to become
    /// addresses of a process. True for PIEs and shared objects.
    pub fn is_position_independent(&self) -> bool {
        self.header.e_type(LE) == elf::ET_DYN
    }

    /// Whether it is a position-independent executable, and not a shared object.
    pub fn is_pie(&self) -> bool {
        self.is_position_independent() && (self.is_dynamic() || self.has_pie_flag())
    }

    /// Whether a dynamic linker is asked for (`PT_INTERP`): cgo, or a PIE.
    pub fn is_dynamic(&self) -> bool {
        self.programs.iter().any(|p| p.p_type(LE) == elf::PT_INTERP)
    }

    /// The contents of every note segment.
    fn note_segments(&self) -> impl Iterator<Item = &'d [u8]> + '_ {
        let notes = self.programs.iter().filter(|p| p.p_type(LE) == elf::PT_NOTE);
        let notes = notes.filter(|p| self.kept.all(kept::stored(p), "").is_ok());
        notes.filter_map(|p| p.data(LE, self.data).ok())
    }

    /// `DF_1_PIE` in `DT_FLAGS_1`, which static PIEs have instead of an interpreter.
    fn has_pie_flag(&self) -> bool {
        let dynamic = self.programs.iter().filter(|p| p.p_type(LE) == elf::PT_DYNAMIC);
        let dynamic = dynamic.filter(|p| self.kept.all(kept::stored(p), "").is_ok());
        let entries = dynamic.filter_map(|p| p.dynamic(LE, self.data).ok().flatten());
        entries.flatten().any(|entry| {
            entry.d_tag.get(LE) == elf::DT_FLAGS_1 && entry.d_val.get(LE) & elf::DF_1_PIE.0 != 0
        })
    }
}

impl std::fmt::Debug for Elf<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut f = f.debug_struct("Elf");
        f.field("len", &self.data.len()).field("segments", &self.segments);
        f.field("sections", &self.sections.len()).field("symbols", &self.symbols.len());
        f.finish_non_exhaustive()
    }
}

fn segment(program: &ProgramHeader64<LittleEndian>) -> Segment {
    let flags = program.p_flags(LE);
    let size = program.p_memsz(LE);
    Segment {
        addr: FileVa(program.p_vaddr(LE)),
        size,
        offset: FileOff(program.p_offset(LE)),
        file_size: program.p_filesz(LE).min(size),
        write: flags.contains(elf::PF_W),
        execute: flags.contains(elf::PF_X),
    }
}

/// Turns what the parser says of `what` into an error.
fn malformed(what: &'static str) -> impl Fn(object::Error) -> ElfError {
    move |error| ElfError::Malformed { what, why: error.to_string() }
}

/// An error that names `what` unless the file reaches to `end`.
fn inside(data: &[u8], end: u64, what: impl FnOnce() -> String) -> Result<(), ElfError> {
    let file_len = data.len() as u64;
    if end > file_len {
        return Err(ElfError::Truncated { what: what(), end, file_len });
    }
    Ok(())
}
