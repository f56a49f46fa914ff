//! Which places lead to which.

use super::node::Node;

/// For each place, others: all in one table, those of one place side by side.
pub(super) struct Graph {
    /// Where those of each place begin; one more than there are places.
    first: Vec<u32>,
    to: Vec<Node>,
}

impl Graph {
    /// Those of `pairs`, which is gone through twice, over so many places.
    pub(super) fn of(places: usize, pairs: impl Iterator<Item = (Node, Node)> + Clone) -> Graph {
        // Counted one place further on, so that to fill the table moves each begin to its place.
        let mut first = vec![0u32; places + 2];
        pairs.clone().for_each(|(from, _)| first[from.index() + 2] += 1);
        let mut sum = 0;
        for count in &mut first {
            sum += *count;
            *count = sum;
        }
        let mut to = vec![Node::default(); sum as usize];
        pairs.for_each(|(from, other)| {
            let next = &mut first[from.index() + 1];
            to[*next as usize] = other;
            *next += 1;
        });
        Graph { first, to }
    }

    /// The same of `pairs` and of each the other way round.
    pub(super) fn both_ways(places: usize, pairs: &[(Node, Node)]) -> Graph {
        let pairs = pairs.iter().copied();
        Graph::of(places, pairs.clone().chain(pairs.map(|(from, to)| (to, from))))
    }

    /// Where `place` leads.
    pub(super) fn from(&self, place: Node) -> &[Node] {
        let (first, end) = (self.first[place.index()], self.first[place.index() + 1]);
        &self.to[first as usize..end as usize]
    }
}
