//! Moduledata and type descriptors, in the memory of real processes with some of it changed.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mapscope_fuzz::{Fixture, fuzz_types};

/// Descriptors as they were until 1.23, in 1.24 to 1.26, and since 1.27.
static FIXTURES: LazyLock<[Fixture; 3]> = LazyLock::new(|| {
    [
        Fixture::of_bytes(include_bytes!("../memory/classic.bin")),
        Fixture::of_bytes(include_bytes!("../memory/swiss.bin")),
        Fixture::of_bytes(include_bytes!("../memory/split.bin")),
    ]
});

fuzz_target!(|data: &[u8]| {
    if let Some((which, rest)) = data.split_first() {
        fuzz_types(&FIXTURES[usize::from(*which) % FIXTURES.len()], rest);
    }
});
