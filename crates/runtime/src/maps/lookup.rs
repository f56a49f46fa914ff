//! One key looked up as the runtime looks it up: by its hash.

use mapscope_target::Addr;

use super::{Damage, Entry};
use crate::hash::NoHash;

/// A key that is looked for.
pub trait Seek {
    /// Its hash under the seed of the map.
    ///
    /// # Errors
    ///
    /// It has none.
    fn hash(&self, seed: u64) -> Result<u64, NoHash>;

    /// Whether the key at `key` is the one that is looked for.
    ///
    /// # Errors
    ///
    /// The key there cannot be read.
    fn is(&self, key: Addr) -> Result<bool, NoHash>;
}

/// How a lookup went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lookup {
    /// The seed of the map.
    pub seed: u64,
    /// The hash of the key; 0 where the map has nothing to look through.
    pub hash: u64,
    /// What follows from the hash: where to begin, and the mark to look for.
    pub facts: Vec<Fact>,
    /// Every slot looked at, in order.
    pub looks: Vec<Look>,
    /// More slots than are in `looks` were looked at.
    pub more: u64,
    /// The entry.
    pub found: Option<Entry>,
    /// Why the search ended.
    pub ended: &'static str,
}

/// Something that follows from a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its name, for programs: `h2`.
    pub key: &'static str,
    /// Its name, for people: `H2`.
    pub title: &'static str,
    /// Its value.
    pub value: u64,
    /// What it means.
    pub meaning: &'static str,
}

/// One slot looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// In what: `bucket`, `overflow bucket`, `old bucket`, `group`.
    pub what: &'static str,
    /// The number of the bucket, or of the group in its table.
    pub number: u64,
    /// Where the bucket or group is.
    pub block: Addr,
    /// Which of the eight slots.
    pub slot: u8,
    /// Its tophash or control byte.
    pub mark: u8,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of a look at a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is empty, and more may follow.
    Empty,
    /// It is empty, and nothing follows.
    End,
    /// Its entry was deleted.
    Deleted,
    /// Another hash.
    OtherHash,
    /// The same mark, but another key.
    OtherKey,
    /// The key.
    Found,
}

impl Verdict {
    /// The verdict in words.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Empty => "empty",
            Verdict::End => "empty: the end",
            Verdict::Deleted => "deleted",
            Verdict::OtherHash => "another hash",
            Verdict::OtherKey => "the same mark, another key",
            Verdict::Found => "found",
        }
    }
}

/// Why a lookup could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The map is damaged or cannot be read.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// The key has no hash, or a stored one cannot be compared with it.
    #[error(transparent)]
    NoHash(#[from] NoHash),
}

/// Slots reported of one lookup: hostile chains and probes can be long.
const MAX_LOOKS: usize = 1 << 12;

impl Lookup {
    pub(super) fn fact(
        &mut self,
        (key, title): (&'static str, &'static str),
        value: u64,
        meaning: &'static str,
    ) {
        self.facts.push(Fact { key, title, value, meaning });
    }

    pub(super) fn look(&mut self, look: Look) {
        match self.looks.len() < MAX_LOOKS {
            true => self.looks.push(look),
            false => self.more += 1,
        }
    }
}
