//! The lists of the spans of one class: the few of a large heap's spans that are asked for, found
//! without looking at the others.

use mapscope_target::{Addr, Fault, MemoryExt, Why};

use super::Heap;
use crate::evidence::{Mcache, Mcentral, Mheap, Source, SpanSet, SpanSetBlock};
use crate::goroutine::Processor;

/// `spanSetBlockEntries` (runtime/mspanset.go, Go 1.19 to 1.27).
const BLOCK: u64 = 512;

/// Where the runtime keeps them.
pub(super) struct Central {
    /// `mheap_.central` in the heap.
    central: u64,
    /// Bytes from one class to the next.
    stride: u64,
    /// How many classes there are, those without pointers apart.
    classes: u64,
    /// The four sets of a class.
    sets: [u64; 4],
    set: SpanSet,
    /// The entries of a block of a set.
    entries: u64,
    /// `mcache.alloc`.
    caches: u64,
}

impl Central {
    /// `None` where there is no evidence: the list of all spans then has to do.
    pub(super) fn load(source: &dyn Source, mheap: &Mheap) -> Option<Central> {
        let Mcentral { partial, full, .. } = Mcentral::load(source).ok()?;
        let set = SpanSet::load(source).ok()?;
        let classes = source.place("runtime.mcache", "alloc")?.size / 8;
        Some(Central {
            central: mheap.central?,
            stride: source.place("runtime.mheap", "central")?.size.checked_div(classes)?,
            classes,
            sets: [partial, partial.wrapping_add(set.size), full, full.wrapping_add(set.size)],
            set,
            entries: SpanSetBlock::load(source).ok()?.spans,
            caches: Mcache::load(source).ok()?.alloc,
        })
    }
}

impl Heap<'_> {
    /// Where the structures are of the spans of a class (`spanClass`), by rising address; of some
    /// others too, which were of this class before. `None` where that cannot be told, or where the
    /// list of all spans costs no more.
    ///
    /// A span is in a set of its class or in the cache of a processor, but for the moment in which
    /// it goes from one to the other: those that were listed when the process ran are therefore
    /// listed again. Of one that is just being made nothing was allocated yet.
    ///
    /// # Errors
    ///
    /// The lists cannot be read, or are longer than the process is large.
    pub(super) fn class(
        &self,
        class: u8,
        processors: &[Processor],
    ) -> Result<Option<Vec<u64>>, Fault> {
        let Some(central) = self.central.as_ref().filter(|c| u64::from(class) < c.classes) else {
            return Ok(None);
        };
        if !self.is_listed_by_class(processors) {
            return Ok(None);
        }
        let mut list = self.seen.borrow_mut().remove(&class).unwrap_or_default();
        let lists = central.central.wrapping_add(u64::from(class).wrapping_mul(central.stride));
        for set in central.sets {
            self.set(central, at(self.mheap, lists.wrapping_add(set)), &mut list)?;
        }
        for processor in processors.iter().filter(|processor| !processor.mcache.is_null()) {
            let cached = at(processor.mcache, central.caches.wrapping_add(u64::from(class) * 8));
            list.push(self.memory.u64(cached)?);
        }
        list.sort_unstable();
        let size = self.span.size() as u64;
        list.dedup_by(|next, kept| *next - *kept < size);
        self.seen.borrow_mut().insert(class, list.clone());
        Ok(Some(list))
    }

    /// Whether spans are to be found by their class.
    pub(super) fn is_listed_by_class(&self, processors: &[Processor]) -> bool {
        self.central.is_some() && !processors.is_empty() && self.memory.is_dear()
    }

    /// Adds the entries of a `spanSet` (runtime/mspanset.go).
    fn set(&self, central: &Central, set: Addr, list: &mut Vec<u64>) -> Result<(), Fault> {
        let index = self.memory.u64(at(set, central.set.index))?;
        let blocks = self.memory.u64(at(set, central.set.spine_len))?;
        let (head, tail) = (index >> 32, index & u64::from(u32::MAX));
        let tail = tail.min(blocks.saturating_mul(BLOCK));
        if head >= tail {
            return Ok(());
        }
        // As many as the process can have pages, and as many that were listed before.
        let most = (self.most / self.geometry.page_size).saturating_mul(2);
        let limit = most.saturating_sub(list.len() as u64);
        if tail - head > limit {
            return Err(Fault::new(set, Why::TooLong { len: tail - head, limit }));
        }
        let spine = self.memory.addr(at(set, central.set.spine))?;
        let (first, last) = (head / BLOCK, (tail - 1) / BLOCK);
        let len = (last - first + 1) * 8;
        let spine = self.memory.bytes(at(spine, first * 8), len, len)?;
        for (number, block) in (first..).zip(spine.as_chunks::<8>().0) {
            let (block, before) = (u64::from_le_bytes(*block), number * BLOCK);
            // A block of which all entries were taken out.
            if block == 0 {
                continue;
            }
            let (from, to) = (head.max(before) - before, (tail - before).min(BLOCK));
            let entries = at(Addr(block), central.entries.wrapping_add(from * 8));
            let entries = self.memory.bytes(entries, (to - from) * 8, BLOCK * 8)?;
            let entries = entries.as_chunks::<8>().0.iter().map(|at| u64::from_le_bytes(*at));
            list.extend(entries.filter(|at| *at != 0));
        }
        Ok(())
    }
}

fn at(base: Addr, offset: u64) -> Addr {
    Addr(base.0.wrapping_add(offset))
}
