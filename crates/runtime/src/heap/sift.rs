//! The spans of objects of one size, of which those are left out that cannot have what is looked
//! for, as their pointer bits say.
//!
//! A heap may have many spans of objects of a header's size that are something else. They and their
//! bits lie far from each other, and to read them takes long. While a process runs they are looked
//! at once; when it is stopped only those in which something can have been allocated since.

use std::ops::ControlFlow;

use mapscope_target::{Addr, Fault, MemoryExt};
use rustc_hash::{FxHashMap, FxHashSet};

use super::span::{State, Version};
use super::{Heap, PointerMap, Span};
use crate::goroutine::Processor;

/// Spans that are looked at together: so many are read by one system call.
const BATCH: usize = 1024;

/// What becomes of spans.
pub trait Sieve {
    /// Whether no object of a span is what is looked for, as its pointer map says.
    fn is_barren(&mut self, span: &Span, map: &PointerMap) -> bool;

    /// A span of which that is not known.
    fn span(&mut self, span: &Span);

    /// Whether to go on.
    fn flow(&self) -> ControlFlow<()>;
}

/// What is known of spans that were looked at while the process ran: that they are barren.
#[derive(Default)]
pub(super) struct Barren {
    /// By their structure: those that were at rest, and what they were then.
    known: FxHashMap<Addr, Version>,
    /// The structures of those that were full and swept.
    settled: FxHashSet<u64>,
    /// The `sweepgen` of the heap at that time. Until it changes nothing is freed in them, so that
    /// nothing is allocated.
    during: u32,
}

impl Barren {
    fn has(&self, span: &Span) -> bool {
        self.settled.contains(&span.addr.0)
            || self.known.get(&span.addr).is_some_and(|known| span.version == Some(*known))
    }
}

