//! From places to those that lead to them, for a few ways back.

use super::place::PlaceId;

/// No more of them.
const END: u32 = u32::MAX;

/// Pairs of registers' places, to be gone through from the second to the first. To build it costs less
/// than a [`Graph`](super::graph::Graph), to go through it more.
pub(super) struct Back {
    /// The last pair of each second.
    last: Vec<u32>,
    /// The first of each pair, and the pair before with the same second.
    pairs: Vec<(PlaceId, u32)>,
}

impl Back {
    /// None yet, over so many places.
    pub(super) fn over(places: usize) -> Back {
        Back { last: vec![END; places], pairs: Vec::new() }
    }

    /// Adds a pair; `to` is one of the places.
    pub(super) fn add(&mut self, from: PlaceId, to: PlaceId) {
        let number = self.pairs.len() as u32;
        if let Some(last) = self.last.get_mut(to.index())
            && number != END
        {
            self.pairs.push((from, *last));
            *last = number;
        }
    }

    /// Takes those that lead to `place`, each of which is given once.
    pub(super) fn take(&mut self, place: PlaceId) -> impl Iterator<Item = PlaceId> {
        let mut next =
            self.last.get_mut(place.index()).map_or(END, |last| std::mem::replace(last, END));
        std::iter::from_fn(move || {
            let (from, before) = *self.pairs.get(next as usize)?;
            next = before;
            Some(from)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_given_once() {
        let place = PlaceId::from_index;
        let mut back = Back::over(4);
        for (from, to) in [(0, 3), (1, 3), (2, 0), (1, 9)] {
            back.add(place(from), place(to));
        }
        let taken: Vec<_> = back.take(place(3)).collect();
        assert_eq!(taken, [place(1), place(0)]);
        assert_eq!(back.take(place(3)).count(), 0);
        assert_eq!(back.take(place(0)).collect::<Vec<_>>(), [place(2)]);
        assert_eq!(back.take(place(9)).count(), 0);
    }
}
