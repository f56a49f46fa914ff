//! Go's DWARF: types, constants, global variables, functions and their variables.
//!
//! DWARF 4 (Go ≤ 1.24) and DWARF 5 (Go ≥ 1.25), as `cmd/internal/dwarf` and `cmd/link/internal/ld`
//! write it. Opening reads `.debug_info` once and indexes its top level; everything below is
//! parsed when it is asked for. Names are borrowed from the file. The units of other languages in
//! a cgo program are not indexed.

mod entry;
mod error;
mod function;
mod index;
mod layout;
mod locals;
mod location;
mod name;
mod open;
#[cfg(test)]
mod tests;
mod types;
mod unit;

use gimli::Dwarf;

pub use error::DwarfError;
pub use function::{Function, Global};
pub use layout::{Place, StructLayout};
pub use locals::Variable;
pub use location::{Location, Piece};
pub use types::{Member, Shape, Type, TypeRef};

use crate::FileVa;
use entry::Entry;
use index::Index;
use unit::{Bytes, Unit, Units};

/// The DWARF of a Go executable.
pub struct Debug<'e> {
    dwarf: Dwarf<Bytes<'e>>,
    units: Units<'e>,
    index: Index<'e>,
}

impl<'e> Debug<'e> {
    /// The type of that name, with full package paths. Where a typedef and the type it names
    /// bear the same name, the typedef.
    pub fn type_named(&self, name: &str) -> Option<TypeRef> {
        self.index.types.get(name).copied()
    }

    /// All types that have a name, in no order.
    pub fn types(&self) -> impl Iterator<Item = (&'e str, TypeRef)> + '_ {
        self.index.types.iter().map(|(name, ty)| (*name, *ty))
    }

    /// The value of an integer constant, by its name with the full path of its package. Go
    /// describes the typed and untyped integer constants that packages declare at top level.
    pub fn constant(&self, name: &str) -> Option<i64> {
        self.index.constants.get(name).copied()
    }

    /// All package-level variables, by address.
    pub fn globals(&self) -> &[Global<'e>] {
        &self.index.globals
    }

    /// The package-level variable of that name.
    pub fn global(&self, name: &str) -> Option<&Global<'e>> {
        let addr = *self.index.global_names.get(name)?;
        let from = self.index.globals.partition_point(|g| g.addr < addr);
        let here = self.index.globals.get(from..)?.iter();
        here.take_while(|g| g.addr == addr).find(|g| g.name == name)
    }

    /// All functions with code, by address.
    pub fn functions(&self) -> &[Function<'e>] {
        &self.index.functions
    }

    /// The function that contains an address.
    pub fn function_at(&self, pc: FileVa) -> Option<&Function<'e>> {
        function::find(&self.index.functions, pc)
    }

    /// What could not be read, and is therefore missing from every answer. Empty for a sound
    /// file; at most a thousand errors are kept.
    pub fn damage(&self) -> &[DwarfError] {
        &self.index.damage
    }

    /// How many units of other languages than Go there are, which are not indexed.
    pub fn foreign_units(&self) -> usize {
        self.index.foreign_units
    }

    /// Calls `visit` with each direct child of the entry at `offset` until it returns `false`.
    fn children(
        &self,
        offset: u64,
        mut visit: impl FnMut(&Unit<'e>, &Entry<'e>) -> Result<bool, DwarfError>,
    ) -> Result<(), DwarfError> {
        let unit = self.units.at(offset)?;
        let wrong = |source| unit.malformed(source);
        let mut entries = unit.entries_at(offset)?;
        let parent = entries.read_abbreviation().map_err(wrong)?;
        let parent = parent.ok_or(DwarfError::NoEntry { offset })?;
        entries.skip_attributes(parent.attributes()).map_err(wrong)?;
        while entries.next_depth() > 0 {
            let (at, depth) = (unit.global(entries.next_offset()), entries.next_depth());
            let Some(abbrev) = entries.read_abbreviation().map_err(wrong)? else { continue };
            if depth != 1 {
                entries.skip_attributes(abbrev.attributes()).map_err(wrong)?;
                continue;
            }
            let entry = Entry::read(unit, at, &mut entries, abbrev).map_err(wrong)?;
            if !visit(unit, &entry)? {
                return Ok(());
            }
        }
        Ok(())
    }
}
