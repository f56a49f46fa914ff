//! How far apart buckets or groups can lie in an array of which only the allocator tells the size.

use mapscope_target::Addr;

use crate::heap::Heap;

/// Smallest bucket or group of any type, in bytes: eight marks, and what keeps the next one aligned.
const SMALLEST: u64 = 16;
/// The largest: eight marks, eight keys and elems of at most 128 bytes each, a pointer.
const LARGEST: u64 = 16 + 8 * 256;

/// Every size of a bucket or group of which `count` take the object that begins at `array`, the
/// largest first; none where no object in use begins there.
pub(super) fn strides(heap: &Heap<'_>, array: Addr, count: u64) -> impl Iterator<Item = u64> {
    let object = heap.object(array).filter(|o| o.in_use && o.value == array);
    let pointers = heap.span_of(array).is_some_and(|span| !span.noscan);
    let size = object.map_or(0, |object| object.size);
    let largest = size.checked_div(count).unwrap_or(0).min(LARGEST) / 8 * 8;
    let possible = (SMALLEST..=largest).rev().step_by(8);
    possible.filter(move |stride| heap.rounded(stride.saturating_mul(count), pointers) == size)
}
