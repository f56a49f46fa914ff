//! Pairs of places, as the code is gone through.

use super::place::PlaceId;

/// The same pair is often met again soon: so many of the last are remembered.
const LAST: usize = 1 << 12;

/// Pairs of places; some of them several times.
pub(super) struct Flows {
    pairs: Vec<(PlaceId, PlaceId)>,
    last: Box<[(PlaceId, PlaceId)]>,
}

impl Default for Flows {
    fn default() -> Flows {
        Flows { pairs: Vec::new(), last: vec![Default::default(); LAST].into() }
    }
}

impl Flows {
    /// Adds a pair of two different places.
    pub(super) fn add(&mut self, from: PlaceId, to: PlaceId) {
        let mixed = from.index().wrapping_mul(0x9e37_79b9).wrapping_add(to.index());
        let last = &mut self.last[mixed % LAST];
        if *last != (from, to) {
            *last = (from, to);
            self.pairs.push((from, to));
        }
    }

    pub(super) fn pairs(&self) -> &[(PlaceId, PlaceId)] {
        &self.pairs
    }
}
