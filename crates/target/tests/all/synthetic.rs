//! Cores made by hand, of no process.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A `PT_LOAD`.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) addr: u64,
    pub(crate) size: u64,
    /// How many of its bytes the core has.
    pub(crate) in_core: u64,
    /// `PF_R` 4, `PF_W` 2, `PF_X` 1.
    pub(crate) flags: u32,
}

impl Load {
    pub(crate) fn of(addr: u64, size: u64) -> Load {
        Load { addr, size, in_core: size, flags: 4 }
    }
}

/// A core whose segments come one after the other, all of the same byte.
pub(crate) struct SparseCore {
    head: Vec<u8>,
    len: u64,
}

impl SparseCore {
    pub(crate) fn new(loads: &[Load]) -> SparseCore {
        let mut head = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0\x3e\0\x01\0\0\0".to_vec();
        let many = loads.len() >= 0xffff;
        let count = if many { 0xffff } else { loads.len() as u16 };
        let table: u64 = if many { 128 } else { 64 };
        head.extend(0u64.to_le_bytes());
        head.extend(table.to_le_bytes());
        head.extend(if many { 64u64 } else { 0 }.to_le_bytes());
        head.extend(0u32.to_le_bytes());
        for half in [64, 56, count, 64, u16::from(many), 0] {
            head.extend(half.to_le_bytes());
        }
        if many {
            let mut section = [0; 64];
            section[44..48].copy_from_slice(&(loads.len() as u32).to_le_bytes());
            head.extend(section);
        }
        let mut offset = table + loads.len() as u64 * 56;
        for load in loads {
            head.extend(1u32.to_le_bytes());
            head.extend(load.flags.to_le_bytes());
            for word in [offset, load.addr, 0, load.in_core, load.size, 1] {
                head.extend(word.to_le_bytes());
            }
            offset += load.in_core;
        }
        SparseCore { head, len: offset }
    }

    pub(crate) fn bytes(&self, fill: u8) -> Vec<u8> {
        let mut bytes = self.head.clone();
        bytes.resize(self.len as usize, fill);
        bytes
    }

    /// With zeros, as a file of one hole.
    pub(crate) fn write(&self, path: &Path) {
        let file = File::create(path).unwrap();
        file.set_len(self.len).unwrap();
        file.write_all_at(&self.head, 0).unwrap();
    }
}
