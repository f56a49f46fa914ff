//! Keys and elems of many sizes, and how the compiler lays out a bucket or group of them.

use mapscope_runtime::types::SlotLayout;

use crate::random::{Random, mix};
use crate::space::Space;

/// Larger keys and elems are stored behind a pointer, in bytes (`abi.MapMaxKeyBytes`,
/// `MapMaxElemBytes`; the same in every release).
const INLINE: u64 = 128;

/// What a map holds: keys and elems by their size in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) key: u64,
    pub(crate) elem: u64,
    /// Whether keys or elems hold pointers.
    pub(crate) pointers: bool,
}

/// Whether a Swiss group has keys and elems side by side or in arrays of their own
/// (`GOEXPERIMENT=mapsplitgroup`, 1.27).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slots {
    SideBySide,
    Split,
}

impl Kind {
    pub(crate) const ALL: [Kind; 11] = [
        Kind::of(8, 8, false),
        Kind::of(16, 8, true),
        Kind::of(4, 8, false),
        Kind::of(8, 0, false),
        Kind::of(2, 1, false),
        Kind::of(1, 0, false),
        Kind::of(0, 8, true),
        Kind::of(8, 200, true),
        Kind::of(200, 8, true),
        Kind::of(136, 136, true),
        Kind::of(128, 128, false),
    ];

    const fn of(key: u64, elem: u64, pointers: bool) -> Kind {
        Kind { key, elem, pointers }
    }

    /// How many different keys there are, as far as the model goes.
    pub(crate) fn keys(self) -> u64 {
        match self.key {
            0 => 1,
            1 => 256,
            2 => 1 << 16,
            _ => 1 << 32,
        }
    }

    /// The bytes of the key with a number.
    pub(crate) fn key_bytes(self, number: u64) -> Vec<u8> {
        spread(number, self.key)
    }

    /// The bytes of the elem that is stored with a key at a time.
    pub(crate) fn elem_bytes(self, number: u64) -> Vec<u8> {
        spread(mix(number), self.elem)
    }

    /// What a slot keeps for the key and for the elem, in bytes.
    pub(crate) fn stored(self) -> [u64; 2] {
        [self.key, self.elem].map(|size| if size > INLINE { 8 } else { size })
    }

    fn indirect(self) -> [bool; 2] {
        [self.key, self.elem].map(|size| size > INLINE)
    }

    /// `tophash[8]`, eight keys, eight elems, the overflow pointer (`cmd/compile`, `MapBucketType`).
    pub(crate) fn bucket(self) -> SlotLayout {
        let [key, elem] = self.stored();
        self.layout(8, key, 8 + 8 * key, elem, 8 + 8 * key + 8 * elem + 8, true)
    }

    /// Eight control bytes and eight slots (`cmd/compile`, `SwissMapGroupType`). A field of no size
    /// at the end of a struct takes room, lest a pointer to it point beyond.
    pub(crate) fn group(self, slots: Slots) -> SlotLayout {
        let [key, elem] = self.stored();
        let align = align(key).max(align(elem));
        let last = |size: u64, elem: u64| if elem == 0 && size > 0 { size + 1 } else { size };
        match slots {
            Slots::SideBySide => {
                let at = key.next_multiple_of(self::align(elem));
                let slot = last(at + elem, elem).next_multiple_of(align);
                self.layout(8, slot, 8 + at, slot, 8 + 8 * slot, false)
            }
            Slots::Split => {
                let elems = (8 + 8 * key).next_multiple_of(self::align(elem));
                let size = last(elems + 8 * elem, elem).next_multiple_of(8);
                self.layout(8, key, elems, elem, size, true)
            }
        }
    }

    fn layout(
        self,
        keys: u64,
        key: u64,
        elems: u64,
        elem: u64,
        size: u64,
        split: bool,
    ) -> SlotLayout {
        let [indirect_key, indirect_elem] = self.indirect();
        SlotLayout {
            block_size: size.next_multiple_of(8),
            keys_off: keys,
            key_stride: key,
            elems_off: elems,
            elem_stride: elem,
            indirect_key,
            indirect_elem,
            pointer_free: !self.pointers,
            split,
        }
    }

    /// Writes `bytes` where a slot keeps them: there, or behind a pointer that is there.
    pub(crate) fn store(space: &mut Space, at: u64, bytes: &[u8]) {
        if bytes.len() as u64 <= INLINE {
            return space.put(at, bytes);
        }
        let object = space.alloc(bytes.len() as u64);
        space.put(object, bytes);
        space.put_word(at, object);
    }

    /// Reads what [`Kind::store`] wrote.
    pub(crate) fn load(space: &Space, at: u64, size: u64) -> &[u8] {
        match size > INLINE {
            true => space.bytes(space.word(at), size),
            false => space.bytes(at, size),
        }
    }
}

/// The alignment of a stored value of that size: what a type of it would have.
fn align(size: u64) -> u64 {
    match size {
        0 | 1 => 1,
        _ if size.is_multiple_of(8) => 8,
        _ if size.is_multiple_of(4) => 4,
        _ => 2,
    }
}

fn spread(number: u64, size: u64) -> Vec<u8> {
    number.to_le_bytes().into_iter().cycle().take(size as usize).collect()
}

/// A hash function with a seed. A poor one sends keys with neighbouring numbers to one bucket, or
/// one group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hasher {
    pub(crate) seed: u64,
    pub(crate) poor: bool,
}

impl Hasher {
    pub(crate) fn random(random: &mut Random, poor: bool) -> Hasher {
        // No map of a real program has the seed 0, but for one in 2^32 (classic).
        Hasher { seed: random.next() | 1, poor }
    }

    pub(crate) fn hash(self, key: &[u8]) -> u64 {
        let words = key.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(word)
        });
        let hash = words.fold(mix(self.seed), |hash, word| mix(hash ^ word));
        let first = key.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
        let crowd = mix(self.seed ^ first >> 6) & 0xffff;
        if self.poor { hash & !0xffff | crowd } else { hash }
    }
}
