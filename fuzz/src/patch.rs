//! Changes of a seed's memory, as an input states them.

use crate::Sparse;

/// One change: three bytes of place, one of kind, eight of value.
const SIZE: usize = 12;
/// More do not make a better input.
const MOST: usize = 32;

/// Inputs as changes.
pub struct Patch;

impl Patch {
    /// Changes `memory` as `input` says. Whether anything was.
    pub fn apply(memory: &mut Sparse, input: &[u8]) -> bool {
        let mut any = false;
        for patch in input.as_chunks::<SIZE>().0.iter().take(MOST) {
            any |= one(memory, patch);
        }
        any
    }
}

fn one(memory: &mut Sparse, patch: &[u8; SIZE]) -> bool {
    let [p0, p1, p2, kind, value @ ..] = *patch;
    let total = memory.bytes().len();
    let place = u32::from_le_bytes([p0, p1, p2, 0]) as usize % total;
    let word = place & !7;
    let value = u64::from_le_bytes(value);
    let pointer = memory.addr_of(value as usize % total).0;
    let old = old(memory, word);
    let (at, new) = match kind % 6 {
        // A byte, two, eight as they are.
        0 => (place, value.to_le_bytes()[..1].to_vec()),
        1 => (place, value.to_le_bytes()[..2].to_vec()),
        2 => (word, value.to_le_bytes().to_vec()),
        // A pointer to somewhere that exists, aligned or not.
        3 => (word, (pointer & !7).to_le_bytes().to_vec()),
        4 => (word, pointer.to_le_bytes().to_vec()),
        // A bit more or less.
        _ => (word, old.wrapping_add(value as i8 as u64).to_le_bytes().to_vec()),
    };
    let end = (at + new.len()).min(total);
    let target = &mut memory.bytes()[at..end];
    let changed = *target != new[..end - at];
    target.copy_from_slice(&new[..end - at]);
    changed
}

fn old(memory: &mut Sparse, word: usize) -> u64 {
    let bytes = memory.bytes().get(word..word + 8);
    bytes.and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}
