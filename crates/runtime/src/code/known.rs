//! What is known of each place.

use std::rc::Rc;

use super::facts::Told;
use super::node::Nodes;
use super::place::PlaceId;

/// What places are told to hold: all in one table, what one place holds side by side.
#[derive(Default)]
pub(super) struct Known {
    nodes: Rc<Nodes>,
    /// Where in the table what each place holds begins and ends.
    parts: Vec<(u32, u32)>,
    told: Vec<Told>,
}

impl Known {
    /// Nothing of the places that have numbers. Of others nothing is ever known.
    pub(super) fn nothing(nodes: &Rc<Nodes>) -> Known {
        let parts = vec![(0, 0); nodes.len()];
        Known { nodes: Rc::clone(nodes), parts, told: Vec::new() }
    }

    fn part(&self, place: PlaceId) -> (u32, u32) {
        let node = self.nodes.get(place);
        node.and_then(|node| self.parts.get(node.index()).copied()).unwrap_or_default()
    }

    pub(super) fn of(&self, place: PlaceId) -> &[Told] {
        let (first, end) = self.part(place);
        &self.told[first as usize..end as usize]
    }

    /// Sets what is known of `place`, whatever was known before.
    pub(super) fn set(&mut self, place: PlaceId, told: impl IntoIterator<Item = Told>) {
        let Some(part) = self.nodes.get(place).and_then(|node| self.parts.get_mut(node.index()))
        else {
            return;
        };
        let first = self.told.len() as u32;
        self.told.extend(told);
        *part = (first, self.told.len() as u32);
    }

    /// Whether nothing is known of `place`.
    pub(super) fn lacks(&self, place: PlaceId) -> bool {
        let (first, end) = self.part(place);
        first == end
    }
}
