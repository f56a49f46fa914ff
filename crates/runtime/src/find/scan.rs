//! The scan: every heap object that can be a map header, believed only if it is one.

use std::ops::ControlFlow;

use mapscope_target::Addr;
use rustc_hash::FxHashSet;

use super::typing::MapTypes;
use super::{Findings, Found, FoundBy, holding};
use crate::Go;
use crate::heap::{InUse, MAX_OBJECTS, PointerMap, Sieve, Span};

/// Adds to `findings` the maps of the heap that are not among them yet.
pub fn scan(go: &Go<'_>, findings: &mut Findings) {
    if go.progress.cancelled() {
        return;
    }
    go.progress.begin("scanning the heap for maps", 0);
    let size = go.heap.rounded(go.shape.header_size(), true);
    let met: FxHashSet<Addr> = findings.maps.iter().map(|found| found.addr).collect();
    let types = MapTypes::new(go).beside(&findings.maps);
    let Findings { maps, guesses, .. } = &mut *findings;
    let mut scanner = Scanner::new(go, &met, |addr, array| {
        let Some(typing) = types.of(addr, array) else { return };
        maps.push(Found {
            addr,
            ty: typing.ty,
            held: None,
            found_by: FoundBy::Scan,
            typed_by: typing.by,
        });
        guesses.extend(typing.guess.map(|guess| (addr, guess)));
    });
    let outcome = go.heap.sift(size, &go.processors(), &mut scanner);
    findings.unfit = types.unfit();
    holding::name(go, &types, findings);
    if let Err(fault) = outcome {
        findings.missing.push(format!("the list of the heap's spans: {fault}"));
    }
    if go.progress.cancelled() {
        findings.missing.push("the scan of the heap was stopped".into());
    }
}

/// Looks through spans of objects of a header's size.
struct Scanner<'g, 'a, F> {
    go: &'g Go<'a>,
    met: &'g FxHashSet<Addr>,
    /// Called with the maps, and with what is known of their arrays.
    found: F,
    in_use: InUse,
    pointers: PointerMap,
    /// The pointer bits of a span without any that a header would have, and how many objects it
    /// has: spans of objects of one type are all alike.
    barren: (PointerMap, u64),
}

impl<'g, 'a, F: FnMut(Addr, Option<Addr>)> Scanner<'g, 'a, F> {
    fn new(go: &'g Go<'a>, met: &'g FxHashSet<Addr>, found: F) -> Scanner<'g, 'a, F> {
        let (in_use, pointers, barren) = Default::default();
        Scanner { go, met, found, in_use, pointers, barren }
    }
}

impl<F: FnMut(Addr, Option<Addr>)> Sieve for Scanner<'_, '_, F> {
    /// Whether no object of a span has pointers where a header has them.
    fn is_barren(&mut self, span: &Span, pointers: &PointerMap) -> bool {
        self.go.progress.step(1);
        if self.barren.1 == span.nelems && self.barren.0 == *pointers {
            return true;
        }
        let (words, wanted) = (span.elemsize / 8, self.go.shape.pointer_words());
        let mut objects = 0..span.nelems.min(MAX_OBJECTS);
        let barren = objects.all(|index| pointers.words(index * words, words) != wanted);
        if barren {
            self.barren = (pointers.clone(), span.nelems);
        }
        barren
    }

    /// Finds the maps of one span. Objects are read only where the allocator and the GC say what
    /// they would of a header: in use, with pointers where a header has them.
    fn span(&mut self, span: &Span) {
        let go = self.go;
        go.progress.step(1);
        let known = go.heap.pointer_map(span, &mut self.pointers);
        if known && self.barren.1 == span.nelems && self.barren.0 == self.pointers {
            return;
        }
        // Of a span that is just being freed nothing can be read: no map is lost with it.
        if self.in_use.read(go.memory(), span).is_err() {
            return;
        }
        let (words, wanted) = (span.elemsize / 8, go.shape.pointer_words());
        let mut barren = known;
        for index in 0..span.nelems.min(MAX_OBJECTS) {
            if known && self.pointers.words(index * words, words) != wanted {
                continue;
            }
            barren = false;
            if !self.in_use.is(index) {
                continue;
            }
            let Some(addr) = span.object(index) else { return };
            if !self.met.contains(&addr)
                && let Ok(array) = go.proven(addr, None)
            {
                (self.found)(addr, array);
            }
        }
        if barren {
            std::mem::swap(&mut self.barren.0, &mut self.pointers);
            self.barren.1 = span.nelems;
        }
    }

    fn flow(&self) -> ControlFlow<()> {
        self.go.flow()
    }
}
