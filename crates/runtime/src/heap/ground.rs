//! What every address of the heap is, by a table made once: for those who ask for millions.

use std::ops::ControlFlow;

use mapscope_target::{Addr, Fault};
use rustc_hash::FxHashMap;

use super::span::{InUse, MAX_OBJECTS, Span, State};
use super::{Geometry, Heap};

/// What is at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// An object of the heap.
    Object {
        /// Its value: behind the malloc header, where it has one.
        value: Addr,
        /// Bytes from there to its end.
        size: u64,
        /// The allocator says that it is in use.
        in_use: bool,
    },
    /// A goroutine's stack, or another span that the runtime manages by hand.
    Manual,
    /// Memory of the heap that is free: in no span, or behind the last object of one.
    Free,
    /// No memory of the heap.
    Outside,
}

/// What every address of the heap is.
pub struct Terrain {
    geometry: Geometry,
    /// By arena: for each of its pages, the number of its span + 1.
    arenas: FxHashMap<u64, Box<[u32]>>,
    spans: Vec<Piece>,
    bits: Vec<u8>,
    pages: u64,
}

/// A span, as much as is needed of it.
#[derive(Clone, Copy)]
struct Piece {
    start: u64,
    elemsize: u64,
    nelems: u32,
    freeindex: u32,
    /// Where its allocation bits begin, in bytes.
    bits: u32,
    header: u8,
    manual: bool,
}

impl Piece {
    /// The number of the object at `addr`, which is in the span.
    fn index_of(&self, addr: Addr) -> u64 {
        let offset = addr.0.wrapping_sub(self.start);
        // A division of half the width takes a quarter of the time.
        match (u32::try_from(offset), u32::try_from(self.elemsize)) {
            (Ok(offset), Ok(size)) => offset.checked_div(size).unwrap_or(0).into(),
            _ => offset / self.elemsize,
        }
    }
}

/// More arenas than 1 TiB has: a table for more would take too much memory.
const MAX_ARENAS: usize = 1 << 14;
/// More pages than 1 TiB has.
const MAX_PAGES: u64 = 1 << 27;

impl Heap<'_> {
    /// What every address of the heap is.
    ///
    /// # Errors
    ///
    /// The list of spans, or the allocation bits of one, cannot be read.
    pub fn terrain(&self) -> Result<Terrain, Fault> {
        let mut map = Terrain {
            geometry: self.geometry,
            arenas: FxHashMap::default(),
            spans: Vec::new(),
            bits: Vec::new(),
            pages: 0,
        };
        let (mut outcome, mut in_use) = (Ok(()), InUse::default());
        self.structures(|state, span| {
            if state == State::Objects {
                outcome = in_use.read(self.memory, &span);
            }
            if state != State::Free && outcome.is_ok() {
                let header = self.header(&span);
                map.add(&span, state, header, &in_use, &|page| self.may_have(page));
            }
            if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        outcome.map(|()| map)
    }

    /// Whether `page` can be of the heap: its arena is there, or nothing tells.
    fn may_have(&self, page: Addr) -> bool {
        self.arena_of(page).map_or(true, |arena| !arena.is_null())
    }
}

impl Terrain {
    fn add(
        &mut self,
        span: &Span,
        state: State,
        header: u64,
        in_use: &InUse,
        may_have: &dyn Fn(Addr) -> bool,
    ) {
        let (size, number) = (self.geometry.page_size, self.spans.len() as u32 + 1);
        let npages = span.npages.min(MAX_PAGES.saturating_sub(self.pages));
        self.pages += npages;
        for page in (0..npages).map_while(|i| span.start.index(i, size)) {
            let arena = page.0 / self.geometry.arena_bytes;
            let full = self.arenas.len() >= MAX_ARENAS;
            // A span that says it is longer than the heap costs no more than the heap.
            if !self.arenas.contains_key(&arena) && (full || !may_have(page)) {
                break;
            }
            let per_arena = (self.geometry.arena_bytes / size) as usize;
            let pages =
                self.arenas.entry(arena).or_insert_with(|| vec![0; per_arena].into_boxed_slice());
            let index = (page.0 % self.geometry.arena_bytes / size) as usize;
            if let Some(entry) = pages.get_mut(index) {
                *entry = number;
            }
        }
        let bits = self.bits.len() as u32;
        let manual = state == State::Manual;
        if !manual {
            self.bits.extend_from_slice(in_use.bits());
        }
        self.spans.push(Piece {
            start: span.start.0,
            elemsize: span.elemsize.max(1),
            nelems: span.nelems.min(MAX_OBJECTS) as u32,
            freeindex: span.freeindex.min(MAX_OBJECTS) as u32,
            bits,
            header: header as u8,
            manual,
        });
    }

    /// What is at `addr`.
    pub fn at(&self, addr: Addr) -> Ground {
        let g = &self.geometry;
        let Some(arena) = self.arenas.get(&(addr.0 / g.arena_bytes)) else {
            return Ground::Outside;
        };
        let page = (addr.0 % g.arena_bytes / g.page_size) as usize;
        let number = arena.get(page).copied().unwrap_or(0);
        let Some(span) = number.checked_sub(1).and_then(|i| self.spans.get(i as usize)) else {
            return Ground::Free;
        };
        if span.manual {
            return Ground::Manual;
        }
        let index = span.index_of(addr);
        if index >= span.nelems.into() {
            return Ground::Free;
        }
        let header = u64::from(span.header);
        let base = span.start.wrapping_add(index.wrapping_mul(span.elemsize));
        Ground::Object {
            value: Addr(base.wrapping_add(header)),
            size: span.elemsize.saturating_sub(header),
            in_use: index < span.freeindex.into() || self.bit(span, index),
        }
    }

    fn bit(&self, span: &Piece, index: u64) -> bool {
        let byte = self.bits.get(span.bits as usize + (index / 8) as usize);
        byte.is_some_and(|byte| byte >> (index % 8) & 1 != 0)
    }
}
