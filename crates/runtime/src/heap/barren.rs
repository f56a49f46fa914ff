//! Spans none of whose objects is of a certain form, as their pointer bits say.
//!
//! A heap may have many spans of objects of a header's size that are something else. Their bits lie
//! far from each other, and to read them takes long. While a process runs they are looked at once;
//! when it is stopped only those of spans in which something can have been allocated since.

use mapscope_target::Addr;
use rustc_hash::FxHashMap;

use super::span::Version;
use super::{Heap, PointerMap, Span};

/// Spans that were looked at while they were at rest, and what they were then.
pub(super) type Barren = FxHashMap<Addr, Version>;

impl Heap<'_> {
    /// Leaves out of `spans` those of which it is known that `barren` is true of their pointer map.
    /// In a process that runs, it is asked of each of them.
    pub fn sift(&self, spans: &mut Vec<Span>, mut barren: impl FnMut(&Span, &PointerMap) -> bool) {
        let known = self.barren.borrow();
        spans.retain(|span| !is_known(&known, span));
        drop(known);
        self.look(spans, &mut barren);
        let known = self.barren.borrow();
        spans.retain(|span| !is_known(&known, span));
    }

    /// Looks at the spans that are at rest, and notes those that are barren.
    fn look(&self, spans: &[Span], barren: &mut dyn FnMut(&Span, &PointerMap) -> bool) {
        let at_rest = |span: &Span| {
            let version = span.version.filter(|version| version.is_at_rest())?;
            let piece = self.bits.apart(&self.geometry, span, self.mapped_words(span)?)?;
            Some((*span, version, piece))
        };
        let at_rest: Vec<_> = spans.iter().filter_map(at_rest).collect();
        let pieces: Vec<_> = at_rest.iter().map(|(_, _, piece)| *piece).collect();
        let mut bytes = Vec::new();
        if pieces.is_empty() || !self.memory.peek(&pieces, &mut bytes) {
            return;
        }
        let (mut rest, mut map) = (bytes.as_slice(), PointerMap::default());
        let mut known = self.barren.borrow_mut();
        for (span, version, (_, len)) in at_rest {
            let (bits, others) = rest.split_at(len.min(rest.len()));
            rest = others;
            map.set(bits);
            if barren(&span, &map) {
                known.insert(span.addr, version);
            }
        }
    }

    /// The process has been stopped: says that the pointer maps of those spans will be asked for that
    /// are no longer what they were when they were looked at.
    pub(crate) fn expect_changed(&self) {
        let mut known: Vec<_> = self.barren.borrow_mut().drain().collect();
        // In the order of memory.
        known.sort_unstable_by_key(|(at, _)| *at);
        let now = known.iter().map(|(at, _)| self.span.read(self.memory, *at).ok().flatten());
        let (mut same, mut changed) = (Barren::default(), Vec::new());
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
        *self.barren.borrow_mut() = same;
    }
}

fn is_known(known: &Barren, span: &Span) -> bool {
    known.get(&span.addr).is_some_and(|version| span.version == Some(*version))
}
