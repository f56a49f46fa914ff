//! What no real process has: answers that lie must stay within bounds.

use std::ops::ControlFlow;

use mapscope_runtime::evidence::{G, Source};
use mapscope_runtime::goroutine::Goroutines;
use mapscope_runtime::heap::{Ground, Heap, SizeClasses};
use mapscope_runtime::maps::{Care, Damage, MapAt, Reader, shape};
use mapscope_target::{Addr, Why};

use crate::kind::{Kind, Slots};
use crate::source::Shape;
use crate::space::Space;

/// `runtime.arenaBaseOffsetUintptr` and `runtime.heapArenaBytes` of linux/amd64.
const ARENA_BASE: u64 = 0xffff_8000_0000_0000;
const ARENA: u64 = 64 << 20;
const PAGE: u64 = 8 << 10;

/// A heap whose one span has `at` in it, and says that its objects are so large and so many.
fn heap_of(space: &mut Space, source: &dyn Source, at: u64, elemsize: u64, nelems: u16) -> Addr {
    let span = space.alloc(160);
    let start = at / PAGE * PAGE;
    for (offset, word) in [(24, start), (32, 1), (104, elemsize)] {
        space.put_word(span + offset, word);
    }
    space.put(span + 50, &nelems.to_le_bytes());
    space.put_byte(span + 99, 1);
    let arena = space.alloc(ARENA / PAGE * 8);
    space.put_word(arena + at % ARENA / PAGE * 8, span);
    // The arenas behind it do not exist.
    let entry = space.alloc(64);
    space.put_word(entry, arena);
    let mheap = space.alloc(source.size("runtime.mheap").expect("a layout"));
    space.put_word(mheap + 24, entry - at.wrapping_sub(ARENA_BASE) / ARENA * 8);
    Addr(mheap)
}

/// The structure of that span, which has allocation bits now.
fn span_of(space: &mut Space, mheap: Addr, at: u64) -> u64 {
    let arena = space.word(space.word(mheap.0 + 24) + at.wrapping_sub(ARENA_BASE) / ARENA * 8);
    let span = space.word(arena + at % ARENA / PAGE * 8);
    let bits = space.alloc(128);
    space.put_word(span + 64, bits);
    span
}

/// Makes these all the spans of the heap.
fn list(space: &mut Space, mheap: Addr, spans: &[u64]) {
    let list = space.alloc(spans.len() as u64 * 8);
    for (place, span) in (list..).step_by(8).zip(spans) {
        space.put_word(place, *span);
    }
    space.put_word(mheap.0, list);
    space.put_word(mheap.0 + 8, spans.len() as u64);
}

#[test]
fn a_span_whose_objects_are_larger_than_memory_holds_none() {
    let source = Shape::Swiss;
    for (elemsize, nelems, believed) in
        [(64, 128, Some(64)), (u64::MAX - 8, 1, None), (1 << 40, 1 << 8, None), (0, 1, None)]
    {
        let mut space = Space::default();
        let at = space.alloc(8);
        let mheap = heap_of(&mut space, &source, at, elemsize, nelems);
        let heap = Heap::new(&space, &source, mheap, SizeClasses::default()).expect("layouts");
        assert_eq!(heap.allocated(Addr(at)), believed, "{elemsize} times {nelems}");
    }
}

/// An overflow bucket that is its own successor, or that of one before it.
#[test]
fn a_chain_that_goes_round_ends_as_soon_as_it_is_seen() {
    let kind = Kind::ALL[0];
    let slots = kind.bucket();
    for chain in 1..6 {
        for back in 0..chain {
            let mut space = Space::default();
            let header = space.alloc(48);
            let buckets: Vec<u64> = (0..chain).map(|_| space.alloc(slots.block_size)).collect();
            let next = |i: usize| *buckets.get(i + 1).unwrap_or(&buckets[back]);
            for (i, bucket) in buckets.iter().enumerate() {
                space.put_word(bucket + slots.block_size - 8, next(i));
            }
            space.put_word(header + 16, buckets[0]);
            let heap = Heap::new(&space, &Shape::Classic, Addr(0), SizeClasses::default());
            let heap = heap.expect("layouts");
            let reader = Reader { memory: &space, heap: &heap };
            let map = MapAt { addr: Addr(header), slots: Some(slots) };
            let mut visits = 0;
            let shape = shape(&Shape::Classic).expect("layouts");
            let walked = shape.blocks(reader, &map, &mut |_| {
                visits += 1;
                ControlFlow::Continue(())
            });
            assert!(matches!(walked, Err(Damage::Broken { .. })), "{walked:?}");
            assert!(visits <= 4 * chain, "{visits} visits of {chain} buckets");
        }
    }
}

