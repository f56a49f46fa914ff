//! Keys as Go literals, laid out and hashed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mapscope_fuzz::{Literals, Process};

thread_local! {
    static LITERALS: Literals = Literals::of(Process::open(
        include_bytes!("../../samples/demo/core.zst"),
        include_bytes!("../../samples/demo/exe.zst"),
    ));
}

fuzz_target!(|data: &[u8]| {
    let Some((which, text)) = data.split_first() else { return };
    if let Ok(text) = std::str::from_utf8(text) {
        LITERALS.with(|literals| literals.fuzz(*which, text));
    }
});
