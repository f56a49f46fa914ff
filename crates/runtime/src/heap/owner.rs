//! In whose list a span is: a processor's cache, or one of the central lists of its class.

use mapscope_target::{Addr, Fault, MemoryExt};

use super::{Heap, Span};
use crate::evidence::{Mcache, Source};
use crate::goroutine::Processor;

/// Who hands out the objects of a span that are free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The cache of the processor with this number (`mcache.alloc`).
    Processor(u32),
    /// The cache of some processor: which could not be told.
    SomeProcessor,
    /// The central list of its class (`mcentral`).
    Central {
        /// It has no free object, and is in the list of full spans.
        full: bool,
        /// It was swept since the last garbage collection.
        swept: bool,
    },
    /// It is being swept at this moment, and in no list.
    Sweeping,
}

/// What the allocator says of the span that an object lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanFacts {
    /// The span.
    pub span: Span,
    /// How many of its objects are in use; of a span in a processor's cache as of when it came
    /// there, with what was handed out since missing.
    pub used: u64,
    /// In whose list it is.
    pub owner: Owner,
}

/// Where the runtime keeps what tells in which list a span is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lists {
    alloc: u64,
    caches: u64,
    heap_sweepgen: u64,
    span_sweepgen: u64,
    alloc_count: u64,
}

impl Lists {
    /// `None` where there is no evidence: in whose list a span is, is then not told.
    pub(super) fn load(
        source: &dyn Source,
        heap_sweepgen: Option<u64>,
        span: (Option<u64>, Option<u64>),
    ) -> Option<Lists> {
        let (heap_sweepgen, span_sweepgen, alloc_count) = (heap_sweepgen?, span.0?, span.1?);
        let Mcache { alloc, .. } = Mcache::load(source).ok()?;
        let caches = source.place("runtime.mcache", "alloc").map_or(0, |place| place.size / 8);
        Some(Lists { alloc, caches, heap_sweepgen, span_sweepgen, alloc_count })
    }
}

impl Heap<'_> {
    /// What the allocator says of the span that `addr` lies in; `None` where it lies in none that
    /// holds objects, or nothing tells where these facts are.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub fn span_facts(
        &self,
        addr: Addr,
        processors: &[Processor],
    ) -> Result<Option<SpanFacts>, Fault> {
        let (Some(lists), Some(span)) = (&self.lists, self.span_of(addr)) else { return Ok(None) };
        let at = |base: Addr, offset: u64| Addr(base.0.wrapping_add(offset));
        let used = self.memory.array::<2>(at(span.addr, lists.alloc_count))?;
        let used = u64::from(u16::from_le_bytes(used));
        let heap = self.memory.u32(at(self.mheap, lists.heap_sweepgen))?;
        let own = self.memory.u32(at(span.addr, lists.span_sweepgen))?;
        // The comment at `mspan.sweepgen` in runtime/mheap.go, Go 1.19 to 1.27.
        let owner = match own.wrapping_sub(heap).cast_signed() {
            -1 => Owner::Sweeping,
            1 | 3 => self.cached(lists, &span, processors)?,
            behind => Owner::Central { full: used >= span.nelems, swept: behind >= 0 },
        };
        Ok(Some(SpanFacts { span, used, owner }))
    }

    /// Whose cache has a span that is in one.
    fn cached(&self, lists: &Lists, span: &Span, processors: &[Processor]) -> Result<Owner, Fault> {
        let class = u64::from(span.size_class) << 1 | u64::from(span.noscan);
        for processor in processors.iter().filter(|p| !p.mcache.is_null()) {
            if class >= lists.caches {
                break;
            }
            let entry = processor.mcache.0.wrapping_add(lists.alloc).wrapping_add(class * 8);
            if self.memory.addr(Addr(entry))? == span.addr {
                return Ok(Owner::Processor(processor.id));
            }
        }
        Ok(Owner::SomeProcessor)
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Owner::Processor(id) => write!(f, "mcache of P{id}"),
            Owner::SomeProcessor => f.write_str("mcache of some P"),
            Owner::Sweeping => f.write_str("being swept"),
            Owner::Central { full, swept } => {
                let list = if *full { "full" } else { "partial" };
                let swept = if *swept { "swept" } else { "not swept yet" };
                write!(f, "mcentral, {list}, {swept}")
            }
        }
    }
}
