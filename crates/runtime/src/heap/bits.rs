//! Which words of a small heap object hold pointers, as the GC's own bitmaps say.

use mapscope_target::{Addr, Fault, Memory, MemoryExt};

use super::{Geometry, NO_HEADER, Span};
use crate::evidence::Source;

/// Where the GC keeps one bit a word of the heap; told apart by which members exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PointerBits {
    /// At the end of each span of small objects (since 1.22: `spanHeapBitsRange`,
    /// runtime/mbitmap.go); before the inline mark bits of Green Tea, which take so many bytes
    /// (1.25 with the experiment, 1.26 by default; none without it).
    InSpan {
        /// Size of `spanInlineMarkBits`, in bytes.
        inline_marks: u64,
    },
    /// In the arena, one bit a word (1.20, 1.21: `heapArena.bitmap` of words).
    Words {
        /// Where in the arena.
        offset: u64,
    },
    /// In the arena, two bits a word: four pointer bits, then four scan bits, a byte
    /// (until 1.19: `heapArena.bitmap` of bytes).
    Pairs {
        /// Where in the arena.
        offset: u64,
    },
}

/// Smallest objects with inline mark bits (`gcUsesSpanInlineMarkBits`), in bytes.
const INLINE_FROM: u64 = 16;

impl PointerBits {
    pub(super) fn load(source: &dyn Source) -> PointerBits {
        let Some(bitmap) = source.place("runtime.heapArena", "bitmap") else {
            let inline_marks = source.size("runtime.spanInlineMarkBits").unwrap_or(0);
            return PointerBits::InSpan { inline_marks };
        };
        match source.place("runtime.heapArena", "noMorePtrs") {
            Some(_) => PointerBits::Words { offset: bitmap.offset },
            None => PointerBits::Pairs { offset: bitmap.offset },
        }
    }

    /// Bit `i` of the answer: word `i` of the object at `base` holds a pointer. For objects of at
    /// most 64 words in a span with pointers.
    pub(super) fn of(
        self,
        memory: &dyn Memory,
        geometry: &Geometry,
        span: &Span,
        arena: Addr,
        base: Addr,
    ) -> Result<u64, Fault> {
        let words = (span.elemsize / 8).min(64);
        let bit = |at: Addr, index: u64| {
            let byte = memory.u8(Addr(at.0.wrapping_add(index / 8)))?;
            Ok::<u64, Fault>(u64::from(byte >> (index % 8) & 1))
        };
        let mut mask = 0;
        for word in 0..words {
            let addr = base.0.wrapping_add(word * 8);
            let in_arena = addr % geometry.arena_bytes / 8;
            let set = match self {
                PointerBits::InSpan { inline_marks } => {
                    let bits = in_span(geometry, span, inline_marks);
                    bit(bits, addr.wrapping_sub(span.start.0) / 8)?
                }
                PointerBits::Words { offset } => bit(Addr(arena.0.wrapping_add(offset)), in_arena)?,
                PointerBits::Pairs { offset } => {
                    let at = arena.0.wrapping_add(offset).wrapping_add(in_arena / 4);
                    u64::from(memory.u8(Addr(at))? >> (in_arena % 4) & 1)
                }
            };
            mask |= set << word;
        }
        Ok(mask)
    }
}

fn in_span(geometry: &Geometry, span: &Span, inline_marks: u64) -> Addr {
    let size = span.npages.saturating_mul(geometry.page_size);
    let end = span.start.0.wrapping_add(size);
    let inline = (INLINE_FROM..=NO_HEADER).contains(&span.elemsize);
    let marks = if inline { inline_marks } else { 0 };
    Addr(end.wrapping_sub(size / 64).wrapping_sub(marks))
}
