//! What machine code says of types, of a program some of whose functions were changed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mapscope_fuzz::Program;

thread_local! {
    static PROGRAM: Program =
        Program::open(include_bytes!("../../recordings/1.25.5-exe-s.rec"));
}

fuzz_target!(|data: &[u8]| PROGRAM.with(|program| program.fuzz(data)));