impl Heap<'_> {
    /// Shows `sieve` the spans of objects of `size` bytes with pointers. In a process that runs each
    /// is asked for first whether it is barren; of those that are nothing is read when it is stopped.
    ///
    /// # Errors
    ///
    /// The lists of spans cannot be read, or claim more memory than there is.
    pub fn sift(
        &self,
        size: u64,
        processors: &[Processor],
        sieve: &mut dyn Sieve,
    ) -> Result<(), Fault> {
        let class = self.classes.number(size).map(|number| number << 1);
        let list = class.map(|class| self.class(class, processors)).transpose()?.flatten();
        if let Some(list) = list {
            return self.sift_listed(&list, size, sieve);
        }
        let (mut batch, mut flow) = (Vec::with_capacity(BATCH), ControlFlow::Continue(()));
        let outcome = self.spans(|span| {
            if !span.noscan && span.elemsize == size {
                batch.push(span);
            }
            if batch.len() == BATCH {
                self.look(&batch, sieve);
                flow = self.show(&mut batch, sieve);
            }
            if flow.is_break() { flow } else { sieve.flow() }
        });
        self.look(&batch, sieve);
        let _ = self.show(&mut batch, sieve);
        outcome
    }

    fn sift_listed(&self, list: &[u64], size: u64, sieve: &mut dyn Sieve) -> Result<(), Fault> {
        let during = self.sweepgen();
        let mut left = self.most;
        for list in list.chunks(BATCH) {
            let mut list = list.to_vec();
            let unsettled = |list: &mut Vec<u64>| {
                let barren = self.barren.borrow();
                list.retain(|at| !barren.settled.contains(at));
            };
            unsettled(&mut list);
            if let (Some(during), Some(mut spans)) = (during, self.peek(&list)) {
                spans.retain(|span| is_of(span, size));
                self.barren.borrow_mut().during = during;
                self.look(&spans, sieve);
                unsettled(&mut list);
            }
            let mut spans = self.spans_at(&list);
            spans.retain(|span| is_of(span, size));
            for span in &spans {
                let bytes = span.nelems.saturating_mul(span.elemsize);
                left = left.checked_sub(bytes).ok_or_else(|| self.too_long(bytes))?;
            }
            if self.show(&mut spans, sieve).is_break() || sieve.flow().is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The spans of the classes whose size `wanted` takes (`u64::MAX` for all large ones), with
    /// pointers, until `visit` breaks.
    ///
    /// # Errors
    ///
    /// The lists of spans cannot be read, or claim more memory than there is.
    pub fn spans_of(
        &self,
        wanted: &dyn Fn(u64) -> bool,
        processors: &[Processor],
        visit: &mut dyn FnMut(&Span) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        if !self.is_listed_by_class(processors) {
            return self.spans(|span| match !span.noscan && wanted(span.elemsize) {
                true => visit(&span),
                false => ControlFlow::Continue(()),
            });
        }
        for number in 0..=u8::MAX >> 1 {
            let Some(size) = self.classes.of(number) else { break };
            if !wanted(if number == 0 { u64::MAX } else { size }) {
                continue;
            }
            let list = self.class(number << 1, processors)?.unwrap_or_default();
            for list in list.chunks(BATCH / 16) {
                let mut spans = self.spans_at(list);
                spans.retain(|span| !span.noscan && span.size_class == number);
                if spans.iter().try_for_each(&mut *visit).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The spans that hold objects, of those whose structures are at these places. One that cannot be
    /// read is one that is just being made or freed.
    fn spans_at(&self, list: &[u64]) -> Vec<Span> {
        self.memory.expect(&self.structures_at(list));
        let span = |at: &u64| self.span.read(self.memory, Addr(*at)).ok().flatten();
        list.iter().filter_map(span).filter(|span| self.fits(span)).collect()
    }

    /// The same, of a process that runs, as they are at this moment.
    fn peek(&self, list: &[u64]) -> Option<Vec<Span>> {
        let mut bytes = Vec::new();
        if list.is_empty() || !self.memory.peek(&self.structures_at(list), &mut bytes) {
            return None;
        }
        let structures = list.iter().zip(bytes.chunks_exact(self.span.size()));
        let spans = structures.filter_map(|(at, structure)| {
            let (state, span) = self.span.parse_any(structure, Addr(*at));
            (state == State::Objects && self.fits(&span)).then_some(span)
        });
        Some(spans.collect())
    }

    fn structures_at(&self, list: &[u64]) -> Vec<(Addr, usize)> {
        list.iter().map(|at| (Addr(*at), self.span.size())).collect()
    }

    /// Shows the spans that are not known to be barren.
    fn show(&self, spans: &mut Vec<Span>, sieve: &mut dyn Sieve) -> ControlFlow<()> {
        let barren = self.barren.borrow();
        spans.retain(|span| !barren.has(span));
        drop(barren);
        self.expect_pointer_maps(spans);
        for span in spans.drain(..) {
            sieve.span(&span);
        }
        sieve.flow()
    }

    /// Looks at the spans that are at rest, and notes those that are barren.
    fn look(&self, spans: &[Span], sieve: &mut dyn Sieve) {
        let at_rest = |span: &Span| {
            let version = span.version.filter(|version| version.is_at_rest())?;
            let piece = self.bits.apart(&self.geometry, span, self.mapped_words(span)?)?;
            Some((*span, version, piece))
        };
        let barren = self.barren.borrow();
        let unknown = spans.iter().filter(|span| !barren.has(span));
        let at_rest: Vec<_> = unknown.filter_map(at_rest).collect();
        drop(barren);
        let pieces: Vec<_> = at_rest.iter().map(|(_, _, piece)| *piece).collect();
        let mut bytes = Vec::new();
        if pieces.is_empty() || !self.memory.peek(&pieces, &mut bytes) {
            return;
        }
        let (mut rest, mut map) = (bytes.as_slice(), PointerMap::default());
        let mut barren = self.barren.borrow_mut();
        for (span, version, (_, len)) in at_rest {
            let (bits, others) = rest.split_at(len.min(rest.len()));
            rest = others;
            map.set(bits);
            if !sieve.is_barren(&span, &map) {
                continue;
            }
            if version.is_settled(barren.during, span.nelems) {
                barren.settled.insert(span.addr.0);
            } else {
                barren.known.insert(span.addr, version);
            }
        }
    }

    /// The process has been stopped: says that the pointer maps of those spans will be asked for that
    /// are no longer what they were when they were looked at.
    pub(crate) fn expect_changed(&self) {
        let now = self.sweepgen();
        let mut barren = self.barren.borrow_mut();
        let mut unsettled = Vec::new();
        if now != Some(barren.during) {
            unsettled.extend(barren.settled.drain());
            unsettled.sort_unstable();
        }
        let mut known: Vec<_> = barren.known.drain().collect();
        drop(barren);
        // In the order of memory.
        known.sort_unstable_by_key(|(at, _)| *at);
        let now = known.iter().map(|(at, _)| self.span.read(self.memory, *at).ok().flatten());
        let (mut same, mut changed) = (FxHashMap::default(), self.spans_at(&unsettled));
        for ((at, version), now) in known.iter().zip(now) {
            match now {
                Some(now) if now.version == Some(*version) => {
                    same.insert(*at, *version);
                }
                Some(now) => changed.push(now),
                None => {}
            }
        }
        self.expect_pointer_maps(&changed);
        self.barren.borrow_mut().known = same;
    }

    /// How often spans have been swept, twice.
    fn sweepgen(&self) -> Option<u32> {
        let at = self.mheap.0.wrapping_add(self.layout.sweepgen?);
        self.memory.u32(Addr(at)).ok()
    }
}

fn is_of(span: &Span, size: u64) -> bool {
    !span.noscan && span.elemsize == size
}