/// Tables cost a directory eight bytes each, and may all claim the same groups.
#[test]
fn sizes_of_many_tables_do_not_overflow() {
    let source = Shape::Swiss;
    let slots = Kind::ALL[0].group(Slots::SideBySide);
    let mut space = Space::default();
    let (header, depth) = (space.alloc(48), 17);
    let groups = space.alloc(1024 / 8 * slots.block_size);
    let (tables, directory) = (space.alloc(32 << depth), space.alloc(8 << depth));
    for i in 0..1u64 << depth {
        let table = tables + i * 32;
        space.put(table + 2, &1024u16.to_le_bytes());
        space.put_byte(table + 6, depth);
        space.put_word(table + 8, i);
        space.put_word(table + 16, groups);
        space.put_word(table + 24, 127);
        space.put_word(directory + i * 8, table);
    }
    space.put_word(header + 16, directory);
    space.put_word(header + 24, 1 << depth);
    space.put(header + 32, &[depth, 64 - depth]);
    let mheap = heap_of(&mut space, &source, groups, 1 << 47, 1);
    let heap = Heap::new(&space, &source, mheap, SizeClasses::default()).expect("layouts");
    let map = MapAt { addr: Addr(header), slots: Some(slots) };
    let shape = shape(&source).expect("layouts");
    let survey = shape.survey(Reader { memory: &space, heap: &heap }, &map, Care::Exact);
    assert_eq!(survey.map(|survey| (survey.tables, survey.bytes)), Ok((1 << depth, u64::MAX)));
}

/// The map of what is where costs a word a page of the heap, whatever a span says.
#[test]
fn a_span_that_is_longer_than_the_heap_costs_no_more_than_the_heap() {
    let source = Shape::Swiss;
    let mut space = Space::default();
    let at = space.alloc(8);
    let mheap = heap_of(&mut space, &source, at, 64, 128);
    let span = span_of(&mut space, mheap, at);
    // 8 TiB, in arenas of which the heap has but one.
    space.put_word(span + 32, 1 << 30);
    list(&mut space, mheap, &[span]);
    let heap = Heap::new(&space, &source, mheap, SizeClasses::default()).expect("layouts");
    let terrain = heap.terrain().expect("it can be read");
    assert!(matches!(terrain.at(Addr(at)), Ground::Object { .. }), "{:?}", terrain.at(Addr(at)));
    assert_eq!(terrain.at(Addr(at + ARENA)), Ground::Outside);
}

/// A list of a million entries costs no more than the spans that it leads to.
#[test]
fn a_span_that_is_listed_often_is_visited_once() {
    let source = Shape::Swiss;
    let mut space = Space::default();
    let at = space.alloc(8);
    let mheap = heap_of(&mut space, &source, at, 64, 128);
    let span = span_of(&mut space, mheap, at);
    // The last ones lead into it, where none can begin.
    let spans: Vec<u64> =
        std::iter::repeat_n(span, 1 << 20).chain((1..100).map(|i| span + i)).collect();
    list(&mut space, mheap, &spans);
    let heap = Heap::new(&space, &source, mheap, SizeClasses::default()).expect("layouts");
    let mut visited = Vec::new();
    let walked = heap.spans(|span| {
        visited.push(span.addr);
        ControlFlow::Continue(())
    });
    assert_eq!((walked, visited), (Ok(()), vec![Addr(span)]));
}

/// Spans that are different structures, and all claim the same gigabyte.
#[test]
fn spans_that_claim_more_than_there_is_are_left_out() {
    let source = Shape::Swiss;
    let mut space = Space::default();
    let at = space.alloc(8);
    let mheap = heap_of(&mut space, &source, at, 1 << 20, 1 << 10);
    let first = span_of(&mut space, mheap, at);
    space.put_word(first + 32, (1 << 30) / PAGE);
    let copy = space.bytes(first, 160).to_vec();
    let mut spans = vec![first];
    for _ in 0..99 {
        let span = space.alloc(160);
        space.put(span, &copy);
        spans.push(span);
    }
    list(&mut space, mheap, &spans);
    let heap = Heap::new(&space, &source, mheap, SizeClasses::default()).expect("layouts");
    let heap = heap.within(2 << 30);
    let mut visited = 0;
    let walked = heap.spans(|_| {
        visited += 1;
        ControlFlow::Continue(())
    });
    // Twice what is mapped, and one more: the process may have grown.
    assert_eq!(visited, 5);
    let why = walked.expect_err("it lacks some").why;
    assert_eq!(why, Why::TooLong { len: 100 << 30, limit: 5 << 30 });
    assert!(heap.terrain().is_ok(), "what is known is known");
}

/// Goroutines cost no more than the memory that they are in, however often the list leads there.
#[test]
fn goroutines_that_are_listed_often_are_read_once() {
    let layout = G::load(&Shape::Swiss).expect("a layout");
    let mut space = Space::default();
    let goroutines = [space.alloc(layout.size), space.alloc(layout.size)];
    let (allgs, len) = (space.alloc(24), 1 << 20);
    let list = space.alloc(len * 8);
    for i in 0..len {
        // Into the second too: eight bytes further with each.
        let into = if i > 2 { 8 * (i % 16) } else { 0 };
        space.put_word(list + i * 8, goroutines[(i % 2) as usize] + into);
    }
    space.put_word(allgs, list);
    space.put_word(allgs + 8, len);
    let found = Goroutines::read(&space, &layout, Addr(allgs)).expect("a list");
    let [first, second] = goroutines.map(Addr);
    assert_eq!(found.all.iter().map(|g| g.addr).collect::<Vec<_>>(), [first, second]);
    assert_eq!(found.unreadable.len(), 1 << 12, "the rest of the list is not looked at");
    assert!(found.unreadable.iter().all(|fault| fault.why == Why::Stray));
}
