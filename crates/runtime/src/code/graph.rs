//! Which places lead to which.

use std::rc::Rc;

use super::node::Nodes;
use super::place::PlaceId;

/// For each place, others: all in one table, those of one place side by side.
pub(super) struct Graph {
    nodes: Rc<Nodes>,
    /// Where those of each place begin; one more than there are places.
    first: Vec<u32>,
    to: Vec<PlaceId>,
}

impl Graph {
    /// Those of `pairs`, which is gone through twice, of which both have numbers.
    pub(super) fn of(
        nodes: &Rc<Nodes>,
        pairs: impl Iterator<Item = (PlaceId, PlaceId)> + Clone,
    ) -> Graph {
        let pairs =
            pairs.filter_map(|(from, to)| Some((nodes.get(from)?, nodes.get(to).map(|_| to)?)));
        // Counted one place further on, so that to fill the table moves each begin to its place.
        let mut first = vec![0u32; nodes.len() + 2];
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
        Graph { nodes: Rc::clone(nodes), first, to }
    }

    /// Where `place` leads.
    pub(super) fn from(&self, place: PlaceId) -> &[PlaceId] {
        let Some(node) = self.nodes.get(place) else { return &[] };
        let (first, end) = (self.first[node.index()], self.first[node.index() + 1]);
        &self.to[first as usize..end as usize]
    }
}
