//! What names a map: `main.registry.Shards[3].Counts`, or an address.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mapscope_runtime::expr::{Op, Parsed};

fuzz_target!(|text: &str| {
    match Parsed::parse(text) {
        Ok(Parsed::Path { dotted, ops }) => again(&dotted, &ops),
        Ok(Parsed::Addr(addr)) => {
            assert_eq!(Parsed::parse(&format!("{addr:#x}")), Ok(Parsed::Addr(addr)));
        }
        Ok(Parsed::Frame { goroutine, rest }) => {
            let text = format!("goroutine {goroutine} {rest}");
            assert_eq!(Parsed::parse(&text), Ok(Parsed::Frame { goroutine, rest }), "{text:?}");
        }
        Err(error) => assert!(error.at <= text.trim().len()),
    }
});

/// What was parsed, written out, parses to the same.
fn again(dotted: &str, ops: &[Op]) {
    let mut text = dotted.to_owned();
    for op in ops {
        match op {
            Op::Field(name) => text += &format!(".{name}"),
            Op::Index(index) => text += &format!("[{index}]"),
            Op::Key(key) => text += &format!(".key({key})"),
            Op::Captured(name) => text += &format!("{{{name}}}"),
            Op::Assert(ty) => text += &format!(".({ty})"),
        }
    }
    let same = Parsed::Path { dotted: dotted.to_owned(), ops: ops.to_vec() };
    assert_eq!(Parsed::parse(&text), Ok(same), "{text:?}");
}
