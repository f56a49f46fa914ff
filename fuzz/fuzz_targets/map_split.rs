//! Maps of the split shape, in the memory of a real process with some of it changed.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mapscope_fuzz::{Fixture, fuzz_map};

static FIXTURE: LazyLock<Fixture> =
    LazyLock::new(|| Fixture::of_bytes(include_bytes!("../memory/split.bin")));

fuzz_target!(|data: &[u8]| fuzz_map(&FIXTURE, data));
