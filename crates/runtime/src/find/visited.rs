//! What has been met already: two bits a value, not an entry.

use mapscope_target::Addr;
use rustc_hash::FxHashMap;

use crate::heap::Object;
use crate::types::TypeId;

/// Where a value lies, as far as its bits are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// An object of the heap begins with it.
    Object {
        /// The first byte of its span.
        span: Addr,
        /// How many objects the span has.
        nelems: u64,
        /// Which of them it is.
        index: u64,
    },
    /// Anywhere else.
    Elsewhere(Addr),
}

impl Place {
    /// The place of a value at `at`, in `object` if it is on the heap.
    pub(super) fn new(at: Addr, object: Option<&Object>) -> Place {
        match object {
            Some(o) if o.value == at && o.nelems <= MAX_OBJECTS => {
                Place::Object { span: o.span, nelems: o.nelems, index: o.index }
            }
            _ => Place::Elsewhere(at),
        }
    }
}

/// Values met, by place and type: whether somebody has claimed to hold them, and whether they have
/// been looked into.
///
/// One bitmap for each type that is met in a span, and one for each stretch of memory with values
/// that no object begins with.
#[derive(Default)]
pub(super) struct Visited {
    /// Where the bits of a span or stretch and a type begin.
    maps: FxHashMap<Key, u32>,
    /// Two bits a value: claimed, then taken.
    bits: Vec<u64>,
    /// The bitmap used last.
    last: Option<(Key, u32)>,
}

/// A span with the number of its objects, odd, or a stretch, even; and the type of the values.
type Key = (u64, TypeId);

/// Spans of small objects hold fewer (8 KiB of 8 bytes); the number fits below the address of a
/// page.
const MAX_OBJECTS: u64 = (1 << 12) - 1;
/// Bytes of a stretch.
const STRETCH: u64 = 2 << 10;
/// Values whose bits are in one word.
const IN_WORD: u64 = 32;
/// At most so many words of bits: a gigabyte, for what would be the heap of a machine of many
/// terabytes.
const MAX_WORDS: usize = 1 << 27;

impl Visited {
    /// Claims a value: whether nobody has before.
    pub(super) fn claim(&mut self, place: Place, ty: TypeId) -> bool {
        let Some(pair) = self.pair(place, ty, true) else { return false };
        let new = *pair.0 & pair.1 == 0;
        *pair.0 |= pair.1;
        new
    }

    /// Takes a value that was claimed: whether nobody has before.
    pub(super) fn take(&mut self, place: Place, ty: TypeId) -> bool {
        let Some((word, claimed)) = self.pair(place, ty, false) else { return false };
        let taken = claimed << 1;
        let mine = *word & (claimed | taken) == claimed;
        if mine {
            *word |= taken;
        }
        mine
    }

    /// Whether there is no room for more.
    pub(super) fn is_full(&self) -> bool {
        self.bits.len() >= MAX_WORDS
    }

    /// The word with the bits of a value, and the first of them.
    fn pair(&mut self, place: Place, ty: TypeId, add: bool) -> Option<(&mut u64, u64)> {
        let (key, index, values) = match place {
            Place::Object { span, nelems, index } => (span.0 | nelems << 1 | 1, index, nelems),
            Place::Elsewhere(at) => (at.0 & !(STRETCH - 1), at.0 % STRETCH / 8, STRETCH / 8),
        };
        let key = (key, ty);
        let first = match self.last {
            Some((last, first)) if last == key => first,
            _ => self.bitmap(key, values, add)?,
        };
        self.last = Some((key, first));
        let word = self.bits.get_mut(first as usize + (index / IN_WORD) as usize)?;
        Some((word, 1 << (index % IN_WORD * 2)))
    }

    fn bitmap(&mut self, key: Key, values: u64, add: bool) -> Option<u32> {
        if let Some(first) = self.maps.get(&key) {
            return Some(*first);
        }
        if !add || self.is_full() {
            return None;
        }
        let first = self.bits.len() as u32;
        self.bits.resize(self.bits.len() + values.div_ceil(IN_WORD) as usize, 0);
        self.maps.insert(key, first);
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_claimed_once_and_taken_once() {
        let mut visited = Visited::default();
        let [one, other] = [0, 1].map(TypeId::from_index);
        let object = |index| Place::Object { span: Addr(0xc000_0000), nelems: 73, index };
        let places = [object(0), object(72), Place::Elsewhere(Addr(0xc000_0008))];
        for place in places {
            assert!(!visited.take(place, one), "not claimed yet");
            assert!(visited.claim(place, one));
            assert!(!visited.claim(place, one));
            assert!(visited.take(place, one));
            assert!(!visited.take(place, one));
            assert!(visited.claim(place, other), "as a value of another type");
        }
        assert!(visited.claim(object(71), one));
        assert!(!visited.take(object(70), one));
    }
}
