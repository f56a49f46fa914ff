//! The units of `.debug_info`, and how to come from an offset to the unit that holds it.

use std::collections::BTreeMap;
use std::sync::Arc;

use gimli::{
    Abbreviations, DebugAbbrev, DebugAddrBase, DebugAddrIndex, DebugLocListsBase,
    DebugRngListsBase, DebugStrOffsetsBase, Dwarf, EntriesRaw, LittleEndian, UnitHeader,
    UnitOffset, UnitSectionOffset, constants as c,
};

use super::error::DwarfError;

/// The bytes of one section.
pub(super) type Bytes<'e> = gimli::EndianSlice<'e, LittleEndian>;

/// One unit, with its abbreviations and bases, without its line program: pclntab knows the lines.
pub(super) struct Unit<'e> {
    /// Where the unit starts in `.debug_info`.
    pub(super) start: u64,
    /// Where it ends.
    pub(super) end: u64,
    /// gimli's view of it.
    pub(super) inner: gimli::Unit<Bytes<'e>>,
    /// Whether its language is Go, or not stated, as in the partial units that dwz makes.
    pub(super) is_go: bool,
}

impl<'e> Unit<'e> {
    /// An error of gimli's, with this unit's place.
    pub(super) fn malformed(&self, source: gimli::Error) -> DwarfError {
        DwarfError::Malformed { unit: self.start, source }
    }

    /// The entries from `offset` of `.debug_info` on.
    pub(super) fn entries_at(&self, offset: u64) -> Result<EntriesRaw<'_, Bytes<'e>>, DwarfError> {
        let within = offset.checked_sub(self.start).and_then(|o| usize::try_from(o).ok());
        let within = within.ok_or(DwarfError::NoEntry { offset })?;
        self.inner
            .header
            .entries_raw(&self.inner.abbreviations, Some(UnitOffset(within)))
            .map_err(|_| DwarfError::NoEntry { offset })
    }

    /// The offset in `.debug_info` of an offset in this unit.
    pub(super) fn global(&self, offset: UnitOffset<usize>) -> u64 {
        self.start.saturating_add(offset.0 as u64)
    }
}

/// All units, by their place.
pub(super) struct Units<'e> {
    list: Vec<Unit<'e>>,
    /// Units that could not be read, and why.
    pub(super) damage: Vec<DwarfError>,
}

/// At most this many errors are kept: a file of noise would make one of every unit.
pub(super) const DAMAGE_KEPT: usize = 1000;

/// How many units are read: a Go program has one per package, and one per C file. An empty one
/// takes a few bytes of the file, and hundreds here.
const UNITS: usize = 1 << 17;

impl<'e> Units<'e> {
    /// Reads the headers and root entries of all units. What cannot be read is in `damage`.
    pub(super) fn read(dwarf: &Dwarf<Bytes<'e>>, abbrev: &'e [u8]) -> Units<'e> {
        let mut units = Units { list: Vec::new(), damage: Vec::new() };
        let mut tables = Tables::new(abbrev);
        let mut headers = dwarf.units();
        loop {
            match headers.next() {
                Ok(Some(header)) if units.list.len() == UNITS => {
                    let UnitSectionOffset(offset) = header.offset();
                    let (offset, what) = (offset as u64, "units");
                    units.damage.push(DwarfError::TooMany { offset, what, limit: UNITS });
                    return units;
                }
                Ok(Some(header)) => match read_unit(dwarf, header, &mut tables) {
                    Ok(unit) => units.list.push(unit),
                    Err(error) if units.damage.len() < DAMAGE_KEPT => units.damage.push(error),
                    Err(_) => {}
                },
                Ok(None) => return units,
                Err(source) => {
                    let unit = units.list.last().map_or(0, |u| u.end);
                    units.damage.push(DwarfError::Malformed { unit, source });
                    return units;
                }
            }
        }
    }

    /// The units in the order of the file.
    pub(super) fn all(&self) -> &[Unit<'e>] {
        &self.list
    }

    /// The unit that holds an offset of `.debug_info`.
    pub(super) fn at(&self, offset: u64) -> Result<&Unit<'e>, DwarfError> {
        let after = self.list.partition_point(|u| u.start <= offset);
        let unit = after.checked_sub(1).and_then(|i| self.list.get(i));
        unit.filter(|u| offset < u.end).ok_or(DwarfError::NoEntry { offset })
    }
}

/// Abbreviation tables, shared between the units that use them: in Go, all of them.
struct Tables<'e> {
    section: &'e [u8],
    parsed: BTreeMap<usize, Option<Arc<Abbreviations>>>,
    /// Bytes that may still be parsed. Tables that overlap would let a small file ask for a
    /// table's work and memory once per unit.
    budget: usize,
}

