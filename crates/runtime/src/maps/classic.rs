//! `runtime.hmap`: buckets of eight entries with overflow chains, grown a bucket at a time.
//!
//! Go until 1.23, and 1.24 and 1.25 with `GOEXPERIMENT=noswissmap` (runtime/map.go,
//! runtime/map_noswiss.go). The layout and the meaning of every mark are the same in all of them.

use std::ops::{ControlFlow, Range};

use mapscope_target::{Addr, Fault, Memory, MemoryExt};

use super::lines::{self, byte, word};
use super::survey::{Array, Growth, State, Survey};
use super::{Block, Care, Damage, HeaderField, MapAt, MapShape, Reader, SLOTS, Visit};
use crate::evidence::{Hmap, MapExtra, Missing, Source};
use crate::types::SlotLayout;

/// Flags of `hmap.flags`.
const ITERATOR: u8 = 1;
const OLD_ITERATOR: u8 = 2;
const HASH_WRITING: u8 = 4;
const SAME_SIZE_GROW: u8 = 8;

/// Marks of `tophash`; an entry's is at least `MIN_TOP_HASH`.
const EVACUATED_X: u8 = 2;
const EVACUATED_EMPTY: u8 = 4;
const MIN_TOP_HASH: u8 = 5;

/// More buckets than memory can hold: 2^40.
const MAX_B: u8 = 40;
/// Overflow buckets in one chain beyond which it is taken for a cycle.
const MAX_CHAIN: u64 = 1 << 24;
/// From this B on `noverflow` is counted by chance (`incrnoverflow`).
const SAMPLED_B: u8 = 16;

/// The classic implementation, with its layouts in this target.
#[derive(Clone, Debug)]
pub struct Classic {
    hmap: Hmap,
    extra: MapExtra,
}

/// A header, read.
#[derive(Clone, Copy, Debug)]
struct Header {
    count: u64,
    flags: u8,
    b: u8,
    noverflow: u16,
    hash0: u32,
    buckets: Addr,
    oldbuckets: Addr,
    nevacuate: u64,
    extra: Addr,
}

impl Header {
    fn len(&self) -> u64 {
        1 << self.b
    }

    fn same_size(&self) -> bool {
        self.flags & SAME_SIZE_GROW != 0
    }

    fn old_len(&self) -> u64 {
        if self.same_size() { self.len() } else { (self.len() / 2).max(1) }
    }

    /// The same for the array before a growth.
    fn old_spare(&self) -> u64 {
        if self.old_len() >= 16 { self.old_len() >> 4 } else { 0 }
    }

    /// Spare overflow buckets that come with the array (`makeBucketArray`).
    fn spare(&self) -> u64 {
        if self.b >= 4 { self.len() >> 4 } else { 0 }
    }
}

impl Classic {
    pub(super) fn load(source: &dyn Source) -> Result<Classic, Missing> {
        Ok(Classic { hmap: Hmap::load(source)?, extra: MapExtra::load(source)? })
    }

    fn header(&self, memory: &dyn Memory, at: Addr) -> Result<Header, Damage> {
        self.parse(&lines::header(memory, at, self.hmap.size)?, at)
    }

    fn parse(&self, bytes: &[u8], at: Addr) -> Result<Header, Damage> {
        let l = &self.hmap;
        let header = Header {
            count: word(bytes, l.count),
            flags: byte(bytes, l.flags),
            b: byte(bytes, l.b),
            noverflow: word(bytes, l.noverflow) as u16,
            hash0: word(bytes, l.hash0) as u32,
            buckets: Addr(word(bytes, l.buckets)),
            oldbuckets: Addr(word(bytes, l.oldbuckets)),
            nevacuate: word(bytes, l.nevacuate),
            extra: Addr(word(bytes, l.extra)),
        };
        Damage::unless(header.b <= MAX_B, at, "B is larger than memory")?;
        Ok(header)
    }

