//! The table from program counters to functions, lines and stack depths, which Go's runtime
//! itself unwinds by and which no stripping removes.
//!
//! Layouts: `runtime/symtab.go` and `cmd/link/internal/ld/pcln.go`, Go 1.19 … 1.27. The magic
//! tells the two layouts that matter here apart: `0xfffffff0` (Go 1.18, 1.19) and `0xfffffff1`
//! (since 1.20), where functions gained a start line and inline trees shrank.

mod deferred;
mod func;
mod inline;
mod locate;
mod stackmap;
mod table;
#[cfg(test)]
mod tests;
mod value;

use crate::FileVa;
use crate::bytes::{le_u32, le_u64, text};

pub use func::Func;
pub use inline::CodeFrame;
pub use stackmap::{LivePointers, PointerWords};
pub use value::Values;

/// The size of `runtime.pcHeader`, in bytes.
const HEADER: usize = 72;
/// The size of one entry of the function table, in bytes.
const ENTRY: usize = 8;

/// Why a pclntab cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PclntabError {
    /// The executable has none.
    #[error("no pclntab: not a Go executable, or one robbed of it")]
    Missing,
    /// A magic of no known layout.
    #[error("pclntab magic {magic:#x} is not known: a release older than 1.18, or too new")]
    Magic {
        /// The magic found.
        magic: u32,
    },
    /// A header for another processor.
    #[error("the pclntab is for {pointer}-byte pointers and instructions of {quantum} bytes")]
    Machine {
        /// The size of a pointer, in bytes.
        pointer: u8,
        /// The least size of an instruction, in bytes.
        quantum: u8,
    },
    /// A table that reaches beyond the pclntab.
    #[error("the pclntab's {what} at {at:#x} reaches beyond its {len} bytes")]
    CutOff {
        /// The table.
        what: &'static str,
        /// Where it should begin, in bytes from the header.
        at: u64,
        /// The length of the pclntab, in bytes.
        len: usize,
    },
    /// No evidence tells where the code begins that the table's offsets count from.
    #[error("the pclntab does not say where the code begins")]
    NoText,
}

/// Which of the layouts a pclntab has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// Magic `0xfffffff0`: Go 1.18 and 1.19.
    Go118,
    /// Magic `0xfffffff1`: Go 1.20 and later.
    Go120,
}

/// A parsed pclntab. Copies nothing and is cheap to make.
#[derive(Clone, Copy)]
pub struct Pclntab<'d> {
    layout: Layout,
    text: FileVa,
    count: usize,
    /// The function table and the functions, which count their offsets from it.
    funcs: &'d [u8],
    names: &'d [u8],
    units: &'d [u8],
    files: &'d [u8],
    values: &'d [u8],
    /// The bytes from `go:func.*` on, which hold the inline trees; empty where not known.
    gofunc: &'d [u8],
}

impl<'d> Pclntab<'d> {
    /// Reads the header in front of `bytes`. `text` is where the code begins
    /// (`moduledata.text`, the symbol `runtime.text`): the header's own field is zero since
    /// Go 1.26 and in position-independent executables.
    ///
    /// # Errors
    /// The magic is not known, or a table reaches beyond `bytes`.
    pub fn parse(bytes: &'d [u8], text: FileVa) -> Result<Pclntab<'d>, PclntabError> {
        let layout = layout(bytes)?;
        let from = |what, field: usize| {
            let at = le_u64(bytes, field).unwrap_or(u64::MAX);
            let tail = usize::try_from(at).ok().and_then(|at| bytes.get(at..));
            tail.ok_or(PclntabError::CutOff { what, at, len: bytes.len() })
        };
        let funcs = from("function table", 64)?;
        let stated = le_u64(bytes, 8).unwrap_or(u64::MAX);
        let cut_off = PclntabError::CutOff { what: "function table", at: stated, len: bytes.len() };
        let fits = (funcs.len().saturating_sub(4) / ENTRY) as u64;
        let count = usize::try_from(stated).ok().filter(|_| stated <= fits).ok_or(cut_off)?;
        Ok(Pclntab {
            layout,
            text,
            count,
            funcs,
            names: from("name table", 32)?,
            units: from("unit table", 40)?,
            files: from("file table", 48)?,
            values: from("value tables", 56)?,
            gofunc: &[],
        })
    }

    /// The same table with the bytes from `go:func.*` (`moduledata.gofunc`) on, without which
    /// inlined calls stay unknown.
    pub fn with_gofunc(self, gofunc: &'d [u8]) -> Pclntab<'d> {
        Pclntab { gofunc, ..self }
    }

    /// Where the code begins that the table describes.
    pub fn text(&self) -> FileVa {
        self.text
    }

    /// Whether inlined calls can be told, which needs `go:func.*`.
    pub fn knows_inlining(&self) -> bool {
        !self.gofunc.is_empty()
    }
}

impl std::fmt::Debug for Pclntab<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut f = f.debug_struct("Pclntab");
        f.field("layout", &self.layout).field("text", &self.text).field("count", &self.count);
        f.finish_non_exhaustive()
    }
}

/// The layout by the magic, for a header that is whole and for this processor.
fn layout(bytes: &[u8]) -> Result<Layout, PclntabError> {
    let &[_, _, _, _, _, _, quantum, pointer, ..] = bytes else {
        return Err(PclntabError::Missing);
    };
    let magic = le_u32(bytes, 0).ok_or(PclntabError::Missing)?;
    let layout = match magic {
        0xffff_fff0 => Layout::Go118,
        0xffff_fff1 => Layout::Go120,
        magic => return Err(PclntabError::Magic { magic }),
    };
    if (quantum, pointer) != (1, 8) {
        return Err(PclntabError::Machine { pointer, quantum });
    }
    if bytes.len() < HEADER {
        return Err(PclntabError::CutOff { what: "header", at: 0, len: bytes.len() });
    }
    Ok(layout)
}

/// The file that a unit's file number names.
fn file<'d>(table: &Pclntab<'d>, unit: u32, number: i32) -> Option<&'d str> {
    let index = unit.checked_add(u32::try_from(number).ok()?)?;
    let at = le_u32(table.units, usize::try_from(index).ok()?.checked_mul(4)?)?;
    // ^0 stands for a file that the linker dropped.
    if at == u32::MAX { None } else { text(table.files, at as usize) }
}
