//! Whether a candidate is a classic map.

use std::ops::Range;

use mapscope_target::{Addr, MemoryExt};

use super::Classic;
use super::header::{HASH_WRITING, ITERATOR, OLD_ITERATOR, SAME_SIZE_GROW};
use crate::maps::{Damage, Reader, SLOTS};

impl Classic {
    pub(super) fn prove_header(
        &self,
        reader: Reader<'_>,
        header: &[u8],
        at: Addr,
        stack: Option<&Range<Addr>>,
    ) -> Result<Option<Addr>, Damage> {
        let h = self.parse(header, at)?;
        let known = ITERATOR | OLD_ITERATOR | HASH_WRITING | SAME_SIZE_GROW;
        Damage::unless(h.flags & !known == 0, at, "flags that do not exist are set")?;
        if h.buckets.is_null() {
            let lazy = h.count == 0 && h.b == 0 && h.oldbuckets.is_null() && h.hash0 != 0;
            let lazy = lazy && h.noverflow == 0 && h.nevacuate == 0 && h.extra.is_null();
            Damage::unless(lazy, at, "no buckets, yet not an empty map")?;
            return Ok(None);
        }
        Damage::unless(h.hash0 != 0, at, "the hash has no seed")?;
        let most = h.len().saturating_mul(SLOTS as u64).saturating_mul(4);
        Damage::unless(h.count <= most, at, "more entries than the buckets can hold")?;
        // Only the one bucket of a map that has not grown can lie on a stack.
        match h.b == 0 && stack.is_some_and(|s| s.contains(&h.buckets)) {
            true => prove_bucket(reader, h.buckets, at)?,
            false => self.prove_array(reader, h.buckets, h.len(), at)?,
        }
        if !h.oldbuckets.is_null() {
            Damage::unless(h.nevacuate <= h.old_len(), at, "nevacuate is beyond the old array")?;
            self.prove_array(reader, h.oldbuckets, h.old_len(), at)?;
        }
        if !h.extra.is_null() {
            let object = reader.heap.object(h.extra).filter(|o| o.base == h.extra);
            let fits = object.is_some_and(|o| o.size >= self.extra.size && o.size <= 32);
            Damage::unless(fits, at, "extra points to no mapextra")?;
        }
        Ok(Some(h.buckets))
    }

    /// An array of a header that is only a candidate: a heap object of its own, long enough for
    /// the smallest buckets, not longer than the largest need, with legal marks in its first
    /// bucket.
    fn prove_array(
        &self,
        reader: Reader<'_>,
        array: Addr,
        len: u64,
        at: Addr,
    ) -> Result<(), Damage> {
        let object = reader.heap.object(array);
        let object = object.filter(|o| o.in_use && array.0 - o.base.0 <= 8);
        let Some(object) = object else {
            return Err(Damage::Broken { at, rule: "the bucket array is no heap object" });
        };
        let smallest = len.saturating_mul(16);
        Damage::unless(object.size >= smallest, at, "the bucket array is shorter than B says")?;
        // Spare buckets and the size class add less than a quarter and a page.
        let largest = len.saturating_mul(16 + 8 * 256).saturating_mul(5) / 4;
        Damage::unless(object.size <= largest + (16 << 10), at, "the bucket array is too long")?;
        prove_bucket(reader, array, at)
    }
}

/// The marks in the first bucket of an array that is only a candidate.
fn prove_bucket(reader: Reader<'_>, bucket: Addr, at: Addr) -> Result<(), Damage> {
    let tops = reader.memory.array::<SLOTS>(bucket)?;
    let legal = tops[0] == 0 || tops.iter().any(|t| *t != 0);
    Damage::unless(legal && rest_is_last(&tops), at, "tophash marks are not those of a bucket")
}

/// `emptyRest` (0) means that nothing follows: no entry stands behind it.
pub(super) fn rest_is_last(tops: &[u8; SLOTS]) -> bool {
    let rest = tops.iter().position(|t| *t == 0).unwrap_or(SLOTS);
    tops[rest..].iter().all(|t| *t == 0)
}
