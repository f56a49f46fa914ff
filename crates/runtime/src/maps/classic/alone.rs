//! Whether what may be a classic map can be nothing else, whatever its type.

use std::ops::ControlFlow;

use mapscope_target::{Addr, MemoryExt};

use super::Classic;
use super::buckets::MIN_TOP_HASH;
use super::header::{HASH_WRITING, Header};
use super::prove::rest_is_last;
use crate::maps::lines::{each, word};
use crate::maps::strides::strides;
use crate::maps::{Damage, Reader, SLOTS};

/// Buckets of an array, and overflow buckets, that are looked at for this.
const MOST: u64 = 1 << 16;

/// `emptyOne` (runtime/map.go): marks from here to the first of an entry are of a growth.
const EMPTY_ONE: u8 = 1;

impl Classic {
    pub(super) fn is_alone(&self, reader: Reader<'_>, at: Addr) -> Result<bool, Damage> {
        let h = self.header(reader.memory, at)?;
        let still = h.flags & HASH_WRITING == 0 && h.oldbuckets.is_null();
        if !still || h.buckets.is_null() || h.len() > MOST {
            return Ok(false);
        }
        let spread = strides(reader.heap, h.buckets, h.len() + h.spare());
        let mut counted = spread.map(|stride| count(reader, &h, stride));
        Ok(counted.any(|(count, slots)| count == Some(h.count) && h.count < slots))
    }
}

/// How many entries buckets of this size hold, `None` where their marks are illegal; and how many
/// slots they have.
fn count(reader: Reader<'_>, h: &Header, stride: u64) -> (Option<u64>, u64) {
    let (mut entries, mut buckets) = (0, 0);
    let mut legal = true;
    let walked = each(reader.memory, h.buckets, stride, h.len(), |_, bucket| {
        let (mut full, mut next) = (marks(bucket), Addr(word(bucket, stride - 8)));
        loop {
            buckets += 1;
            entries += full.unwrap_or(0);
            legal &= full.is_some() && buckets <= MOST + h.len();
            if !legal || next.is_null() {
                break;
            }
            (full, next) = overflow(reader, next, stride).unwrap_or((None, Addr::NULL));
        }
        if legal { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    ((legal && walked.is_ok()).then_some(entries), buckets * SLOTS as u64)
}

/// The entries of the overflow bucket at `at`, and the one behind it.
fn overflow(reader: Reader<'_>, at: Addr, stride: u64) -> Option<(Option<u64>, Addr)> {
    let end = at.checked_add(stride)?;
    let object = reader.heap.object(at).filter(|o| o.in_use)?;
    let inside = end.0 <= object.base.0.saturating_add(object.size);
    let tops = reader.memory.array::<SLOTS>(at).ok().filter(|_| inside)?;
    Some((marks(&tops), reader.memory.addr(Addr(end.0 - 8)).ok()?))
}

/// How many entries a bucket of a map that does not grow holds; `None` where it is none.
fn marks(bucket: &[u8]) -> Option<u64> {
    let tops = bucket.first_chunk::<SLOTS>()?;
    let legal = tops.iter().all(|top| *top <= EMPTY_ONE || *top >= MIN_TOP_HASH);
    let full = tops.iter().filter(|top| **top >= MIN_TOP_HASH).count();
    (legal && rest_is_last(tops)).then_some(full as u64)
}
