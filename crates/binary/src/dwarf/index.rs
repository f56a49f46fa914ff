//! What there is in `.debug_info`, found in one pass over its entries.
//!
//! The pass reads the attributes of the top-level entries of Go's units only. Everything below
//! them (variables, inlined calls, members) is skipped here and parsed when it is asked for.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use foldhash::fast::RandomState;
use gimli::{Abbreviation, AttributeValue, Dwarf, EntriesRaw, constants as c};

use super::entry::Entry;
use super::error::DwarfError;
use super::function::{Function, Global};
use super::name::name;
use super::types::TypeRef;
use super::unit::{Bytes, DAMAGE_KEPT, Unit, Units, address, indexed_address};
use crate::FileVa;

/// What has a name, by it. The seed is of this run, so that no file can be made of names that collide.
pub(super) type ByName<'e, T> = HashMap<&'e str, T, RandomState>;

/// Everything that can be looked up by name or address.
#[derive(Default)]
pub(super) struct Index<'e> {
    pub(super) types: ByName<'e, TypeRef>,
    pub(super) constants: ByName<'e, i64>,
    /// By address.
    pub(super) globals: Vec<Global<'e>>,
    pub(super) global_names: ByName<'e, FileVa>,
    /// By address.
    pub(super) functions: Vec<Function<'e>>,
    /// What could not be read, and why.
    pub(super) damage: Vec<DwarfError>,
    /// Units in other languages than Go, which are not indexed.
    pub(super) foreign_units: usize,
}

/// Units with fewer bytes of entries than this are not shared between threads: to begin one takes as
/// long as to read some ten thousand bytes.
const WORTH_A_THREAD: u64 = 1 << 18;

impl<'e> Index<'e> {
    /// Reads the top level of all of Go's units: half of them in a thread of its own, where that is
    /// worth it.
    pub(super) fn build(dwarf: &Dwarf<Bytes<'e>>, units: &Units<'e>) -> Index<'e> {
        let (first, second) = halves(units.all());
        let (first, second) = std::thread::scope(|scope| {
            let rest = || Part::read(dwarf, units, second);
            let other = match second.is_empty() {
                true => None,
                false => std::thread::Builder::new().spawn_scoped(scope, rest).ok(),
            };
            let first = Part::read(dwarf, units, first);
            let second = match other.map(|other| other.join()) {
                Some(Ok(second)) => second,
                Some(Err(panic)) => std::panic::resume_unwind(panic),
                None => rest(),
            };
            (first, second)
        });
        let mut index = Index { damage: units.damage.clone(), ..Index::default() };
        let mut typedefs = ByName::default();
        for Part { index: part, plain_typedefs } in [first, second] {
            index.add(part);
            add(&mut typedefs, plain_typedefs);
        }
        index.types.extend(typedefs);
        index.globals.sort_unstable_by_key(|g| (g.addr, g.name));
        index.functions.sort_unstable_by_key(|f| (f.low, f.high));
        index
    }

    /// Adds what later units have.
    fn add(&mut self, later: Index<'e>) {
        add(&mut self.types, later.types);
        add(&mut self.constants, later.constants);
        add(&mut self.global_names, later.global_names);
        append(&mut self.globals, later.globals);
        append(&mut self.functions, later.functions);
        later.damage.into_iter().for_each(|error| self.note(error));
        self.foreign_units += later.foreign_units;
    }

    fn note(&mut self, error: DwarfError) {
        if self.damage.len() < DAMAGE_KEPT {
            self.damage.push(error);
        }
    }
}

/// Adds what has no such name before.
fn add<'e, T>(to: &mut ByName<'e, T>, later: ByName<'e, T>) {
    if to.is_empty() {
        *to = later;
        return;
    }
    for (name, one) in later {
        to.entry(name).or_insert(one);
    }
}

fn append<T>(to: &mut Vec<T>, later: Vec<T>) {
    match to.is_empty() {
        true => *to = later,
        false => to.extend(later),
    }
}

/// Cuts the units in two of about as many bytes; the second is empty where they have few.
fn halves<'u, 'e>(units: &'u [Unit<'e>]) -> (&'u [Unit<'e>], &'u [Unit<'e>]) {
    let begin = units.first().map_or(0, |unit| unit.start);
    let len = units.last().map_or(0, |unit| unit.end).saturating_sub(begin);
    if len < WORTH_A_THREAD {
        return (units, &[]);
    }
    units.split_at(units.partition_point(|unit| unit.start - begin < len / 2))
}

/// What some units have.
struct Part<'e> {
    index: Index<'e>,
    plain_typedefs: ByName<'e, TypeRef>,
}

