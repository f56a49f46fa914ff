//! Maps in memory that was tampered with.

use std::ops::ControlFlow;

use mapscope_runtime::hash::NoHash;
use mapscope_runtime::heap::{Heap, SizeClasses};
use mapscope_runtime::maps::{self, Block, Care, MapAt, MapShape, Reader};
use mapscope_runtime::types::{SlotLayout, Types};
use mapscope_target::{Addr, Memory, MemoryExt};

use crate::{Fixture, Patch};

/// Reads one map of `fixture` after the changes that `input` states.
pub fn fuzz_map(fixture: &Fixture, input: &[u8]) {
    let Some(([which, how], patches)) = input.split_first_chunk::<2>() else { return };
    let mut memory = fixture.memory();
    let changed = Patch::apply(&mut memory, patches);
    memory.lends = how & 1 != 0;
    let (addr, descriptor) = fixture.facts.maps[usize::from(*which) % fixture.facts.maps.len()];
    let source = &fixture.layouts;
    let heap = Heap::new(&memory, source, fixture.facts.mheap, SizeClasses::default());
    let (Ok(heap), Ok(shape)) = (heap, maps::shape(source)) else {
        panic!("a seed without layouts")
    };
    let types = Types::new(&memory, None, source, [].into()).expect("layouts");
    let typed = how & 2 == 0;
    let slots = types.map(types.of_descriptor(descriptor)).and_then(|m| m.slots);
    let count = read(&*shape, &memory, &heap, addr, slots.filter(|_| typed));
    if !changed && typed {
        assert_eq!(shape.len(&memory, addr), Ok(count));
    }
}

/// Reads a map in every way there is. How many entries it has.
pub(crate) fn read(
    shape: &dyn MapShape,
    memory: &dyn Memory,
    heap: &Heap<'_>,
    addr: Addr,
    slots: Option<SlotLayout>,
) -> u64 {
    let (reader, map) = (Reader { memory, heap }, MapAt { addr, slots });
    let quick = shape.survey(reader, &map, Care::Quick);
    let exact = shape.survey(reader, &map, Care::Exact);
    assert_eq!(exact, shape.survey(reader, &map, Care::Exact), "the same bytes, another answer");
    if let (Ok(quick), Ok(exact)) = (&quick, &exact) {
        assert_eq!((quick.len, quick.capacity), (exact.len, exact.capacity));
        assert!(exact.wasted <= exact.bytes);
        assert_eq!(Ok(exact.len), shape.len(memory, addr));
        let _ = (exact.state.word(), exact.state.to_string());
    }
    let _ = shape.arrays(reader, &map).map(|arrays| arrays.len());
    let _ = shape.explain(reader, &map).map(|fields| fields.len());
    prove(shape, reader, addr);
    place(shape, reader, &map);
    let count = entries(shape, reader, &map);
    stops(shape, reader, &map);
    count
}

fn prove(shape: &dyn MapShape, reader: Reader<'_>, addr: Addr) {
    let mut header = vec![0; shape.header_size() as usize];
    if reader.memory.read(addr, &mut header).is_ok() {
        let stack = Addr(addr.0 & !0xfff)..Addr((addr.0 & !0xfff).saturating_add(0x2000));
        let proof = shape.prove(reader, &header, addr, None);
        // A stack can only excuse what is not on the heap.
        let _ = shape
            .prove(reader, &header, addr, Some(&stack))
            .map(|on| assert!(on == proof.unwrap_or(on)));
        let _ = shape.stands_alone(reader, addr);
    }
}

/// However a map was damaged, few of its keys are hashed, and each counts once.
fn place(shape: &dyn MapShape, reader: Reader<'_>, map: &MapAt) {
    let mut hashed = 0;
    let placed = shape.place(reader, map, &mut |key, seed| {
        hashed += 1;
        let word = reader.memory.u64(key).map_err(NoHash::from)?;
        if word % 61 == 0 { Err(NoHash::Random) } else { Ok((word ^ seed).wrapping_mul(SPREAD)) }
    });
    if let Ok(placed) = placed {
        let counted = placed.agree + placed.differ + placed.silent + placed.unread;
        assert!(counted >= hashed && counted <= MOST_PLACED);
    }
    assert!(hashed <= MOST_PLACED);
}

/// Keys that are looked at to tell one hash function from others, at most.
const MOST_PLACED: u64 = 64;
/// An odd number without a pattern: 2^64 by the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

fn entries(shape: &dyn MapShape, reader: Reader<'_>, map: &MapAt) -> u64 {
    let mut count = 0;
    let _ = shape.blocks(reader, map, &mut |block| {
        let slots = map.slots.expect("blocks of a map without a type");
        assert_eq!(block.bytes.len() as u64, slots.block_size);
        same(reader.memory, &block);
        for entry in maps::entries(&block, &slots, reader.memory) {
            count += 1;
            let Ok(entry) = entry else { continue };
            assert!(block.full >> entry.slot & 1 != 0);
            let _ = (reader.memory.u8(entry.key), reader.memory.u8(entry.elem));
        }
        ControlFlow::Continue(())
    });
    count
}

/// What is handed out is what is there.
fn same(memory: &dyn Memory, block: &Block<'_>) {
    let mut bytes = vec![0; block.bytes.len()];
    assert_eq!(memory.read(block.addr, &mut bytes), Ok(()));
    assert_eq!(bytes, block.bytes);
}

/// A visit that breaks is the last.
fn stops(shape: &dyn MapShape, reader: Reader<'_>, map: &MapAt) {
    let mut visits = 0;
    let _ = shape.blocks(reader, map, &mut |_| {
        visits += 1;
        ControlFlow::Break(())
    });
    assert!(visits <= 1);
}
