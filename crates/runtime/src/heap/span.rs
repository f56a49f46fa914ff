//! `runtime.mspan`: a run of pages that holds objects of one size.

use mapscope_target::{Addr, Fault, Memory, MemoryExt};

use crate::evidence::{Missing, Mspan, Source};

/// `mSpanInUse` (runtime/mheap.go): the only state in which a span holds objects.
const IN_USE: u8 = 1;
/// `mSpanManual`: stacks, and what the runtime allocates for itself.
const MANUAL: u8 = 2;

/// What a span is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It holds objects.
    Objects,
    /// A stack, or something of the runtime's own.
    Manual,
    /// Nothing.
    Free,
}

/// What a process can address: half of the 48 bits of amd64's virtual addresses.
const ADDRESSES: u64 = 1 << 47;

/// Larger than any span structure of any release, in bytes.
const MAX_LAYOUT: usize = 1024;

/// A span that holds objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where the `mspan` itself is.
    pub addr: Addr,
    /// First byte of its pages.
    pub start: Addr,
    /// Length in pages.
    pub npages: u64,
    /// Object size in bytes.
    pub elemsize: u64,
    /// How many objects.
    pub nelems: u64,
    /// Objects below this index are in use.
    pub freeindex: u64,
    /// Size class; 0 for one large object.
    pub size_class: u8,
    /// Its objects hold no pointers.
    pub noscan: bool,
    /// The type of a large object.
    pub large_type: Option<Addr>,
    alloc_bits: Addr,
    /// How far it has come, where that is known.
    pub(super) version: Option<Version>,
}

/// How far a span has come: as long as this stays the same, and the span is in no processor's cache,
/// nothing was allocated in it.
///
/// A span that is in no cache is swept before anything can be allocated in it, or it is put into
/// one, and comes back with a higher `allocCount` (`mcache.refill`, `mcentral.uncacheSpan`,
/// Go 1.19 to 1.27).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    start: Addr,
    sweepgen: u32,
    alloc_count: u16,
}

impl Version {
    /// Whether the span is in no processor's cache, and not being swept: its `sweepgen` is that of
    /// the heap, which is always even, or two behind (the comment at `mspan.sweepgen`,
    /// runtime/mheap.go).
    pub(super) fn is_at_rest(self) -> bool {
        self.sweepgen.is_multiple_of(2)
    }

    /// Whether the span was swept in the heap's `sweepgen` of this number, and has no free object.
    pub(super) fn is_settled(self, sweepgen: u32, nelems: u64) -> bool {
        self.sweepgen == sweepgen && u64::from(self.alloc_count) == nelems
    }
}

impl Span {
    /// It has objects, and they are not larger than all that a process can address: sums of a few
    /// sizes do not overflow.
    fn is_sane(&self) -> bool {
        let bytes = self.elemsize.checked_mul(self.nelems);
        bytes.is_some_and(|bytes| (1..=ADDRESSES).contains(&bytes))
    }

    /// Whether `addr` lies in its pages.
    pub fn contains(&self, addr: Addr, page_size: u64) -> bool {
        addr.offset_from(self.start).is_some_and(|d| d < self.npages.saturating_mul(page_size))
    }

    /// Which object `addr` lies in.
    pub fn index_of(&self, addr: Addr) -> Option<u64> {
        let index = addr.offset_from(self.start)?.checked_div(self.elemsize)?;
        (index < self.nelems).then_some(index)
    }

    /// The first byte of object `index`.
    pub fn object(&self, index: u64) -> Option<Addr> {
        self.start.index(index, self.elemsize)
    }

    /// Whether object `index` is in use: below `freeindex`, or set in `allocBits`
    /// (`mspan.isFree`, runtime/mbitmap.go).
    pub fn in_use(&self, memory: &dyn Memory, index: u64) -> Result<bool, Fault> {
        if index < self.freeindex {
            return Ok(true);
        }
        bit(memory, self.alloc_bits, index)
    }
}

/// Which objects of a span are in use.
#[derive(Debug, Default)]
pub struct InUse {
    freeindex: u64,
    bits: Vec<u8>,
}

impl InUse {
    /// Reads it for all objects of `span`.
    ///
    /// # Errors
    ///
    /// The allocation bits cannot be read.
    pub fn read(&mut self, memory: &dyn Memory, span: &Span) -> Result<(), Fault> {
        self.freeindex = span.freeindex;
        self.bits.clear();
        if span.freeindex < span.nelems {
            self.bits.resize(span.nelems.min(MAX_OBJECTS).div_ceil(8) as usize, 0);
            memory.read(span.alloc_bits, &mut self.bits)?;
        }
        Ok(())
    }

