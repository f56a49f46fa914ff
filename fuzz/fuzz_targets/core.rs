//! A core: headers, notes, segments, and reads of what they promise.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mapscope_target::{Addr, Core, FileSegment, Memory, Target};

fuzz_target!(|data: &[u8]| {
    let Ok(mut core) = Core::from_bytes(data.to_vec()) else { return };
    facts(&core, data.len());
    let all: Vec<_> = core.mappings().to_vec();
    for pair in all.windows(2) {
        assert!(pair[0].end <= pair[1].start, "mappings overlap or are out of order");
    }
    for mapping in all.iter().take(16) {
        read(&core, mapping.start);
        read(&core, Addr(mapping.end.0.wrapping_sub(8)));
    }
    if let Some(first) = all.first() {
        let [low, high] = [first.start.0, first.end.0];
        let segment = FileSegment { addr: low, offset: 0, size: high - low, writable: false };
        core.splice_at(0, &[segment], Box::new(vec![7; 64]));
        read(&core, first.start);
    }
});

fn facts(core: &Core, len: usize) {
    assert!(core.threads().len() <= len / 12);
    assert!(core.auxv().len() <= len / 16);
    let (_, _) = (core.crash(), core.exe_path());
    if let Some(cut) = core.truncated() {
        assert!(cut.promised > cut.present || cut.headers > 0 || cut.stream);
    }
}

/// All of a read or nothing, the same twice, and the same as what is lent.
fn read(core: &Core, addr: Addr) {
    let (mut first, mut again) = ([0x55; 8], [0xaa; 8]);
    let outcome = core.read(addr, &mut first);
    assert_eq!(outcome, core.read(addr, &mut again));
    if let Ok(()) = outcome {
        assert_eq!(first, again);
        if let Some(lent) = core.borrow(addr, 8) {
            assert_eq!(lent, first);
        }
    }
}
