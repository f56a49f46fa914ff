//! Whether keys lie where hashes put them: which hash function a map goes by.

use mapscope_target::Addr;

use crate::hash::NoHash;

/// The hash of the key at an address, under a seed.
pub type HashOf<'h> = &'h mut dyn FnMut(Addr, u64) -> Result<u64, NoHash>;

/// How some keys of a map lie, held against one hash function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Keys that lie where their hashes put them.
    pub agree: u64,
    /// Keys that a lookup would not find.
    pub differ: u64,
    /// Keys that say nothing: without a hash, as a NaN.
    pub silent: u64,
    /// Keys that cannot be read in this target.
    pub unread: u64,
    /// Bits of hashes that agree: marks, buckets, tables and groups.
    pub bits: u64,
    /// A writer has set its mark: one entry may be torn.
    pub writing: bool,
}

/// Bits that agree beyond which no more keys are hashed: another function would do as much once
/// in 2^64 maps.
const ENOUGH: u64 = 64;

/// Keys looked at, at most.
const MAX_KEYS: u64 = 64;

impl Placement {
    /// Whether the keys lie as this hash function puts them; a map that is being written may have
    /// one torn slot.
    pub fn is_sound(&self) -> bool {
        self.differ == 0 || self.writing && self.differ == 1 && self.agree > 1
    }

    /// Whether more keys would add nothing.
    pub(super) fn is_decided(&self) -> bool {
        let differs = self.differ > u64::from(self.writing);
        differs
            || self.bits >= ENOUGH
            || self.agree + self.differ + self.silent + self.unread >= MAX_KEYS
    }

    /// Counts a key: `bits` of its hash agree, or it lies where that hash does not put it.
    pub(super) fn count(
        &mut self,
        hash: Result<u64, NoHash>,
        bits: impl FnOnce(u64) -> Option<u32>,
    ) {
        match hash {
            Ok(hash) => match bits(hash) {
                Some(bits) => {
                    self.agree += 1;
                    self.bits += u64::from(bits);
                }
                None => self.differ += 1,
            },
            Err(NoHash::Random) => self.silent += 1,
            Err(NoHash::Fault(fault)) if !fault.why.contradicts() => self.unread += 1,
            Err(NoHash::Unhashable(_) | NoHash::Fault(_)) => self.differ += 1,
        }
    }
}
