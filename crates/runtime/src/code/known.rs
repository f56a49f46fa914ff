//! What is known of each place.

use super::facts::Told;
use super::place::PlaceId;

/// What places are told to hold: all in one table, what one place holds side by side.
#[derive(Default)]
pub(super) struct Known {
    /// Where in the table what each place holds begins and ends.
    parts: Vec<(u32, u32)>,
    told: Vec<Told>,
}

impl Known {
    /// Nothing of so many places.
    pub(super) fn nothing(places: usize) -> Known {
        Known { parts: vec![(0, 0); places], told: Vec::new() }
    }

    pub(super) fn of(&self, place: PlaceId) -> &[Told] {
        let (first, end) = self.parts.get(place.index()).copied().unwrap_or_default();
        &self.told[first as usize..end as usize]
    }

    /// Sets what is known of `place`, whatever was known before.
    pub(super) fn set(&mut self, place: PlaceId, told: impl IntoIterator<Item = Told>) {
        let first = self.told.len() as u32;
        self.told.extend(told);
        self.parts[place.index()] = (first, self.told.len() as u32);
    }

    /// Whether nothing is known of `place`.
    pub(super) fn lacks(&self, place: PlaceId) -> bool {
        let (first, end) = self.parts[place.index()];
        first == end
    }
}
