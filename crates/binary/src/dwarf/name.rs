//! Entries by their place, and what they are called.

use gimli::{AttributeValue, Dwarf};

use super::entry::Entry;
use super::error::DwarfError;
use super::unit::{Bytes, Unit, Units};

/// How many entries a chain of origins may have: Go needs two.
const ORIGINS: usize = 8;

/// The name of an entry: its own, or that of the entry it is an instance of.
pub(super) fn name<'e>(
    dwarf: &Dwarf<Bytes<'e>>,
    units: &Units<'e>,
    unit: &Unit<'e>,
    entry: &Entry<'e>,
) -> Result<&'e str, DwarfError> {
    if let Some(value) = entry.name {
        return text(dwarf, unit, entry.offset, value);
    }
    let mut origin = entry.require(entry.origin, "name")?;
    for _ in 0..ORIGINS {
        let (unit, entry) = entry_at(units, origin)?;
        match entry.name {
            Some(value) => return text(dwarf, unit, origin, value),
            None => origin = entry.require(entry.origin, "name")?,
        }
    }
    Err(DwarfError::TooDeep { offset: entry.offset })
}

/// The entry at an offset of `.debug_info`, and its unit.
pub(super) fn entry_at<'u, 'e>(
    units: &'u Units<'e>,
    offset: u64,
) -> Result<(&'u Unit<'e>, Entry<'e>), DwarfError> {
    let unit = units.at(offset)?;
    let mut entries = unit.entries_at(offset)?;
    let wrong = |source| unit.malformed(source);
    let abbrev = entries.read_abbreviation().map_err(wrong)?;
    let abbrev = abbrev.ok_or(DwarfError::NoEntry { offset })?;
    Ok((unit, Entry::read(unit, offset, &mut entries, abbrev).map_err(wrong)?))
}

/// A string attribute, borrowed from its section.
pub(super) fn text<'e>(
    dwarf: &Dwarf<Bytes<'e>>,
    unit: &Unit<'e>,
    offset: u64,
    value: AttributeValue<Bytes<'e>>,
) -> Result<&'e str, DwarfError> {
    let bytes = dwarf.attr_string(&unit.inner, value).map_err(|e| unit.malformed(e))?;
    std::str::from_utf8(bytes.slice()).map_err(|_| DwarfError::NotUtf8 { offset })
}
