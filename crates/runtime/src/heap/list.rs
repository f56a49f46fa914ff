//! The list of all spans.

use std::ops::ControlFlow;

use mapscope_target::{Addr, Fault, MemoryExt};

use super::span::State;
use super::{Heap, Span};
use crate::proof::Votes;

/// More spans than fit in 1 TiB of 8 KiB pages: a longer list is damage.
const MAX_SPANS: u64 = 1 << 27;

/// Span structures so near to each other, in bytes, are read with what is between them.
const NEAR: u64 = 4 << 10;

/// Bytes of span structures read at once.
const PIECE: u64 = 64 << 10;

impl Heap<'_> {
    /// Every span that holds objects, in the order of the structures, until `visit` breaks. The
    /// list is the runtime's `mheap_.allspans`.
    ///
    /// # Errors
    ///
    /// The list itself cannot be read.
    pub fn spans(&self, mut visit: impl FnMut(Span) -> ControlFlow<()>) -> Result<(), Fault> {
        self.structures(|state, span| match state {
            State::Objects => visit(span),
            State::Manual | State::Free => ControlFlow::Continue(()),
        })
    }

    /// Every span, whatever it is used for.
    pub(super) fn structures(
        &self,
        mut visit: impl FnMut(State, Span) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        // In the order of memory: a large heap has more of them than fit in any cache.
        let mut list = self.all_spans()?;
        list.sort_unstable();
        let mut rest = &list[..];
        let mut copy = Vec::new();
        while let Some(&first) = rest.first() {
            let (near, others) = rest.split_at(near(rest));
            rest = others;
            let last = near.last().unwrap_or(&first);
            let len = (last - first) as usize + self.span.size();
            let bytes = match self.memory.borrow(Addr(first), len) {
                Some(bytes) => Some(bytes),
                None => {
                    copy.resize(len, 0);
                    self.memory.read(Addr(first), &mut copy).is_ok().then_some(&copy[..])
                }
            };
            for &at in near {
                let span = match bytes.and_then(|bytes| bytes.get((at - first) as usize..)) {
                    Some(structure) => Some(self.span.parse_any(structure, Addr(at))),
                    // One that cannot be read is one that is just being made or freed.
                    None => self.span.read_any(self.memory, Addr(at)).ok(),
                };
                if span.is_some_and(|(state, span)| visit(state, span).is_break()) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Whether spans are what the layouts say, tried on so many of the list.
    ///
    /// # Errors
    ///
    /// The list itself cannot be read.
    pub(crate) fn votes(&self, tried: usize) -> Result<Votes, Fault> {
        let list = self.all_spans()?;
        let mut votes = Votes::default();
        for at in list.iter().step_by((list.len() / tried.max(1)).max(1)) {
            // All others are free, or just being made.
            if let Ok(Some(span)) = self.span.read(self.memory, Addr(*at)) {
                votes.add(self.is_sound(&span));
            }
        }
        Ok(votes)
    }

    /// Whether what a span says agrees with its size class and its pages, and whether the index of
    /// the arenas leads from those to it.
    fn is_sound(&self, span: &Span) -> bool {
        let page = self.geometry.page_size;
        let objects = span.nelems.saturating_mul(span.elemsize);
        let class = self.classes.of(span.size_class);
        span.start.0.is_multiple_of(page)
            && objects <= span.npages.saturating_mul(page)
            && class.is_none_or(|size| span.size_class == 0 || size == span.elemsize)
            && self.span_of(span.start).is_some_and(|found| found.addr == span.addr)
    }

    fn all_spans(&self) -> Result<Vec<u64>, Fault> {
        let list = Addr(self.mheap.0.wrapping_add(self.layout.allspans));
        let len = self.memory.u64(Addr(list.0.wrapping_add(8)))?;
        let first = self.memory.addr(list)?;
        let list = self.memory.bytes(first, len.saturating_mul(8), MAX_SPANS * 8)?;
        Ok(list.as_chunks::<8>().0.iter().map(|pointer| u64::from_le_bytes(*pointer)).collect())
    }
}

/// How many of the first addresses lie near enough to be read at once: one at least.
fn near(list: &[u64]) -> usize {
    let Some(first) = list.first() else { return 0 };
    let pairs = list.windows(2);
    1 + pairs.take_while(|pair| pair[1] - pair[0] <= NEAR && pair[1] - first <= PIECE).count()
}

#[cfg(test)]
mod tests {
    use super::near;

    #[test]
    fn what_is_far_is_read_apart() {
        assert_eq!(near(&[0x1000, 0x10a0, 0x1140, 0x9000]), 3);
        assert_eq!(near(&[0x1000, 0x9000]), 1);
        let dense: Vec<u64> = (0..1000).map(|i| i * 160).collect();
        assert_eq!(near(&dense), 410);
    }
}
