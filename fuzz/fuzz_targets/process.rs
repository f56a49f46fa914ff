//! `ls`, `show`, `entries`, `get` and `verify`, of a core with some of the words changed that they
//! read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mapscope_fuzz::Process;

thread_local! {
    static PROCESS: Process = Process::open(
        include_bytes!("../../samples/demo/core.zst"),
        include_bytes!("../../samples/demo/exe.zst"),
    );
}

fuzz_target!(|data: &[u8]| PROCESS.with(|process| process.fuzz(data)));