    /// The allocation bits, from object 0 on; none where all objects are in use.
    pub(super) fn bits(&self) -> &[u8] {
        &self.bits
    }

    /// Whether object `index` is in use.
    pub fn is(&self, index: u64) -> bool {
        let bit = |byte: &u8| byte >> (index % 8) & 1 != 0;
        index < self.freeindex || self.bits.get((index / 8) as usize).is_some_and(bit)
    }
}

/// More objects than one span holds: 1024 of 8 bytes.
pub const MAX_OBJECTS: u64 = 1 << 16;

fn bit(memory: &dyn Memory, bits: Addr, index: u64) -> Result<bool, Fault> {
    Ok(memory.u8(Addr(bits.0.wrapping_add(index / 8)))? >> (index % 8) & 1 != 0)
}

/// Where an `mspan` keeps what.
pub struct SpanLayout {
    at: Mspan,
    nelems_size: u64,
    freeindex_size: u64,
}

impl SpanLayout {
    pub(crate) fn load(source: &dyn Source) -> Result<SpanLayout, Missing> {
        // Both are uint16 since 1.22 (golang.org/cl/516255) and words before.
        let size = |member| source.place("runtime.mspan", member).map_or(8, |p| p.size);
        Ok(SpanLayout {
            at: Mspan::load(source)?,
            nelems_size: size("nelems"),
            freeindex_size: size("freeindex"),
        })
    }

    /// Whether objects above 512 bytes carry their type (since 1.22).
    pub(crate) fn has_headers(&self) -> bool {
        self.at.large_type.is_some()
    }

    /// Where a span keeps its `sweepgen` and its `allocCount`.
    pub(super) fn counts(&self) -> (Option<u64>, Option<u64>) {
        (self.at.sweepgen, self.at.alloc_count)
    }

    /// Bytes of the structure that are read.
    pub(super) fn size(&self) -> usize {
        (self.at.size as usize).min(MAX_LAYOUT)
    }

    /// The span at `at`; `None` where it holds no objects now.
    pub(super) fn read(&self, memory: &dyn Memory, at: Addr) -> Result<Option<Span>, Fault> {
        let (state, span) = self.read_any(memory, at)?;
        Ok((state == State::Objects).then_some(span))
    }

    /// The span at `at`, whatever it is used for.
    pub(super) fn read_any(&self, memory: &dyn Memory, at: Addr) -> Result<(State, Span), Fault> {
        let mut buf = [0u8; MAX_LAYOUT];
        let bytes = &mut buf[..self.size()];
        memory.read(at, bytes)?;
        Ok(self.parse_any(bytes, at))
    }

    /// The span whose structure, at `at`, is `bytes`.
    pub(super) fn parse_any(&self, structure: &[u8], at: Addr) -> (State, Span) {
        let l = &self.at;
        let word = |offset: u64, size: u64| {
            let mut bytes = [0; 8];
            let field = structure.get(offset as usize..).unwrap_or(&[]);
            let size = (size as usize).min(8).min(field.len());
            bytes[..size].copy_from_slice(&field[..size]);
            u64::from_le_bytes(bytes)
        };
        let class = word(l.spanclass, 1) as u8;
        let start = Addr(word(l.start_addr, 8));
        let version = |sweepgen, alloc_count| Version {
            start,
            sweepgen: word(sweepgen, 4) as u32,
            alloc_count: word(alloc_count, 2) as u16,
        };
        let span = Span {
            addr: at,
            start,
            npages: word(l.npages, 8),
            elemsize: word(l.elemsize, 8),
            nelems: word(l.nelems, self.nelems_size),
            freeindex: word(l.freeindex, self.freeindex_size),
            size_class: class >> 1,
            noscan: class & 1 != 0,
            large_type: l.large_type.map(|offset| Addr(word(offset, 8))),
            alloc_bits: Addr(word(l.alloc_bits, 8)),
            version: l.sweepgen.zip(l.alloc_count).map(|(at, count)| version(at, count)),
        };
        let state = match word(l.state, 1) as u8 {
            IN_USE if span.is_sane() => State::Objects,
            MANUAL => State::Manual,
            _ => State::Free,
        };
        (state, span)
    }
}
