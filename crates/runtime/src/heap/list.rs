//! The list of all spans.

use std::ops::ControlFlow;

use mapscope_target::{Addr, Fault, MemoryExt, Why};

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
    /// The list itself cannot be read, or claims more memory than there is: spans that do not fit
    /// beside those before them are then left out.
    pub fn spans(&self, mut visit: impl FnMut(Span) -> ControlFlow<()>) -> Result<(), Fault> {
        let claimed = self.structures(|state, span| match state {
            State::Objects => visit(span),
            State::Manual | State::Free => ControlFlow::Continue(()),
        })?;
        if claimed > self.most { Err(self.too_long(claimed)) } else { Ok(()) }
    }

    /// Spans claim so much, which is more than there is.
    pub(super) fn too_long(&self, claimed: u64) -> Fault {
        Fault::new(self.list(), Why::TooLong { len: claimed, limit: self.most })
    }

    /// Every span, whatever it is used for, each once, however often it is listed. Spans whose
    /// objects do not fit into the process beside those of others count as free. How many bytes all
    /// objects have together is returned.
    pub(super) fn structures(
        &self,
        mut visit: impl FnMut(State, Span) -> ControlFlow<()>,
    ) -> Result<u64, Fault> {
        // In the order of memory: a large heap has more of them than fit in any cache.
        let mut list = self.all_spans()?;
        list.sort_unstable();
        let size = self.span.size() as u64;
        list.dedup_by(|next, kept| *next - *kept < size);
        let (mut claimed, mut fitting) = (0_u64, 0_u64);
        self.each(&list, &mut |state, span| {
            if state != State::Objects {
                return visit(state, span);
            }
            let objects = span.nelems.saturating_mul(span.elemsize);
            claimed = claimed.saturating_add(objects);
            if !self.fits(&span) || fitting.saturating_add(objects) > self.most {
                return visit(State::Free, span);
            }
            fitting += objects;
            visit(State::Objects, span)
        });
        Ok(claimed)
    }

    /// Every span of a sorted list of their structures.
    fn each(&self, list: &[u64], visit: &mut dyn FnMut(State, Span) -> ControlFlow<()>) {
        let mut rest = list;
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
                    return;
                }
            }
        }
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
        let class = self.classes.of(span.size_class);
        span.start.0.is_multiple_of(self.geometry.page_size)
            && self.fits(span)
            && class.is_none_or(|size| span.size_class == 0 || size == span.elemsize)
            && self.span_of(span.start).is_some_and(|found| found.addr == span.addr)
    }

    /// Whether the objects of a span lie in its pages. Of one that is just being made they may not.
    pub(super) fn fits(&self, span: &Span) -> bool {
        let objects = span.nelems.saturating_mul(span.elemsize);
        objects <= span.npages.saturating_mul(self.geometry.page_size)
    }

    /// The slice `mheap_.allspans`.
    fn list(&self) -> Addr {
        Addr(self.mheap.0.wrapping_add(self.layout.allspans))
    }

    fn all_spans(&self) -> Result<Vec<u64>, Fault> {
        let list = self.list();
        let len = self.memory.u64(Addr(list.0.wrapping_add(8)))?;
        let first = self.memory.addr(list)?;
        // Each of them is a structure of its own, in memory that the process has.
        let limit = MAX_SPANS.min(self.most / self.span.size().max(8) as u64);
        let list = self.memory.bytes(first, len.saturating_mul(8), limit * 8)?;
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
