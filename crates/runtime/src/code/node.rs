//! Places that can be told of, numbered without gaps.
//!
//! Every function has a place for each register at its begin and end, and few of them are ever read:
//! what is kept of each place takes a third of the memory without the others.

use super::place::PlaceId;

/// The number of a place that can be told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Node(u32);

impl Node {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Which places have numbers. They are in the order of the places.
#[derive(Default)]
pub(super) struct Nodes {
    /// Of each 64 places of registers: which are read, and how many there are before.
    blocks: Vec<(u64, u32)>,
    registers: usize,
    /// How many registers are read.
    read: usize,
    places: usize,
}

impl Nodes {
    /// So many places have numbers, of the registers among them, which come first, those that are
    /// `read`.
    pub(super) fn of(read: &[bool], places: usize) -> Nodes {
        let mut before = 0;
        let block = |bits: &[bool]| {
            let word = bits.iter().rev().fold(0, |word, bit| word << 1 | u64::from(*bit));
            let block = (word, before);
            before += word.count_ones();
            block
        };
        let blocks = read.chunks(64).map(block).collect();
        Nodes { blocks, registers: read.len(), read: before as usize, places }
    }

    /// How many numbers there are.
    pub(super) fn len(&self) -> usize {
        self.read + self.places.saturating_sub(self.registers)
    }

    /// Those of `pairs` of which both places have numbers.
    pub(super) fn pairs(
        &self,
        pairs: impl Iterator<Item = (PlaceId, PlaceId)>,
    ) -> Vec<(Node, Node)> {
        pairs.filter_map(|(from, to)| Some((self.get(from)?, self.get(to)?))).collect()
    }

    /// The place with this number.
    pub(super) fn place(&self, node: Node) -> PlaceId {
        let index = node.index();
        if index >= self.read {
            return PlaceId::from_index(index - self.read + self.registers);
        }
        let block = self.blocks.partition_point(|(_, before)| *before as usize <= index) - 1;
        let (mut word, before) = self.blocks[block];
        for _ in before as usize..index {
            word &= word - 1;
        }
        PlaceId::from_index(block * 64 + word.trailing_zeros() as usize)
    }

    /// The number of `place`, if it has one.
    #[inline]
    pub(super) fn get(&self, place: PlaceId) -> Option<Node> {
        let index = place.index();
        if index >= self.registers {
            let number = index - self.registers + self.read;
            return (index < self.places).then_some(Node(number as u32));
        }
        let (word, before) = self.blocks.get(index / 64)?;
        let bit = 1u64 << (index % 64);
        (word & bit != 0).then(|| Node(before + (word & (bit - 1)).count_ones()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_gaps_and_keep_the_order() {
        let read: Vec<bool> = (0..200).map(|i| i % 3 == 0 || (60..70).contains(&i)).collect();
        let nodes = Nodes::of(&read, 250);
        let named: Vec<usize> =
            (0..300).filter_map(|i| Some(nodes.get(PlaceId::from_index(i))?.index())).collect();
        assert_eq!(named, (0..nodes.len()).collect::<Vec<_>>());
        for (index, read) in read.iter().enumerate() {
            assert_eq!(nodes.get(PlaceId::from_index(index)).is_some(), *read, "{index}");
        }
        for place in (0..250).map(PlaceId::from_index) {
            assert!(nodes.get(place).is_none_or(|node| nodes.place(node) == place), "{place:?}");
        }
        assert_eq!(Nodes::default().get(PlaceId::from_index(0)), None);
    }
}
