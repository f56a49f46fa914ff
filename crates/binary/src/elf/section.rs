//! The section table.

use object::elf;
use object::read::elf::{FileHeader as _, SectionHeader as _, SectionTable};

use super::compressed::{self, Body};
use super::{ElfError, Header, LE, inside, malformed};
use crate::{FileOff, FileVa};

/// One section of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section<'d> {
    /// Its name; the empty string where the name is not UTF-8.
    pub name: &'d str,
    /// Where it is linked to lie; 0 for sections that are not loaded, such as DWARF.
    pub addr: FileVa,
    /// Its size as stored, in bytes.
    pub size: u64,
    /// Where its bytes begin in the file.
    pub offset: FileOff,
    /// It has bytes in the file (`.bss` has none).
    pub in_file: bool,
    /// It is marked as compressed (`SHF_COMPRESSED`).
    pub compressed: bool,
}

impl Section<'_> {
    /// The compressed body, or `None` where the section is stored as it is.
    pub(super) fn compressed_body<'a>(
        &self,
        stored: &'a [u8],
    ) -> Result<Option<Body<'a>>, ElfError> {
        if self.compressed {
            return compressed::with_chdr(self.name, stored).map(Some);
        }
        if self.name.starts_with(".zdebug_") {
            return Ok(compressed::with_zlib_magic(stored));
        }
        Ok(None)
    }
}

/// The section table; empty where it was stripped off.
pub(super) fn table<'d>(
    data: &'d [u8],
    header: &'d Header,
) -> Result<SectionTable<'d, Header>, ElfError> {
    let count = u64::from(header.e_shnum(LE));
    let start = header.e_shoff(LE);
    if start != 0 {
        let len = count.saturating_mul(u64::from(header.e_shentsize(LE)));
        inside(data, start.saturating_add(len), || "the section table".into())?;
    }
    header.sections(LE, data).map_err(malformed("section table"))
}

/// Every section but the null one.
pub(super) fn sections<'d>(
    data: &'d [u8],
    table: &SectionTable<'d, Header>,
) -> Result<Vec<Section<'d>>, ElfError> {
    let used = table.iter().filter(|header| header.sh_type(LE) != elf::SHT_NULL);
    used.map(|header| {
        let name = table.section_name(LE, header).map_err(malformed("section name"))?;
        let section = Section {
            name: std::str::from_utf8(name).unwrap_or_default(),
            addr: FileVa(header.sh_addr(LE)),
            size: header.sh_size(LE),
            offset: FileOff(header.sh_offset(LE)),
            in_file: header.sh_type(LE) != elf::SHT_NOBITS,
            compressed: header.sh_flags(LE).contains(elf::SHF_COMPRESSED),
        };
        if section.in_file {
            let end = section.offset.0.saturating_add(section.size);
            inside(data, end, || format!("section {}", section.name))?;
        }
        Ok(section)
    })
    .collect()
}