impl<'e> Part<'e> {
    /// Reads `own`, which are some of `units`.
    fn read(dwarf: &Dwarf<Bytes<'e>>, units: &Units<'e>, own: &[Unit<'e>]) -> Part<'e> {
        let mut index = Index::default();
        let mut pass = Pass { dwarf, units, index: &mut index, plain_typedefs: ByName::default() };
        for unit in own {
            if !unit.is_go {
                pass.index.foreign_units += 1;
            } else if let Err(source) = pass.unit(unit) {
                pass.index.note(unit.malformed(source));
            }
        }
        let plain_typedefs = pass.plain_typedefs;
        Part { index, plain_typedefs }
    }
}

struct Pass<'p, 'e> {
    dwarf: &'p Dwarf<Bytes<'e>>,
    units: &'p Units<'e>,
    index: &'p mut Index<'e>,
    /// Typedefs that only name another type. Where a struct or interface has one, both bear the
    /// same name and the program's variables mean the typedef.
    plain_typedefs: ByName<'e, TypeRef>,
}

impl<'e> Pass<'_, 'e> {
    fn unit(&mut self, unit: &Unit<'e>) -> Result<(), gimli::Error> {
        let mut entries = unit.inner.header.entries_raw(&unit.inner.abbreviations, None)?;
        while !entries.is_empty() {
            let (offset, depth) = (entries.next_offset(), entries.next_depth());
            let Some(abbrev) = entries.read_abbreviation()? else { continue };
            if depth == 1 && is_indexed(abbrev) {
                self.entry(unit, unit.global(offset), &mut entries, abbrev)?;
            } else {
                entries.skip_attributes(abbrev.attributes())?;
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        unit: &Unit<'e>,
        offset: u64,
        entries: &mut EntriesRaw<'_, Bytes<'e>>,
        abbrev: &Abbreviation,
    ) -> Result<(), gimli::Error> {
        let entry = Entry::read(unit, offset, entries, abbrev)?;
        let taken = match entry.tag {
            c::DW_TAG_variable => self.global(unit, &entry),
            c::DW_TAG_constant => self.constant(unit, &entry),
            c::DW_TAG_subprogram => self.function(unit, &entry),
            _ => self.named_type(unit, &entry),
        };
        if let Err(error) = taken {
            self.index.note(error);
        }
        Ok(())
    }

    fn global(&mut self, unit: &Unit<'e>, entry: &Entry<'e>) -> Result<(), DwarfError> {
        let (Some(location), Some(ty)) = (entry.location, entry.ty) else { return Ok(()) };
        let Some(addr) = self.fixed_address(unit, location)? else { return Ok(()) };
        let name = name(self.dwarf, self.units, unit, entry)?;
        self.index.globals.push(Global { name, addr, ty: TypeRef(ty) });
        self.index.global_names.entry(name).or_insert(addr);
        Ok(())
    }

    /// The address of a variable that lives at one, by an expression of a single operation.
    fn fixed_address(
        &self,
        unit: &Unit<'e>,
        location: AttributeValue<Bytes<'e>>,
    ) -> Result<Option<FileVa>, DwarfError> {
        let Some(expression) = location.exprloc_value() else { return Ok(None) };
        let mut operations = expression.operations(unit.inner.encoding());
        let wrong = |source| unit.malformed(source);
        let addr = match operations.next().map_err(wrong)? {
            Some(gimli::Operation::Address { address }) => address,
            Some(gimli::Operation::AddressIndex { index }) => {
                indexed_address(self.dwarf, unit, index).map_err(wrong)?
            }
            _ => return Ok(None),
        };
        Ok(operations.next().map_err(wrong)?.is_none().then_some(FileVa(addr)))
    }

    fn constant(&mut self, unit: &Unit<'e>, entry: &Entry<'e>) -> Result<(), DwarfError> {
        let value = entry.require(entry.constant, "constant value")?;
        let name = name(self.dwarf, self.units, unit, entry)?;
        self.index.constants.entry(name).or_insert(value);
        Ok(())
    }

    /// Takes a function with code. Abstract ones, which only inlined calls refer to, have none.
    fn function(&mut self, unit: &Unit<'e>, entry: &Entry<'e>) -> Result<(), DwarfError> {
        let Some((low, high)) = code_range(self.dwarf, unit, entry)? else { return Ok(()) };
        let name = name(self.dwarf, self.units, unit, entry)?;
        self.index.functions.push(Function {
            name,
            low,
            high,
            decl_line: entry.decl_line,
            entry: entry.offset,
        });
        Ok(())
    }

    fn named_type(&mut self, unit: &Unit<'e>, entry: &Entry<'e>) -> Result<(), DwarfError> {
        let ty = TypeRef(entry.offset);
        if entry.name.is_none() {
            return Ok(());
        }
        let name = name(self.dwarf, self.units, unit, entry)?;
        let plain = entry.tag == c::DW_TAG_typedef && entry.kind.is_none();
        let names = if plain { &mut self.plain_typedefs } else { &mut self.index.types };
        if let Slot::Vacant(slot) = names.entry(name) {
            slot.insert(ty);
        }
        Ok(())
    }
}

fn is_indexed(abbrev: &Abbreviation) -> bool {
    matches!(
        abbrev.tag(),
        c::DW_TAG_variable
            | c::DW_TAG_constant
            | c::DW_TAG_subprogram
            | c::DW_TAG_base_type
            | c::DW_TAG_pointer_type
            | c::DW_TAG_structure_type
            | c::DW_TAG_array_type
            | c::DW_TAG_subroutine_type
            | c::DW_TAG_typedef
            | c::DW_TAG_unspecified_type
    )
}

/// The code of a function or block that is in one piece, or `None` where it has none.
pub(super) fn code_range<'e>(
    dwarf: &Dwarf<Bytes<'e>>,
    unit: &Unit<'e>,
    entry: &Entry<'e>,
) -> Result<Option<(FileVa, FileVa)>, DwarfError> {
    let (Some(low), Some(high)) = (entry.low, entry.high) else { return Ok(None) };
    let at = |value| address(dwarf, unit, value).map_err(|e| unit.malformed(e));
    let Some(low) = at(low)? else { return Ok(None) };
    let high = match high.udata_value() {
        // From DWARF 4 on a constant is a length (DWARF 4, section 2.17.2).
        Some(length) => low.checked_add(length),
        None => at(high)?,
    };
    Ok(high.filter(|high| low < *high).map(|high| (FileVa(low), FileVa(high))))
}
