//! Which words of a small heap object hold pointers, as the GC's own bitmaps say.

use mapscope_target::{Addr, Fault, Memory};

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

/// Words of the heap that are asked for.
pub(super) struct Words {
    /// The `heapArena` they are in.
    pub(super) arena: Addr,
    /// The first of them.
    pub(super) base: Addr,
    /// How many.
    pub(super) count: u64,
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

    /// Reads which words of a span with pointers, and without malloc headers, hold pointers.
    pub(super) fn read(
        self,
        memory: &dyn Memory,
        geometry: &Geometry,
        span: &Span,
        Words { arena, base, count: words }: Words,
        map: &mut PointerMap,
    ) -> Result<(), Fault> {
        let in_arena = base.0 % geometry.arena_bytes / 8;
        match self {
            PointerBits::InSpan { inline_marks } => {
                let bits = in_span(geometry, span, inline_marks);
                map.fill(memory, bits, base.0.wrapping_sub(span.start.0) / 8, words)
            }
            PointerBits::Words { offset } => {
                map.fill(memory, Addr(arena.0.wrapping_add(offset)), in_arena, words)
            }
            PointerBits::Pairs { offset } => {
                // Four words a byte: their pointer bits are the lower half.
                let skipped = in_arena % 4;
                let bits = Addr(arena.0.wrapping_add(offset));
                map.fill(memory, bits, in_arena / 4 * 8, (skipped + words).div_ceil(4) * 8)?;
                map.halve(skipped);
                Ok(())
            }
        }
    }
}

impl PointerBits {
    /// Where the bits of `words` words at the start of a span are, if they lie with the span, far
    /// from those of others; and how many bytes they take.
    pub(super) fn apart(
        self,
        geometry: &Geometry,
        span: &Span,
        words: u64,
    ) -> Option<(Addr, usize)> {
        let PointerBits::InSpan { inline_marks } = self else { return None };
        Some((in_span(geometry, span, inline_marks), words.div_ceil(8) as usize))
    }
}

/// Which words of a run of objects hold pointers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PointerMap {
    bytes: Vec<u8>,
    /// Bits of the first byte that are of words before.
    skipped: u64,
}

impl PointerMap {
    /// Of the `count` words (at most 64) from word `first` on: bit `i` for word `first + i`.
    pub fn words(&self, first: u64, count: u64) -> u64 {
        let at = self.skipped.saturating_add(first);
        let mut chunk = [0; 16];
        let from = self.bytes.get((at / 8) as usize..).unwrap_or(&[]);
        let len = from.len().min(chunk.len());
        chunk[..len].copy_from_slice(&from[..len]);
        let bits = (u128::from_le_bytes(chunk) >> (at % 8)) as u64;
        match count {
            0..64 => bits & ((1 << count) - 1),
            _ => bits,
        }
    }

    /// The bits themselves, from the first word of a span on.
    pub(super) fn set(&mut self, bytes: &[u8]) {
        self.skipped = 0;
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes `count` bits from bit `first` of `bits` on.
    fn fill(
        &mut self,
        memory: &dyn Memory,
        bits: Addr,
        first: u64,
        count: u64,
    ) -> Result<(), Fault> {
        self.skipped = first % 8;
        self.bytes.clear();
        self.bytes.resize((self.skipped + count).div_ceil(8) as usize, 0);
        memory.read(Addr(bits.0.wrapping_add(first / 8)), &mut self.bytes)
    }

    /// Puts the lower halves of all bytes together; `skipped` words of them are of words before.
    fn halve(&mut self, skipped: u64) {
        let half = |pair: &[u8]| pair[0] & 0xf | pair.get(1).map_or(0, |high| high << 4);
        self.bytes = self.bytes.chunks(2).map(half).collect();
        self.skipped = skipped;
    }
}

fn in_span(geometry: &Geometry, span: &Span, inline_marks: u64) -> Addr {
    let size = span.npages.saturating_mul(geometry.page_size);
    let end = span.start.0.wrapping_add(size);
    let inline = (INLINE_FROM..=NO_HEADER).contains(&span.elemsize);
    let marks = if inline { inline_marks } else { 0 };
    Addr(end.wrapping_sub(size / 64).wrapping_sub(marks))
}

#[cfg(test)]
mod tests {
    use super::PointerMap;

    #[test]
    fn words_are_cut_out_of_the_bits() {
        let map = PointerMap { bytes: vec![0b1010_0000, 0b0000_0110], skipped: 5 };
        assert_eq!(map.words(0, 6), 0b11_0101 & 0b11_1111);
        assert_eq!(map.words(4, 2), 0b11);
        assert_eq!(map.words(100, 6), 0);
    }

    #[test]
    fn pairs_of_bits_become_single_ones() {
        let mut map = PointerMap { bytes: vec![0xf5, 0xfa, 0xf3], skipped: 0 };
        map.halve(2);
        assert_eq!(map.bytes, [0xa5, 0x03]);
        assert_eq!(map.words(0, 4), 0b1001);
    }
}