    /// Whether the array at `buckets` is as long as the header says, where the heap can tell.
    fn check_array(
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

    fn chain(
        &self,
        memory: &dyn Memory,
        slots: &SlotLayout,
        first: Block<'_>,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, Damage> {
        if visit(first).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let size = slots.block_size as usize;
        let mut next = Addr(word(first.bytes, slots.block_size - 8));
        let mut bytes = Vec::new();
        let mut step = 1;
        while !next.is_null() {
            Damage::unless(step < MAX_CHAIN, next, "the overflow chain does not end")?;
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

    fn walk_array(
        &self,
        memory: &dyn Memory,
        slots: &SlotLayout,
        (array, len, old): (Addr, u64, bool),
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, Damage> {
        let mut outcome = Ok(ControlFlow::Continue(()));
        let size = slots.block_size;
        let flow = lines::each(memory, array, size, len, |home, bytes| {
            if old && is_evacuated(bytes) {
                return ControlFlow::Continue(());
            }
            let addr = Addr(array.0.wrapping_add(home.wrapping_mul(size)));
            let block = Block { addr, bytes, full: full(bytes), home, step: 0, old };
            outcome = self.chain(memory, slots, block, visit);
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

fn is_evacuated(bucket: &[u8]) -> bool {
    (EVACUATED_X..=EVACUATED_EMPTY).contains(&byte(bucket, 0))
}

fn slots_of(map: &MapAt) -> Result<SlotLayout, Damage> {
    let slots = map.slots.ok_or(Damage::Untyped)?;
    // Eight tophash bytes, keys and elems of at most 128 bytes each, a pointer.
    let sane = (16..=16 + 8 * 256).contains(&slots.block_size);
    Damage::unless(sane, map.addr, "the bucket size of its type is impossible")?;
    Ok(slots)
}

impl MapShape for Classic {
    fn name(&self, _: Option<&SlotLayout>) -> &'static str {
        "classic"
    }

    fn header_size(&self) -> u64 {
        self.hmap.size
    }

    fn has_chains(&self) -> bool {
        true
    }

    fn pointer_words(&self) -> u64 {
        let members = [self.hmap.buckets, self.hmap.oldbuckets, self.hmap.extra];
        members.iter().map(|offset| 1 << (offset / 8)).sum()
    }

    fn len(&self, memory: &dyn Memory, header: Addr) -> Result<u64, Fault> {
        memory.u64(Addr(header.0.wrapping_add(self.hmap.count)))
    }

    fn survey(&self, reader: Reader<'_>, map: &MapAt, care: Care) -> Result<Survey, Damage> {
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

    fn arrays(&self, reader: Reader<'_>, map: &MapAt) -> Result<Vec<Array>, Damage> {
        let h = self.header(reader.memory, map.addr)?;
        let slots = slots_of(map)?;
        let mut arrays = Vec::new();
        for (what, addr, count) in [
            ("buckets", h.buckets, h.len() + h.spare()),
            ("oldbuckets", h.oldbuckets, h.old_len() + h.old_spare()),
        ] {
            if !addr.is_null() {
                let in_heap = reader.heap.allocated(addr);
                let bytes = in_heap.unwrap_or(count.saturating_mul(slots.block_size));
                let on_stack = in_heap.is_none();
                arrays.push(Array { what, addr, bytes, count, blocks: true, on_stack });
            }
        }
        Ok(arrays)
    }

    fn blocks(&self, reader: Reader<'_>, map: &MapAt, visit: Visit<'_>) -> Result<(), Damage> {
        let h = self.header(reader.memory, map.addr)?;
        if h.buckets.is_null() {
            return Ok(());
        }
        let slots = slots_of(map)?;
        self.check_array(reader, h.buckets, h.len(), slots.block_size)?;
        let flow = self.walk_array(reader.memory, &slots, (h.buckets, h.len(), false), visit)?;
        if flow.is_break() || h.oldbuckets.is_null() {
            return Ok(());
        }
        self.check_array(reader, h.oldbuckets, h.old_len(), slots.block_size)?;
        let _ = self.walk_array(reader.memory, &slots, (h.oldbuckets, h.old_len(), true), visit)?;
        Ok(())
    }

    fn explain(&self, reader: Reader<'_>, map: &MapAt) -> Result<Vec<HeaderField>, Damage> {
        let h = self.header(reader.memory, map.addr)?;
        let l = &self.hmap;
        let field = |name, offset, value: String, meaning: String| HeaderField {
            name,
            offset,
            value,
            meaning,
        };
        Ok(vec![
            field("count", l.count, h.count.to_string(), "live entries: what len returns".into()),
            field("flags", l.flags, format!("{:#x}", h.flags), flag_words(h.flags)),
            field("B", l.b, h.b.to_string(), b_words(&h)),
            field("noverflow", l.noverflow, h.noverflow.to_string(), overflow_words(&h)),
            field("hash0", l.hash0, format!("{:#x}", h.hash0), "seed of the hash".into()),
            field("buckets", l.buckets, h.buckets.to_string(), buckets_words(&h)),
            field("oldbuckets", l.oldbuckets, h.oldbuckets.to_string(), old_words(&h)),
            field("nevacuate", l.nevacuate, h.nevacuate.to_string(), nevacuate_words(&h)),
            field("extra", l.extra, h.extra.to_string(), extra_words(&h)),
        ])
    }

    fn prove(
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
}

impl Classic {
    /// A map whose type is not known: what the heap says of its arrays.
    fn survey_untyped(&self, reader: Reader<'_>, h: &Header) -> Result<Survey, Damage> {
        let array = |at: Addr| reader.heap.allocated(at).unwrap_or(0);
        let bytes = reader.heap.rounded(self.hmap.size, true);
        let bytes = bytes + array(h.buckets) + array(h.oldbuckets);
        Ok(Survey {
            len: h.count,
            capacity: if h.buckets.is_null() { 0 } else { h.len() * SLOTS as u64 },
            bytes,
            estimated: true,
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
        })
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
fn rest_is_last(tops: &[u8; SLOTS]) -> bool {
    let rest = tops.iter().position(|t| *t == 0).unwrap_or(SLOTS);
    tops[rest..].iter().all(|t| *t == 0)
}

/// Entries a map with 2^b buckets holds before the next insert doubles it: 6.5 a bucket.
fn threshold(b: u8) -> u64 {
    if b == 0 { SLOTS as u64 } else { 13 << (b - 1) }
}

fn flag_words(flags: u8) -> String {
    let names = [
        (ITERATOR, "iterator: a range over buckets was begun since the last growth"),
        (OLD_ITERATOR, "oldIterator: a range over oldbuckets was begun"),
        (HASH_WRITING, "hashWriting: a goroutine is writing, or died writing"),
        (SAME_SIZE_GROW, "sameSizeGrow: growing into an array of the same size"),
    ];
    let set: Vec<_> = names.iter().filter(|(f, _)| flags & f != 0).map(|(_, n)| *n).collect();
    if set.is_empty() { "none set".into() } else { set.join("; ") }
}

fn b_words(h: &Header) -> String {
    format!("2^{} = {} buckets of 8; grows at {} entries", h.b, h.len(), threshold(h.b) + 1)
}

fn overflow_words(h: &Header) -> String {
    if h.b < SAMPLED_B {
        "overflow buckets, exact below B=16".into()
    } else {
        "overflow buckets, sampled from B=16 on".into()
    }
}

fn buckets_words(h: &Header) -> String {
    match h.spare() {
        _ if h.buckets.is_null() => "none yet: made at the first insert".into(),
        0 => format!("{} buckets, no spare ones", h.len()),
        spare => format!("{} buckets and {spare} spare ones for overflow", h.len()),
    }
}

fn old_words(h: &Header) -> String {
    match h.oldbuckets.is_null() {
        true => "no growth under way".into(),
        false => format!("{} buckets being evacuated", h.old_len()),
    }
}

fn nevacuate_words(h: &Header) -> String {
    match h.oldbuckets.is_null() {
        true => "no meaning without oldbuckets".into(),
        false => format!(
            "old buckets below {} are evacuated; writes and deletes go on, reads never do",
            h.nevacuate
        ),
    }
}

fn extra_words(h: &Header) -> String {
    match h.extra.is_null() {
        true => "none: no overflow bucket has been needed".into(),
        false => {
            "mapextra: spare buckets, and overflow lists where buckets hold no pointers".into()
        }
    }
}
