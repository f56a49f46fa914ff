//! The table of functions, lines and inlined calls.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mapscope_binary::{FileVa, Func, Pclntab};

const TEXT: FileVa = FileVa(0x40_1000);

/// Steps of one table that are taken.
const STEPS: usize = 64;

fuzz_target!(|data: &[u8]| {
    let Ok(table) = Pclntab::parse(data, TEXT) else { return };
    // The inline trees stand anywhere in the file: the whole of it will do.
    let table = table.with_gofunc(data);
    assert!(table.len() <= data.len() / 8);
    for func in table.funcs().take(8) {
        described(&func, data.len());
        stepped(&func, data.len());
        if let Some(found) = table.find(func.entry()) {
            assert!(found.entry() <= func.entry());
        }
    }
    if let Some(end) = table.end() {
        assert!(table.find(end).is_none());
    }
    assert!(table.find(FileVa(TEXT.0 - 1)).is_none());
});

fn described(func: &Func<'_, '_>, len: usize) {
    assert!(func.name().len() < len);
    let _ = (func.is_top_frame(), func.writes_sp(), func.is_assembly());
    for index in [0, 3, 255] {
        let _ = func.funcdata(index);
    }
}

fn stepped(func: &Func<'_, '_>, len: usize) {
    let mut before = func.entry();
    for (delta, until) in func.sp_deltas().take(STEPS) {
        assert!(until > before, "a step that goes nowhere");
        // At the step's last byte its own value holds.
        let pc = FileVa(until.0 - 1);
        assert_eq!(func.sp_delta(pc), u32::try_from(delta).ok());
        before = until;
    }
    for pc in [func.entry(), FileVa(func.entry().0.saturating_add(40))] {
        let _ = (func.line(pc), func.file(pc), func.pcdata(0, pc), func.pcdata(u32::MAX, pc));
        let frames = func.frames(pc);
        assert!(frames.len() <= 513);
        assert!(frames.last().is_some_and(|f| !f.inlined && f.function == func.name()));
        assert!(frames.iter().all(|f| f.function.len() < len && f.file.len() < len));
    }
}
