//! Where an executable has its pclntab, its code's beginning and its `go:func.*`.

use memchr::memmem;

use super::{Pclntab, PclntabError};
use crate::bytes::le_u64;
use crate::{Elf, FileVa};

/// The names of the section: plain, and in position-independent executables up to Go 1.25.
const SECTIONS: [&str; 2] = [".gopclntab", ".data.rel.ro.gopclntab"];
/// The header's first bytes in each layout: magic, padding, quantum, pointer size.
const STARTS: [&[u8]; 2] = [b"\xf1\xff\xff\xff\0\0\x01\x08", b"\xf0\xff\xff\xff\0\0\x01\x08"];

impl<'d> Pclntab<'d> {
    /// Finds the pclntab of an executable, where its code begins and, where a symbol tells,
    /// `go:func.*`. Elsewhere `moduledata` tells both; see [`Pclntab::parse`] and
    /// [`Pclntab::with_gofunc`].
    ///
    /// # Errors
    /// There is none, it cannot be parsed, or nothing tells where the code begins.
    pub fn find_in(elf: &Elf<'d>) -> Result<Pclntab<'d>, PclntabError> {
        let bytes = Pclntab::locate(elf).ok_or(PclntabError::Missing)?;
        let text = text_start(elf, bytes).or_else(|| text_by_entry(elf, bytes));
        let text = text.ok_or(PclntabError::NoText)?;
        let table = Pclntab::parse(bytes, text)?;
        Ok(table.with_gofunc(gofunc(elf).unwrap_or_default()))
    }

    /// The bytes of the pclntab: by its section, by its symbol, else by its magic.
    pub fn locate(elf: &Elf<'d>) -> Option<&'d [u8]> {
        let sections = SECTIONS.iter().filter_map(|name| elf.section(name));
        let stored = sections.filter_map(|section| elf.stored(section).ok());
        let symbol = elf.symbol("runtime.pclntab").and_then(|s| elf.bytes_from(s.addr));
        let known = stored.chain(symbol).find(|bytes| is_header(bytes));
        known.or_else(|| search(elf))
    }
}

fn is_header(bytes: &[u8]) -> bool {
    STARTS.iter().any(|start| bytes.starts_with(start))
}

/// The first place in the loadable bytes that parses.
fn search<'d>(elf: &Elf<'d>) -> Option<&'d [u8]> {
    let segments = elf.segments().iter().filter_map(|s| elf.bytes_from(s.addr));
    segments.flat_map(|bytes| STARTS.map(|start| (bytes, start))).find_map(|(bytes, start)| {
        let tails = memmem::find_iter(bytes, start).filter_map(|at| bytes.get(at..));
        tails.into_iter().find(|tail| Pclntab::parse(tail, FileVa(0)).is_ok())
    })
}

/// The symbol, else the header's field where it lies in code (up to Go 1.25, not in PIEs), else
/// the beginning of `.text`, which the C runtime's code precedes in external links only.
fn text_start(elf: &Elf<'_>, bytes: &[u8]) -> Option<FileVa> {
    if let Some(symbol) = elf.symbol("runtime.text") {
        return Some(symbol.addr);
    }
    let stated = FileVa(le_u64(bytes, 24)?);
    let in_code = |va: &FileVa| {
        elf.segments()
            .iter()
            .any(|s| s.execute && va.offset_from(s.addr).is_some_and(|at| at < s.size))
    };
    Some(stated).filter(in_code).or_else(|| elf.section(".text").map(|s| s.addr))
}

/// Where the code begins for the program to begin with `_rt0_amd64_linux` (runtime/rt0_linux_amd64.s),
/// as it does unless an external linker made it.
fn text_by_entry(elf: &Elf<'_>, bytes: &[u8]) -> Option<FileVa> {
    let table = Pclntab::parse(bytes, FileVa(0)).ok()?;
    let first = table.funcs().find(|func| func.name() == "_rt0_amd64_linux")?;
    elf.entry().0.checked_sub(first.entry().0).map(FileVa)
}

/// The symbol `go:func.*`, spelled `go.func.*` up to Go 1.19. Not the section `.go.func` of Go
/// 1.27, which holds closures.
fn gofunc<'d>(elf: &Elf<'d>) -> Option<&'d [u8]> {
    let symbol = ["go:func.*", "go.func.*"].iter().find_map(|name| elf.symbol(name))?;
    elf.bytes_from(symbol.addr)
}
