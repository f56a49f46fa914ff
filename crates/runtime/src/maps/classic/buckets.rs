//! Buckets, and their chains of overflow buckets.

use std::ops::ControlFlow;

use mapscope_target::{Addr, Memory};

use super::Classic;
use crate::maps::lines::{self, byte, word};
use crate::maps::{Block, Damage, MapAt, Reader, SLOTS, Visit};
use crate::types::SlotLayout;

/// Marks of `tophash`; an entry's is at least `MIN_TOP_HASH`.
const EVACUATED_X: u8 = 2;
const EVACUATED_EMPTY: u8 = 4;
pub(super) const MIN_TOP_HASH: u8 = 5;

/// Overflow buckets of one map beyond which its chains are taken for ones that run into each
/// other.
pub(super) const MAX_OVERFLOW: u64 = 1 << 24;

impl Classic {
    /// Whether the array at `buckets` is as long as the header says, where the heap can tell.
    pub(super) fn check_array(
        &self,
        reader: Reader<'_>,
        buckets: Addr,
        len: u64,
        block_size: u64,
    ) -> Result<(), Damage> {
        let Some(bytes) = reader.heap.allocated(buckets) else { return Ok(()) };
        let fits = len.checked_mul(block_size).is_some_and(|need| need <= bytes);
        Damage::unless(fits, buckets, "the bucket array is shorter than B says")
    }

    pub(super) fn chain(
        &self,
        memory: &dyn Memory,
        slots: &SlotLayout,
        first: Block<'_>,
        left: &mut u64,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, Damage> {
        if visit(first).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let size = slots.block_size as usize;
        let mut next = Addr(word(first.bytes, slots.block_size - 8));
        let mut bytes = Vec::new();
        let mut step = 1;
        // Brent's way to find a cycle: a mark that is moved on at every power of two.
        let mut mark = Addr::NULL;
        while !next.is_null() {
            let ends = *left > 0 && next != mark;
            Damage::unless(ends, next, "the overflow chain does not end")?;
            *left -= 1;
            if u64::is_power_of_two(step) {
                mark = next;
            }
            bytes.resize(size, 0);
            memory.read(next, &mut bytes)?;
            let block = Block { addr: next, bytes: &bytes, full: full(&bytes), step, ..first };
            if visit(block).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            next = Addr(word(&bytes, slots.block_size - 8));
            step += 1;
        }
        Ok(ControlFlow::Continue(()))
    }

    pub(super) fn walk_array(
        &self,
        memory: &dyn Memory,
        slots: &SlotLayout,
        (array, len, old): (Addr, u64, bool),
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, Damage> {
        let mut outcome = Ok(ControlFlow::Continue(()));
        let mut left = MAX_OVERFLOW;
        let size = slots.block_size;
        let flow = lines::each(memory, array, size, len, |home, bytes| {
            if old && is_evacuated(bytes) {
                return ControlFlow::Continue(());
            }
            let addr = Addr(array.0.wrapping_add(home.wrapping_mul(size)));
            let block = Block { addr, bytes, full: full(bytes), home, step: 0, old };
            outcome = self.chain(memory, slots, block, &mut left, visit);
            match outcome {
                Ok(flow) => flow,
                Err(_) => ControlFlow::Break(()),
            }
        })?;
        outcome.map(|_| flow)
    }
}

/// Which slots of a bucket hold an entry.
fn full(bucket: &[u8]) -> u8 {
    let live = |(i, top): (usize, &u8)| u8::from(*top >= MIN_TOP_HASH) << i;
    bucket.iter().take(SLOTS).enumerate().map(live).sum()
}

pub(super) fn is_evacuated(bucket: &[u8]) -> bool {
    (EVACUATED_X..=EVACUATED_EMPTY).contains(&byte(bucket, 0))
}

pub(super) fn slots_of(map: &MapAt) -> Result<SlotLayout, Damage> {
    let slots = map.slots.ok_or(Damage::Untyped)?;
    // Eight tophash bytes, keys and elems of at most 128 bytes each, a pointer.
    let sane = (16..=16 + 8 * 256).contains(&slots.block_size);
    Damage::unless(sane, map.addr, "the bucket size of its type is impossible")?;
    Ok(slots)
}
