//! How a key of a `sync.Map` is looked up.

use mapscope_target::Addr;

use super::SyncEntry;
use crate::maps::Lookup;

/// How a lookup in a `sync.Map` went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncLookup {
    /// Seed and hash of the trie. The two maps of the other form have each their own, in `maps`.
    pub hash: Option<(u64, u64)>,
    /// Every step, in order.
    pub steps: Vec<Step>,
    /// More steps than are in `steps` were made.
    pub more: u64,
    /// The lookups in the two maps of the form that has them, with their names.
    pub maps: Vec<(&'static str, Lookup)>,
    /// The entry.
    pub found: Option<SyncEntry>,
    /// Why the search ended.
    pub ended: &'static str,
}

/// One step of a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// At what: `node`, `entry`, `overflow entry`; `read`, `read.m`, `dirty`.
    pub what: &'static str,
    /// Where it is.
    pub at: Addr,
    /// Which of the 16 children is taken: four bits of the hash.
    pub child: Option<u8>,
    /// What came of it.
    pub outcome: &'static str,
}

/// Steps reported: hostile chains can be long.
const MAX_STEPS: usize = 1 << 12;

impl SyncLookup {
    pub(super) fn step(
        &mut self,
        what: &'static str,
        at: Addr,
        child: Option<u8>,
        outcome: &'static str,
    ) {
        match self.steps.len() < MAX_STEPS {
            true => self.steps.push(Step { what, at, child, outcome }),
            false => self.more += 1,
        }
    }
}
