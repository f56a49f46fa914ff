//! Which places lead to which.

use super::place::PlaceId;

/// For each place, others: all in one table, those of one place side by side.
pub(super) struct Graph {
    /// Where those of each place begin; one more than there are places.
    first: Vec<u32>,
    to: Vec<PlaceId>,
}

impl Graph {
    /// Those of `pairs`, which is gone through twice, over so many places.
    pub(super) fn of(
        places: usize,
        pairs: impl Iterator<Item = (PlaceId, PlaceId)> + Clone,
    ) -> Graph {
        // Counted one place further on, so that to fill the table moves each begin to its place.
        let mut first = vec![0u32; places + 2];
        for (from, _) in pairs.clone() {
            first[from.index() + 2] += 1;
        }
        let mut sum = 0;
        for count in &mut first {
            sum += *count;
            *count = sum;
        }
        let mut to = vec![PlaceId::default(); sum as usize];
        for (from, other) in pairs {
            let next = &mut first[from.index() + 1];
            to[*next as usize] = other;
            *next += 1;
        }
        Graph { first, to }
    }

    /// Where `place` leads.
    pub(super) fn from(&self, place: PlaceId) -> &[PlaceId] {
        let (first, end) = (self.first[place.index()], self.first[place.index() + 1]);
        &self.to[first as usize..end as usize]
    }
}
