//! The symbol table.

use object::elf;
use object::read::elf::{SectionTable, Sym as _, SymbolTable};

use super::{ElfError, Header, LE, malformed};
use crate::FileVa;

/// A symbol with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'d> {
    /// Its name, as the linker wrote it.
    pub name: &'d [u8],
    /// Where it is linked to lie.
    pub addr: FileVa,
    /// Its size in bytes; 0 where the linker states none.
    pub size: u64,
    /// What it names.
    pub kind: SymbolKind,
}

/// What a symbol names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    /// Code.
    Function,
    /// Data.
    Object,
    /// Something else, such as a label of the linker.
    Other,
}

/// The file's symbol table; empty where the file is stripped.
pub(super) fn table<'d>(
    data: &'d [u8],
    sections: &SectionTable<'d, Header>,
) -> Result<SymbolTable<'d, Header>, ElfError> {
    sections.symbols(LE, data, elf::SHT_SYMTAB).map_err(malformed("symbol table"))
}

/// The symbols that have an address and a name that can be read.
pub(super) fn symbols<'a, 'd>(
    table: &'a SymbolTable<'d, Header>,
) -> impl Iterator<Item = Symbol<'d>> + use<'a, 'd> {
    let strings = table.strings();
    table.iter().filter_map(move |symbol| {
        let kind = match symbol.st_type() {
            elf::STT_FUNC | elf::STT_GNU_IFUNC => SymbolKind::Function,
            elf::STT_OBJECT => SymbolKind::Object,
            elf::STT_NOTYPE => SymbolKind::Other,
            _ => return None,
        };
        if symbol.is_undefined(LE) {
            return None;
        }
        let name = symbol.name(LE, strings).ok()?;
        let addr = FileVa(symbol.st_value(LE));
        Some(Symbol { name, addr, size: symbol.st_size(LE), kind })
    })
}
