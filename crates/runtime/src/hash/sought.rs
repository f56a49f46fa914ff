//! A key that is looked for in a map.

use mapscope_target::{Addr, MemoryExt};

use super::{Hasher, Key, NoHash};
use crate::literal::Literal;
use crate::maps::Seek;

/// A literal that is looked for.
pub struct Sought<'w, 'g, 'a> {
    hasher: &'w Hasher<'g, 'a>,
    literal: &'w Literal<'w>,
}

/// Largest key that is read, in bytes.
const MAX_KEY: u64 = 1 << 20;

impl<'w, 'g, 'a> Sought<'w, 'g, 'a> {
    /// The search for `literal` among the keys that `hasher` hashes.
    pub fn new(hasher: &'w Hasher<'g, 'a>, literal: &'w Literal<'w>) -> Sought<'w, 'g, 'a> {
        Sought { hasher, literal }
    }
}

impl Seek for Sought<'_, '_, '_> {
    fn hash(&self, seed: u64) -> Result<u64, NoHash> {
        self.hasher.hash(&self.literal.memory, &self.literal.bytes, seed)
    }

    fn is(&self, key: Addr) -> Result<bool, NoHash> {
        let memory = self.hasher.memory();
        let stored = memory.bytes(key, self.hasher.key_size(), MAX_KEY)?;
        let wanted = Key { bytes: &self.literal.bytes, memory: &self.literal.memory };
        self.hasher.equal(wanted, Key { bytes: &stored, memory })
    }
}
