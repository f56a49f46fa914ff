//! One entry of `.debug_info`, as far as anything here asks for it.

use gimli::{
    Abbreviation, Attribute, AttributeValue, DwAt, DwTag, EntriesRaw, UnitSectionOffset,
    constants as c,
};

use super::error::DwarfError;
use super::unit::{Bytes, Unit};

/// Go's own attributes, from `cmd/internal/dwarf/dwarf.go` of Go 1.27: the first five stand there
/// since before 1.19, the dictionary index since 1.18, the closure offset since 1.23.
const GO_KIND: DwAt = DwAt(0x2900);
const GO_KEY: DwAt = DwAt(0x2901);
const GO_ELEM: DwAt = DwAt(0x2902);
const GO_EMBEDDED: DwAt = DwAt(0x2903);
const GO_RUNTIME_TYPE: DwAt = DwAt(0x2904);
const GO_DICT_INDEX: DwAt = DwAt(0x2906);
const GO_CLOSURE_OFFSET: DwAt = DwAt(0x2907);

/// The expression that says that a frame is counted from the canonical frame address.
const FRAME_IS_CFA: &[u8] = &[c::DW_OP_call_frame_cfa.0];

/// An entry's tag, place and those of its attributes that matter here.
#[derive(Clone, Copy)]
pub(super) struct Entry<'e> {
    /// Its offset in `.debug_info`.
    pub(super) offset: u64,
    pub(super) tag: DwTag,
    pub(super) name: Option<AttributeValue<Bytes<'e>>>,
    pub(super) location: Option<AttributeValue<Bytes<'e>>>,
    pub(super) low: Option<AttributeValue<Bytes<'e>>>,
    pub(super) high: Option<AttributeValue<Bytes<'e>>>,
    pub(super) ranges: Option<AttributeValue<Bytes<'e>>>,
    pub(super) ty: Option<u64>,
    pub(super) origin: Option<u64>,
    pub(super) key: Option<u64>,
    pub(super) elem: Option<u64>,
    pub(super) size: Option<u64>,
    pub(super) member_offset: Option<u64>,
    pub(super) count: Option<u64>,
    pub(super) encoding: Option<u64>,
    pub(super) constant: Option<i64>,
    pub(super) decl_line: Option<u64>,
    pub(super) kind: Option<u8>,
    pub(super) runtime_type: Option<u64>,
    pub(super) dict_index: Option<u64>,
    pub(super) closure_offset: Option<u64>,
    pub(super) embedded: bool,
    pub(super) frame_is_cfa: bool,
    pub(super) variable_parameter: bool,
}

impl<'e> Entry<'e> {
    /// Reads the attributes that follow an abbreviation code at `offset` of `.debug_info`.
    pub(super) fn read(
        unit: &Unit<'e>,
        offset: u64,
        entries: &mut EntriesRaw<'_, Bytes<'e>>,
        abbrev: &Abbreviation,
    ) -> Result<Entry<'e>, gimli::Error> {
        let mut entry = Entry::bare(offset, abbrev);
        for spec in abbrev.attributes() {
            entry.take(unit, &entries.read_attribute(*spec)?);
        }
        Ok(entry)
    }

    fn bare(offset: u64, abbrev: &Abbreviation) -> Entry<'e> {
        Entry {
            offset,
            tag: abbrev.tag(),
            name: None,
            location: None,
            low: None,
            high: None,
            ranges: None,
            ty: None,
            origin: None,
            key: None,
            elem: None,
            size: None,
            member_offset: None,
            count: None,
            encoding: None,
            constant: None,
            decl_line: None,
            kind: None,
            runtime_type: None,
            dict_index: None,
            closure_offset: None,
            embedded: false,
            frame_is_cfa: false,
            variable_parameter: false,
        }
    }

    fn take(&mut self, unit: &Unit<'e>, attr: &Attribute<Bytes<'e>>) {
        match attr.name() {
            c::DW_AT_name => self.name = Some(attr.raw_value()),
            c::DW_AT_location => self.location = Some(attr.value()),
            c::DW_AT_low_pc => self.low = Some(attr.value()),
            c::DW_AT_high_pc => self.high = Some(attr.value()),
            c::DW_AT_ranges => self.ranges = Some(attr.value()),
            c::DW_AT_type => self.ty = reference(unit, attr),
            c::DW_AT_abstract_origin | c::DW_AT_specification => {
                self.origin = reference(unit, attr);
            }
            c::DW_AT_byte_size => self.size = attr.udata_value(),
            c::DW_AT_data_member_location => self.member_offset = attr.udata_value(),
            c::DW_AT_count => self.count = attr.udata_value(),
            c::DW_AT_upper_bound => {
                self.count = attr.udata_value().and_then(|bound| bound.checked_add(1));
            }
            c::DW_AT_encoding => self.encoding = attr.raw_value().udata_value(),
            c::DW_AT_const_value => self.constant = attr.sdata_value(),
            c::DW_AT_decl_line => self.decl_line = attr.udata_value(),
            c::DW_AT_variable_parameter => self.variable_parameter = flag(attr),
            c::DW_AT_frame_base => {
                let base = attr.exprloc_value();
                self.frame_is_cfa = base.is_some_and(|e| e.0.slice() == FRAME_IS_CFA);
            }
            name => self.take_go(unit, name, attr),
        }
    }

    fn take_go(&mut self, unit: &Unit<'e>, name: DwAt, attr: &Attribute<Bytes<'e>>) {
        match name {
            // The linker writes 0 where it knows no kind (`PutAttrs`).
            GO_KIND => self.kind = attr.u8_value().filter(|kind| *kind != 0),
            GO_KEY => self.key = reference(unit, attr),
            GO_ELEM => self.elem = reference(unit, attr),
            GO_EMBEDDED => self.embedded = flag(attr),
            GO_DICT_INDEX => self.dict_index = attr.udata_value(),
            GO_CLOSURE_OFFSET => self.closure_offset = attr.udata_value(),
            GO_RUNTIME_TYPE => {
                self.runtime_type = match attr.raw_value() {
                    AttributeValue::Addr(offset) => Some(offset).filter(|o| *o != 0),
                    _ => None,
                }
            }
            _ => {}
        }
    }

    /// An attribute without which the entry makes no sense.
    pub(super) fn require<T>(&self, value: Option<T>, what: &'static str) -> Result<T, DwarfError> {
        value.ok_or(DwarfError::Missing { offset: self.offset, what })
    }
}

fn flag(attr: &Attribute<Bytes<'_>>) -> bool {
    matches!(attr.raw_value(), AttributeValue::Flag(true))
}

/// The offset in `.debug_info` that a reference means, wherever it is counted from.
fn reference<'e>(unit: &Unit<'e>, attr: &Attribute<Bytes<'e>>) -> Option<u64> {
    match attr.raw_value() {
        AttributeValue::DebugInfoRef(offset) => Some(offset.0 as u64),
        AttributeValue::UnitRef(offset) => {
            let UnitSectionOffset(offset) = offset.to_unit_section_offset(&unit.inner.header);
            Some(offset as u64)
        }
        _ => None,
    }
}