impl<'e> Tables<'e> {
    fn new(section: &'e [u8]) -> Tables<'e> {
        Tables { section, parsed: BTreeMap::new(), budget: section.len() }
    }

    fn at(&mut self, offset: usize) -> Option<Arc<Abbreviations>> {
        if let Some(known) = self.parsed.get(&offset) {
            return known.clone();
        }
        let table = self.parse(offset);
        self.parsed.insert(offset, table.clone());
        table
    }

    fn parse(&mut self, offset: usize) -> Option<Arc<Abbreviations>> {
        let rest = self.section.get(offset..)?;
        let window = rest.get(..rest.len().min(self.budget))?;
        let len = table_len(window);
        self.budget -= len.unwrap_or(window.len());
        let table = DebugAbbrev::new(window.get(..len?)?, LittleEndian);
        table.abbreviations(gimli::DebugAbbrevOffset(0)).ok().map(Arc::new)
    }
}

/// The length of the abbreviation table that `bytes` begins with, in bytes, its final zero
/// included (DWARF 5, section 7.5.3).
fn table_len(bytes: &[u8]) -> Option<usize> {
    let mut rest = Bytes::new(bytes, LittleEndian);
    let uleb = |rest: &mut Bytes<'_>| gimli::Reader::read_uleb128(rest).ok();
    while uleb(&mut rest)? != 0 {
        uleb(&mut rest)?;
        gimli::Reader::read_u8(&mut rest).ok()?;
        loop {
            let (name, form) = (uleb(&mut rest)?, uleb(&mut rest)?);
            if form == u64::from(c::DW_FORM_implicit_const.0) {
                uleb(&mut rest)?;
            }
            if name == 0 && form == 0 {
                break;
            }
        }
    }
    Some(bytes.len() - rest.len())
}

fn read_unit<'e>(
    dwarf: &Dwarf<Bytes<'e>>,
    header: UnitHeader<Bytes<'e>>,
    tables: &mut Tables<'e>,
) -> Result<Unit<'e>, DwarfError> {
    let UnitSectionOffset(start) = header.offset();
    let end = start.saturating_add(header.length_including_self()) as u64;
    let start = start as u64;
    let offset = header.debug_abbrev_offset().0;
    let table = tables
        .at(offset)
        .ok_or(DwarfError::NoAbbreviations { unit: start, offset: offset as u64 })?;
    let mut unit = Unit { start, end, inner: bare_unit(header, table), is_go: true };
    read_root(dwarf, &mut unit).map_err(|source| DwarfError::Malformed { unit: start, source })?;
    Ok(unit)
}

fn bare_unit(
    header: UnitHeader<Bytes<'_>>,
    abbreviations: Arc<Abbreviations>,
) -> gimli::Unit<Bytes<'_>> {
    let (encoding, file) = (header.encoding(), gimli::DwarfFileType::Main);
    gimli::Unit {
        header,
        abbreviations,
        name: None,
        comp_dir: None,
        low_pc: 0,
        str_offsets_base: DebugStrOffsetsBase::default_for_encoding_and_file(encoding, file),
        addr_base: DebugAddrBase(0),
        loclists_base: DebugLocListsBase::default_for_encoding_and_file(encoding, file),
        rnglists_base: DebugRngListsBase::default_for_encoding_and_file(encoding, file),
        line_program: None,
        dwo_id: None,
    }
}

/// Takes over the attributes of the unit's root entry that the rest of the unit hangs on.
fn read_root<'e>(dwarf: &Dwarf<Bytes<'e>>, unit: &mut Unit<'e>) -> Result<(), gimli::Error> {
    use gimli::AttributeValue as V;
    let abbreviations = unit.inner.abbreviations.clone();
    let mut entries = unit.inner.header.entries_raw(&abbreviations, None)?;
    let Some(abbrev) = entries.read_abbreviation()? else { return Ok(()) };
    let mut low = None;
    for spec in abbrev.attributes() {
        let attr = entries.read_attribute(*spec)?;
        match (attr.name(), attr.value()) {
            (c::DW_AT_language, V::Language(language)) => unit.is_go = language == c::DW_LANG_Go,
            (c::DW_AT_low_pc, value) => low = Some(value),
            (_, V::DebugAddrBase(base)) => unit.inner.addr_base = base,
            (_, V::DebugStrOffsetsBase(base)) => unit.inner.str_offsets_base = base,
            (_, V::DebugLocListsBase(base)) => unit.inner.loclists_base = base,
            (_, V::DebugRngListsBase(base)) => unit.inner.rnglists_base = base,
            _ => {}
        }
    }
    if let Some(value) = low {
        unit.inner.low_pc = address(dwarf, unit, value)?.unwrap_or(0);
    }
    Ok(())
}

/// The address that an attribute states, directly (DWARF 4) or by its index (DWARF 5).
pub(super) fn address<'e>(
    dwarf: &Dwarf<Bytes<'e>>,
    unit: &Unit<'e>,
    value: gimli::AttributeValue<Bytes<'e>>,
) -> Result<Option<u64>, gimli::Error> {
    dwarf.attr_address(&unit.inner, value)
}

/// The address with an index of `.debug_addr`.
pub(super) fn indexed_address<'e>(
    dwarf: &Dwarf<Bytes<'e>>,
    unit: &Unit<'e>,
    index: DebugAddrIndex<usize>,
) -> Result<u64, gimli::Error> {
    dwarf.address(&unit.inner, index)
}
