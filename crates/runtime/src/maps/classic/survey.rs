//! Size, storage and state of a classic map.

use std::ops::ControlFlow;

use mapscope_target::{Addr, Memory, MemoryExt};

use super::Classic;
use super::buckets::{is_evacuated, slots_of};
use super::header::{HASH_WRITING, Header, SAMPLED_B, threshold};
use crate::maps::survey::{Growth, State, Survey};
use crate::maps::{Care, Damage, MapAt, MapShape, Reader, SLOTS, lines};

impl Classic {
    pub(super) fn survey_of(
        &self,
        reader: Reader<'_>,
        map: &MapAt,
        care: Care,
    ) -> Result<Survey, Damage> {
        let h = self.header(reader.memory, map.addr)?;
        let header = reader.heap.rounded(self.hmap.size, true);
        let slots = match slots_of(map) {
            Ok(slots) => slots,
            Err(_) => return self.survey_untyped(reader, &h),
        };
        let block = slots.block_size;
        if h.buckets.is_null() {
            return Ok(Survey { len: h.count, bytes: header, ..Survey::default() });
        }
        self.check_array(reader, h.buckets, h.len(), block)?;
        let (mut single, mut overflow) = self.overflow(reader.memory, &h, block)?;
        let mut estimated = h.b >= SAMPLED_B;
        if care == Care::Exact && estimated {
            let exact = self.count_overflow(reader, map)?;
            single = single.saturating_add(exact).saturating_sub(overflow);
            (overflow, estimated) = (exact, false);
        }
        estimated |= reader.heap.is_unknown(h.buckets) || reader.heap.is_unknown(h.oldbuckets);
        let array = |at: Addr, len: u64| reader.heap.allocated(at).unwrap_or(len * block);
        let mut bytes = header + array(h.buckets, h.len());
        bytes += single.saturating_mul(reader.heap.rounded(block, !slots.pointer_free));
        if !h.oldbuckets.is_null() {
            bytes += array(h.oldbuckets, h.old_len());
        }
        bytes += self.extra_bytes(reader, &h)?;
        let entry = 1 + slots.key_stride + slots.elem_stride;
        let live = h.count.saturating_mul(entry).saturating_add(header);
        Ok(Survey {
            grows: !h.oldbuckets.is_null(),
            len: h.count,
            capacity: h.len() * SLOTS as u64,
            bytes,
            wasted: bytes.saturating_sub(live),
            estimated,
            overflow,
            room: threshold(h.b).saturating_sub(h.count),
            state: self.state(reader, &h, block, care)?,
            ..Survey::default()
        })
    }

    /// Overflow buckets in use that were allocated one by one, and all that are in use. Exact
    /// below B = 16, where `noverflow` is.
    fn overflow(&self, memory: &dyn Memory, h: &Header, block: u64) -> Result<(u64, u64), Damage> {
        let all = u64::from(h.noverflow) << h.b.saturating_sub(SAMPLED_B - 1);
        let all = if h.b < SAMPLED_B { h.noverflow.into() } else { all };
        if h.extra.is_null() || h.spare() == 0 {
            return Ok((all, all));
        }
        let next = memory.addr(Addr(h.extra.0.wrapping_add(self.extra.next_overflow)))?;
        let first = h.buckets.index(h.len(), block).unwrap_or(h.buckets);
        let spare_used = match next.offset_from(first) {
            Some(bytes) if !next.is_null() => bytes / block.max(1),
            _ => h.spare(),
        };
        Ok((all.saturating_sub(spare_used), all))
    }

    /// Of the old buckets, those not evacuated: bucket `i` is when its first tophash is a mark.
    fn left(&self, reader: Reader<'_>, h: &Header, block: u64, care: Care) -> Result<u64, Damage> {
        let above = h.old_len().saturating_sub(h.nevacuate);
        if care == Care::Quick {
            return Ok(above);
        }
        let mut left = 0;
        let _ = lines::each(reader.memory, h.oldbuckets, block, h.old_len(), |_, bytes| {
            left += u64::from(!is_evacuated(bytes));
            ControlFlow::Continue(())
        })?;
        Ok(left)
    }

    fn state(
        &self,
        reader: Reader<'_>,
        h: &Header,
        block: u64,
        care: Care,
    ) -> Result<State, Damage> {
        Ok(if h.flags & HASH_WRITING != 0 {
            State::Writing
        } else if !h.oldbuckets.is_null() {
            State::Growing(Growth {
                same_size: h.same_size(),
                old: h.old_len(),
                left: self.left(reader, h, block, care)?,
            })
        } else if h.buckets.is_null() {
            State::Lazy
        } else {
            State::Steady
        })
    }

    /// Overflow buckets counted one by one.
    fn count_overflow(&self, reader: Reader<'_>, map: &MapAt) -> Result<u64, Damage> {
        let mut count = 0;
        self.blocks(reader, map, &mut |block| {
            count += u64::from(block.step > 0);
            ControlFlow::Continue(())
        })?;
        Ok(count)
    }

    /// The arrays of `extra.overflow` and `extra.oldoverflow`, and `extra` itself.
    fn extra_bytes(&self, reader: Reader<'_>, h: &Header) -> Result<u64, Damage> {
        if h.extra.is_null() {
            return Ok(0);
        }
        let mut bytes = reader.heap.rounded(self.extra.size, true);
        for member in [self.extra.overflow, self.extra.oldoverflow] {
            let slice = reader.memory.addr(Addr(h.extra.0.wrapping_add(member)))?;
            if !slice.is_null() {
                let array = reader.memory.addr(slice)?;
                bytes += reader.heap.rounded(24, true);
                bytes += reader.heap.allocated(array).unwrap_or(0);
            }
        }
        Ok(bytes)
    }

    /// A map whose type is not known: what the heap says of its arrays.
    fn survey_untyped(&self, reader: Reader<'_>, h: &Header) -> Result<Survey, Damage> {
        let array = |at: Addr| reader.heap.allocated(at).unwrap_or(0);
        let (header, buckets) = (reader.heap.rounded(self.hmap.size, true), array(h.buckets));
        let survey = Survey {
            grows: !h.oldbuckets.is_null(),
            len: h.count,
            capacity: if h.buckets.is_null() { 0 } else { h.len() * SLOTS as u64 },
            bytes: header + buckets + array(h.oldbuckets),
            overflow: h.noverflow.into(),
            room: threshold(h.b).saturating_sub(h.count),
            state: match () {
                () if h.flags & HASH_WRITING != 0 => State::Writing,
                () if h.buckets.is_null() => State::Lazy,
                () if h.oldbuckets.is_null() => State::Steady,
                () => State::Growing(Growth {
                    same_size: h.same_size(),
                    old: h.old_len(),
                    left: h.old_len().saturating_sub(h.nevacuate),
                }),
            },
            ..Survey::default()
        };
        Ok(survey.untyped(header, buckets))
    }
}
