//! What is known of each place.

use super::facts::Told;
use super::node::{Node, Nodes};
use super::place::PlaceId;

/// What places are told to hold: all in one table, what one place holds side by side.
#[derive(Default)]
pub(super) struct Known {
    nodes: Nodes,
    /// Where in the table what each place holds begins and ends.
    parts: Vec<(u32, u32)>,
    /// Of each 64 places, of which of them something is known: what is asked of every flow, of places all
    /// over, in a sixty-fourth of the memory of the parts.
    some: Vec<u64>,
    told: Vec<Told>,
}

impl Known {
    /// Nothing of the places that have numbers. Of others nothing is ever known.
    pub(super) fn nothing(nodes: Nodes) -> Known {
        let (parts, some) = (vec![(0, 0); nodes.len()], vec![0; nodes.len().div_ceil(64)]);
        Known { nodes, parts, some, told: Vec::new() }
    }

    /// The places that have numbers.
    pub(super) fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// What is known of `place`.
    pub(super) fn of(&self, place: PlaceId) -> &[Told] {
        self.nodes.get(place).map_or(&[], |node| self.at(node))
    }

    /// What is known of the place with this number.
    pub(super) fn at(&self, node: Node) -> &[Told] {
        let (first, end) = self.parts[node.index()];
        &self.told[first as usize..end as usize]
    }

    /// Sets what is known of the place with this number, whatever was known before.
    pub(super) fn set(&mut self, node: Node, told: impl IntoIterator<Item = Told>) {
        let first = self.told.len() as u32;
        self.told.extend(told);
        let end = self.told.len() as u32;
        self.parts[node.index()] = (first, end);
        let (word, bit) = (&mut self.some[node.index() / 64], 1 << (node.index() % 64));
        *word = if first == end { *word & !bit } else { *word | bit };
    }

    /// Whether nothing is known of the place with this number.
    pub(super) fn lacks(&self, node: Node) -> bool {
        self.some[node.index() / 64] & 1 << (node.index() % 64) == 0
    }
}
