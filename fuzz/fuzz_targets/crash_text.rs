//! Logs with crash texts in them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mapscope_runtime::crash::text::Scanner;

fuzz_target!(|log: &[u8]| {
    let mut found = 0;
    let scanner = Scanner::new().expect("a table of words");
    let mut log = log;
    let summary = scanner.read(&mut log, &mut |_| true, &mut |text| {
        found += 1;
        let (kind, culprit) = (text.kind(), text.culprit());
        let frames = text.died().map_or(0, |died| died.frames.len());
        assert!(culprit.is_none_or(|at| at < frames), "{kind:?} {culprit:?} of {frames}");
        assert!(text.line > 0 && text.chain.len() <= 64);
    });
    let summary = summary.expect("memory can be read");
    assert_eq!(summary.found, found);
});
