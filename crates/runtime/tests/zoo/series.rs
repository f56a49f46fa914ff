//! Values decoded as a series, held against the same values decoded one by one.

use std::ops::ControlFlow;

use mapscope_runtime::maps::{Block, MapAt, SLOTS};
use mapscope_runtime::types::TypeId;
use mapscope_runtime::{Decoder, Go, Limits, Series, find};
use mapscope_target::Addr;

use crate::zoo::each_running;

#[test]
fn a_series_is_what_its_values_are_one_by_one() {
    each_running(|variant, go| {
        let found = find::all(go).maps;
        let compared: usize = found.iter().filter_map(|f| Some(compare(go, f.addr, f.ty?))).sum();
        assert!(compared > 10_000, "{variant}: {compared} values");
    });
}

/// Compares each key and elem of a map, and says how many that were.
fn compare(go: &Go<'_>, addr: Addr, ty: TypeId) -> usize {
    let at: MapAt = go.map_at(addr, Some(ty));
    let (Some(map), Some(slots)) = (go.types.map(ty), at.slots) else { return 0 };
    // A string that is cut short too.
    let decoder = Decoder::new(go, Limits { string: 40, ..Limits::default() });
    let parts = [
        (slots.indirect_key, map.key, slots.keys_off, slots.key_stride),
        (slots.indirect_elem, map.elem, slots.elems_off, slots.elem_stride),
    ];
    let mut compared = 0;
    for (_, ty, offset, stride) in parts.into_iter().filter(|part| !part.0) {
        let mut series = Series::new(decoder, ty);
        let size = go.types.get(ty).size as usize;
        let walked = go.shape.blocks(go.reader(), &at, &mut |block: Block<'_>| {
            for slot in (0..SLOTS).filter(|slot| block.full >> slot & 1 != 0) {
                let from = offset as usize + slot * stride as usize;
                let bytes = &block.bytes[from..from + size];
                // As text, in which one NaN is like another.
                assert_eq!(series.value(bytes).to_string(), decoder.of(bytes, ty).to_string());
                compared += 1;
            }
            ControlFlow::Continue(())
        });
        walked.unwrap();
    }
    compared
}
