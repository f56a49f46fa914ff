//! Who knows what is right outside of the map itself: in the heap, in keys and in elems.

use mapscope_target::Addr;

use super::Verifier;
use super::contents::Contents;
use super::pointees::Wrong;
use crate::hash::NoHash;
use crate::heap::Ground;

/// What of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Key,
    Elem,
}

/// Who knows what is right outside of the map itself.
pub(crate) trait Judge {
    /// What is at an address.
    fn ground(&self, addr: Addr) -> Ground;

    /// Bytes a key or elem takes.
    fn size(&self, side: Side) -> u64;

    /// Where in a key its first pointer is.
    fn leads_at(&self) -> Option<u64>;

    /// What is wrong with a key or elem.
    fn wrong(&self, side: Side, value: &[u8]) -> Option<Wrong>;

    /// The hash of a key; `None` where hashes cannot be computed.
    fn hash(&self, key: &[u8], seed: u64) -> Option<Result<u64, NoHash>>;
}

/// The judge of the maps of one type.
pub(super) struct Judging<'j, 'g, 'a> {
    pub(super) verifier: &'j Verifier<'g, 'a>,
    pub(super) contents: Option<&'j Contents<'g, 'a>>,
}

impl Judge for Judging<'_, '_, '_> {
    fn ground(&self, addr: Addr) -> Ground {
        self.verifier.terrain.at(addr)
    }

    fn size(&self, side: Side) -> u64 {
        self.contents.map_or(0, |contents| match side {
            Side::Key => contents.key.size,
            Side::Elem => contents.elem.size,
        })
    }

    fn leads_at(&self) -> Option<u64> {
        self.contents?.leads_at
    }

    fn wrong(&self, side: Side, value: &[u8]) -> Option<Wrong> {
        let part = self.contents.map(|contents| match side {
            Side::Key => &contents.key,
            Side::Elem => &contents.elem,
        })?;
        self.verifier.wrong(&part.pointees, value)
    }

    fn hash(&self, key: &[u8], seed: u64) -> Option<Result<u64, NoHash>> {
        let hasher = self.contents?.hasher.as_ref().ok()?;
        Some(hasher.hash(self.verifier.go.memory(), key, seed))
    }
}
