//! The Go heap: which object an address lies in, how large it is, and what the allocator says
//! of its type.

mod bits;
mod central;
mod class;
mod ground;
mod list;
mod owner;
mod sift;
mod span;

use std::cell::RefCell;

use mapscope_target::{Addr, Fault, Memory, MemoryExt};
use rustc_hash::FxHashMap;

pub use bits::PointerMap;

use bits::{PointerBits, Words};
use central::Central;
pub use class::SizeClasses;
use owner::Lists;
use sift::Barren;

pub use ground::{Ground, Terrain};
pub use owner::{Owner, SpanFacts};
pub use sift::Sieve;
pub use span::{InUse, MAX_OBJECTS, Span, SpanLayout};

use crate::evidence::{HeapArena, Mheap, Missing, Source};

/// An object of the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its first byte, the malloc header included.
    pub base: Addr,
    /// Its size in bytes: the size class, not what was asked for.
    pub size: u64,
    /// Whether the allocator says it is in use.
    pub in_use: bool,
    /// Its first byte behind the malloc header, if it has one: where its value begins.
    pub value: Addr,
    /// The first byte of its span.
    pub span: Addr,
    /// How many objects its span has.
    pub nelems: u64,
    /// Which of them it is.
    pub index: u64,
}

/// Objects above this have a malloc header or a type in their span (since 1.22:
/// `minSizeForMallocHeader` in runtime/mbitmap.go, 8-byte words × 64 bits).
const NO_HEADER: u64 = 512;

/// Larger spans of objects of at most 512 bytes do not exist (8 KiB by the size class table).
const MAX_SMALL: u64 = 1 << 20;

/// `heapAddrBits` on amd64 (runtime/malloc.go).
const HEAP_ADDR_BITS: u64 = 48;

/// More than a heap of which nobody says how large it can be: 1 TiB.
const MAX_HEAP: u64 = 1 << 40;

/// So much a running process may grow by while it is looked at, beyond twice what it had.
const GROWTH: u64 = 1 << 30;

/// Spans remembered: a power of two.
const CACHE: usize = 1 << 12;

/// The heap of one process.
pub struct Heap<'a> {
    memory: &'a dyn Memory,
    mheap: Addr,
    layout: Mheap,
    arena: HeapArena,
    span: SpanLayout,
    bits: PointerBits,
    geometry: Geometry,
    /// What tells in whose list a span is.
    lists: Option<Lists>,
    /// What tells which spans a class has.
    central: Option<Central>,
    classes: SizeClasses,
    /// More bytes than its spans can have in all.
    most: u64,
    cache: RefCell<Vec<Option<Cached>>>,
    barren: RefCell<Barren>,
    /// By class: the structures of spans that were listed as of it.
    seen: RefCell<FxHashMap<u8, Vec<u64>>>,
}

/// A page, and the span it belongs to.
type Cached = (u64, Option<Span>);

/// How the runtime cuts the address space (runtime/malloc.go; these values on linux/amd64 since
/// 1.11, stated by constants in DWARF).
#[derive(Clone, Copy, Debug)]
struct Geometry {
    page_size: u64,
    arena_bytes: u64,
    arena_base: u64,
}

impl Geometry {
    fn load(source: &dyn Source) -> Geometry {
        let constant =
            |name, usual: u64| source.constant(name).map_or(usual, |value| value as u64).max(1);
        Geometry {
            page_size: constant("runtime.pageSize", 8 << 10),
            arena_bytes: constant("runtime.heapArenaBytes", 64 << 20),
            arena_base: constant("runtime.arenaBaseOffsetUintptr", 0xffff_8000_0000_0000),
        }
    }
}

