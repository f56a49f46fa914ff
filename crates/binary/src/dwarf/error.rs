//! What can be wrong with a program's DWARF.

use super::TypeRef;

/// Why something could not be read from the DWARF of a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DwarfError {
    /// The bytes are not the DWARF they should be.
    #[error("DWARF unit at {unit:#x} of .debug_info: {source}")]
    Malformed {
        /// Where the unit starts in `.debug_info`.
        unit: u64,
        /// What the parser stumbled over.
        source: gimli::Error,
    },
    /// The abbreviation tables are larger than the section that holds them can justify.
    #[error("DWARF unit at {unit:#x} of .debug_info: no abbreviation table at {offset:#x}")]
    NoAbbreviations {
        /// Where the unit starts in `.debug_info`.
        unit: u64,
        /// Where in `.debug_abbrev` it says its table is.
        offset: u64,
    },
    /// An offset that lies in no unit, or at the end of a list of entries.
    #[error("no DWARF entry at {offset:#x} of .debug_info")]
    NoEntry {
        /// The offset in `.debug_info`.
        offset: u64,
    },
    /// An entry without an attribute that entries of its tag always have.
    #[error("the DWARF entry at {offset:#x} of .debug_info has no {what}")]
    Missing {
        /// The entry's offset in `.debug_info`.
        offset: u64,
        /// The attribute.
        what: &'static str,
    },
    /// A name that is not UTF-8, which no Go identifier can be.
    #[error("the DWARF entry at {offset:#x} of .debug_info has a name that is not UTF-8")]
    NotUtf8 {
        /// The entry's offset in `.debug_info`.
        offset: u64,
    },
    /// The entry is no type.
    #[error("the DWARF entry at {offset:#x} of .debug_info is no type: tag {tag:#x}")]
    NotAType {
        /// The entry's offset in `.debug_info`.
        offset: u64,
        /// Its DWARF tag.
        tag: u16,
    },
    /// The type is no struct, so it has no members.
    #[error("the DWARF type {name} is no struct")]
    NotAStruct {
        /// The type's name.
        name: String,
        /// The type.
        ty: TypeRef,
    },
    /// Typedefs, nested types or origins that go round in circles, or deeper than any Go type.
    #[error("the DWARF entry at {offset:#x} of .debug_info is nested too deeply")]
    TooDeep {
        /// The entry's offset in `.debug_info`.
        offset: u64,
    },
    /// More of something than a Go program can have.
    #[error("the DWARF entry at {offset:#x} of .debug_info has more than {limit} {what}")]
    TooMany {
        /// The entry's offset in `.debug_info`.
        offset: u64,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}
