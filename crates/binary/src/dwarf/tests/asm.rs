//! A small program's DWARF, made by hand in the forms that Go's compiler and linker use.

use std::collections::HashMap;

use gimli::constants as c;

/// The sections of a program, by name.
pub(super) type Sections = HashMap<&'static str, Vec<u8>>;

/// Where the sample's code begins; its first entry of `.debug_addr`.
pub(super) const TEXT: u64 = 0x40_1000;

/// The bytes of a unit, written entry by entry.
pub(super) struct Asm {
    version: u16,
    info: Vec<u8>,
    abbrev: Vec<u8>,
    labels: HashMap<&'static str, u32>,
    references: Vec<(usize, &'static str)>,
}

impl Asm {
    /// A unit of DWARF 4 or 5, with its header and no entry yet.
    pub(super) fn new(version: u16) -> Asm {
        let mut info = vec![0; 4];
        info.extend(version.to_le_bytes());
        match version {
            // The unit type and the address size come before the abbreviations' offset.
            5 => info.extend([c::DW_UT_compile.0, 8, 0, 0, 0, 0]),
            _ => info.extend([0, 0, 0, 0, 8]),
        }
        let (labels, references) = (HashMap::new(), Vec::new());
        Asm { version, info, abbrev: Vec::new(), labels, references }
    }

    /// Declares an abbreviation. Those of all entries are declared by the sample.
    pub(super) fn abbreviation(&mut self, code: u8, tag: c::DwTag, kids: u8, specs: &[(u16, u8)]) {
        self.abbrev.extend([code, tag.0 as u8, kids]);
        for (name, form) in specs {
            put_uleb(&mut self.abbrev, u64::from(*name));
            self.abbrev.push(*form);
        }
        self.abbrev.extend([0, 0]);
    }

    pub(super) fn label(&mut self, name: &'static str) -> &mut Asm {
        self.labels.insert(name, self.info.len() as u32);
        self
    }

    pub(super) fn reference(&mut self, name: &'static str) -> &mut Asm {
        self.references.push((self.info.len(), name));
        self.u32(0)
    }

    pub(super) fn u8(&mut self, value: u8) -> &mut Asm {
        self.info.push(value);
        self
    }

    pub(super) fn u32(&mut self, value: u32) -> &mut Asm {
        self.info.extend(value.to_le_bytes());
        self
    }

    pub(super) fn u64(&mut self, value: u64) -> &mut Asm {
        self.info.extend(value.to_le_bytes());
        self
    }

    pub(super) fn uleb(&mut self, value: u64) -> &mut Asm {
        put_uleb(&mut self.info, value);
        self
    }

    pub(super) fn text(&mut self, value: &str) -> &mut Asm {
        self.info.extend(value.bytes());
        self.u8(0)
    }

    pub(super) fn block(&mut self, value: &[u8]) -> &mut Asm {
        self.u8(value.len() as u8);
        self.info.extend(value);
        self
    }

    /// The code from `low` to `high`, counted from [`TEXT`]: two addresses in DWARF 4, an index
    /// and a length in DWARF 5.
    pub(super) fn code(&mut self, low: u64, high: u64) -> &mut Asm {
        match self.version {
            5 => self.uleb(low / 0x100).uleb(high - low),
            _ => self.u64(TEXT + low).u64(TEXT + high),
        }
    }

    /// Fills in the length and the references.
    pub(super) fn finish(mut self) -> Sections {
        let length = self.info.len() as u32 - 4;
        self.patch(0, length);
        for (at, name) in std::mem::take(&mut self.references) {
            self.patch(at, self.labels[name]);
        }
        self.abbrev.push(0);
        HashMap::from([(".debug_info", self.info), (".debug_abbrev", self.abbrev)])
    }

    fn patch(&mut self, at: usize, value: u32) {
        self.info[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
}

fn put_uleb(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
