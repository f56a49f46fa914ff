//! `runtime.hmap` itself.

use mapscope_target::{Addr, Memory};

use super::Classic;
use crate::maps::lines::{self, byte, word};
use crate::maps::{Damage, SLOTS};

/// Flags of `hmap.flags`.
pub(super) const ITERATOR: u8 = 1;
pub(super) const OLD_ITERATOR: u8 = 2;
pub(super) const HASH_WRITING: u8 = 4;
pub(super) const SAME_SIZE_GROW: u8 = 8;

/// More buckets than memory can hold: 2^40.
const MAX_B: u8 = 40;
/// From this B on `noverflow` is counted by chance (`incrnoverflow`).
pub(super) const SAMPLED_B: u8 = 16;

/// A header, read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) count: u64,
    pub(super) flags: u8,
    pub(super) b: u8,
    pub(super) noverflow: u16,
    pub(super) hash0: u32,
    pub(super) buckets: Addr,
    pub(super) oldbuckets: Addr,
    pub(super) nevacuate: u64,
    pub(super) extra: Addr,
}

impl Header {
    pub(super) fn len(&self) -> u64 {
        1 << self.b
    }

    pub(super) fn same_size(&self) -> bool {
        self.flags & SAME_SIZE_GROW != 0
    }

    pub(super) fn old_len(&self) -> u64 {
        if self.same_size() { self.len() } else { (self.len() / 2).max(1) }
    }

    /// The same for the array before a growth.
    pub(super) fn old_spare(&self) -> u64 {
        if self.old_len() >= 16 { self.old_len() >> 4 } else { 0 }
    }

    /// Spare overflow buckets that come with the array (`makeBucketArray`).
    pub(super) fn spare(&self) -> u64 {
        if self.b >= 4 { self.len() >> 4 } else { 0 }
    }
}

impl Classic {
    pub(super) fn header(&self, memory: &dyn Memory, at: Addr) -> Result<Header, Damage> {
        self.parse(&lines::header(memory, at, self.hmap.size)?, at)
    }

    pub(super) fn parse(&self, bytes: &[u8], at: Addr) -> Result<Header, Damage> {
        let l = &self.hmap;
        let header = Header {
            count: word(bytes, l.count),
            flags: byte(bytes, l.flags),
            b: byte(bytes, l.b),
            noverflow: word(bytes, l.noverflow) as u16,
            hash0: word(bytes, l.hash0) as u32,
            buckets: Addr(word(bytes, l.buckets)),
            oldbuckets: Addr(word(bytes, l.oldbuckets)),
            nevacuate: word(bytes, l.nevacuate),
            extra: Addr(word(bytes, l.extra)),
        };
        Damage::unless(header.b <= MAX_B, at, "B is larger than memory")?;
        Ok(header)
    }
}

/// Entries a map with 2^b buckets holds before the next insert doubles it: 6.5 a bucket.
pub(super) fn threshold(b: u8) -> u64 {
    if b == 0 { SLOTS as u64 } else { 13 << (b - 1) }
}