impl<'a> Heap<'a> {
    /// The heap whose `runtime.mheap_` is at `mheap`.
    ///
    /// # Errors
    ///
    /// The source does not know a structure of the heap.
    pub fn new(
        memory: &'a dyn Memory,
        source: &dyn Source,
        mheap: Addr,
        classes: SizeClasses,
    ) -> Result<Heap<'a>, Missing> {
        let (layout, span) = (Mheap::load(source)?, SpanLayout::load(source)?);
        Ok(Heap {
            memory,
            mheap,
            lists: Lists::load(source, layout.sweepgen, span.counts()),
            central: Central::load(source, &layout),
            layout,
            arena: HeapArena::load(source)?,
            span,
            bits: PointerBits::load(source),
            geometry: Geometry::load(source),
            classes,
            most: MAX_HEAP,
            cache: RefCell::new(vec![None; CACHE]),
            barren: RefCell::default(),
            seen: RefCell::default(),
        })
    }

    /// The same heap, of a process that has `mapped` bytes in all its mappings: spans that claim far
    /// more between them claim some of it twice, and are not followed.
    pub fn within(mut self, mapped: u64) -> Heap<'a> {
        self.most = mapped.saturating_mul(2).saturating_add(GROWTH).min(MAX_HEAP);
        self
    }

    /// Forgets the spans met so far: they were of a running process.
    pub(crate) fn forget(&self) {
        self.cache.borrow_mut().fill(None);
    }

    /// The bytes an allocation of `size` takes, by its size class.
    pub fn rounded(&self, size: u64, pointers: bool) -> u64 {
        let headed = self.span.has_headers() && pointers && size > NO_HEADER;
        let with_header = size.saturating_add(8);
        // What is larger than every class has its type in its span (`roundupsize`, runtime/msize.go).
        let size = match headed && with_header <= self.classes.largest() {
            true => with_header,
            false => size,
        };
        self.classes.rounded(size, self.geometry.page_size)
    }

    /// The span that `addr` lies in, if it is one that holds objects.
    pub fn span_of(&self, addr: Addr) -> Option<Span> {
        let page = addr.0 / self.geometry.page_size;
        let slot = page as usize & (CACHE - 1);
        if let Some((known, span)) = self.cache.borrow()[slot]
            && known == page
        {
            return span;
        }
        let span = self.find_span(addr).ok().flatten();
        self.cache.borrow_mut()[slot] = Some((page, span));
        span
    }

    fn find_span(&self, addr: Addr) -> Result<Option<Span>, Fault> {
        let g = &self.geometry;
        let arena = self.arena_of(addr)?;
        if arena.is_null() {
            return Ok(None);
        }
        let page = addr.0 % g.arena_bytes / g.page_size;
        let spans = Addr(arena.0.wrapping_add(self.arena.spans));
        let Some(entry) = spans.index(page, 8) else { return Ok(None) };
        let at = self.memory.addr(entry)?;
        if at.is_null() {
            return Ok(None);
        }
        let span = self.span.read(self.memory, at)?;
        Ok(span.filter(|s| s.contains(addr, g.page_size)))
    }

    /// The `heapArena` of the 64 MiB that `addr` lies in; nil where the heap has none there.
    fn arena_of(&self, addr: Addr) -> Result<Addr, Fault> {
        let g = &self.geometry;
        let index = addr.0.wrapping_sub(g.arena_base) / g.arena_bytes;
        // No address of a process (`heapAddrBits`, runtime/malloc.go): text taken for a pointer.
        if index >= (1 << HEAP_ADDR_BITS) / g.arena_bytes {
            return Ok(Addr::NULL);
        }
        // On linux/amd64 the first level has one entry (arenaL1Bits = 0).
        let second = self.memory.addr(Addr(self.mheap.0.wrapping_add(self.layout.arenas)))?;
        match second.index(index, 8) {
            Some(entry) => self.memory.addr(entry),
            None => Ok(Addr::NULL),
        }
    }

    /// Which words of the object at `base`, of at most 512 bytes, hold pointers: bit `i` for word
    /// `i`, as the GC's bitmap says. `None` for other objects.
    pub fn pointer_words(&self, base: Addr) -> Option<u64> {
        let span = self.span_of(base)?;
        if span.noscan || span.elemsize > NO_HEADER {
            return None;
        }
        let arena = self.arena_of(base).ok()?;
        let mut map = PointerMap::default();
        let words = span.elemsize / 8;
        let asked = Words { arena, base, count: words };
        self.bits.read(self.memory, &self.geometry, &span, asked, &mut map).ok()?;
        Some(map.words(0, words))
    }

    /// Which words of all objects of `span` hold pointers, read at once into `map`. `false` where
    /// the GC keeps no such bits for this span, or they cannot be read.
    pub fn pointer_map(&self, span: &Span, map: &mut PointerMap) -> bool {
        let Some(count) = self.mapped_words(span) else { return false };
        let Ok(arena) = self.arena_of(span.start) else { return false };
        let asked = Words { arena, base: span.start, count };
        self.bits.read(self.memory, &self.geometry, span, asked, map).is_ok()
    }

    /// Says that [`Heap::pointer_map`] of each of these spans is about to be asked for.
    pub fn expect_pointer_maps(&self, spans: &[Span]) {
        let piece = |span| self.bits.apart(&self.geometry, span, self.mapped_words(span)?);
        let pieces: Vec<(Addr, usize)> = spans.iter().filter_map(piece).collect();
        self.memory.expect(&pieces);
    }

    /// How many words the objects of a span have, where the GC keeps a bit for each.
    fn mapped_words(&self, span: &Span) -> Option<u64> {
        let bytes = span.elemsize.saturating_mul(span.nelems);
        let end = (span.start.0 % self.geometry.arena_bytes).saturating_add(bytes);
        let one_arena = end <= self.geometry.arena_bytes;
        let mapped = !span.noscan && span.elemsize <= NO_HEADER && bytes <= MAX_SMALL && one_arena;
        mapped.then_some(bytes / 8)
    }

    /// The object that `addr` lies in. `None` for what is no object of the heap: globals, stacks,
    /// the runtime's own memory.
    pub fn object(&self, addr: Addr) -> Option<Object> {
        let span = self.span_of(addr)?;
        let index = span.index_of(addr)?;
        let base = span.object(index)?;
        let header = self.header(&span);
        Some(Object {
            base,
            size: span.elemsize,
            in_use: span.in_use(self.memory, index).unwrap_or(true),
            value: Addr(base.0.wrapping_add(header)),
            span: span.start,
            nelems: span.nelems,
            index,
        })
    }

    /// Bytes of the malloc header before each object of a span.
    fn header(&self, span: &Span) -> u64 {
        let in_span = span.noscan || span.elemsize <= NO_HEADER || span.size_class == 0;
        if self.span.has_headers() && !in_span { 8 } else { 0 }
    }

    /// The size in bytes of the allocation that begins at `addr`, the malloc header included.
    pub fn allocated(&self, addr: Addr) -> Option<u64> {
        self.span_of(addr).map(|span| span.elemsize)
    }

    /// Whether `addr` may lie in the heap, but what the runtime knows of that place cannot be
    /// read, as in a truncated core: sizes of what is there are then no facts.
    pub fn is_unknown(&self, addr: Addr) -> bool {
        !addr.is_null() && self.span_of(addr).is_none() && self.find_span(addr).is_err()
    }

    /// The type the allocator keeps for the object at `addr`: in the word before it, or in its
    /// span where the object is large. Objects up to 512 bytes and those without pointers have
    /// none, and before 1.22 no object has.
    pub fn type_word(&self, addr: Addr) -> Option<Addr> {
        if !self.span.has_headers() {
            return None;
        }
        let span = self.span_of(addr)?;
        if span.noscan || span.elemsize <= NO_HEADER {
            return None;
        }
        if span.size_class == 0 {
            return span.large_type.filter(|ty| !ty.is_null());
        }
        let base = span.object(span.index_of(addr)?)?;
        self.memory.addr(base).ok().filter(|ty| !ty.is_null())
    }
}
