//! Go's DWARF: types, constants, globals, functions, locals and their places.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mapscope_binary::FileVa;
use mapscope_binary::dwarf::{Debug, Function, TypeRef};
use mapscope_fuzz::Parts;

/// The sections of an input, in its order.
const SECTIONS: [&str; 8] = [
    ".debug_info",
    ".debug_abbrev",
    ".debug_addr",
    ".debug_str",
    ".debug_loc",
    ".debug_loclists",
    ".debug_ranges",
    ".debug_rnglists",
];

fuzz_target!(|data: &[u8]| {
    let parts = Parts::<8>::of(data);
    let section = |name: &str| parts.get(SECTIONS.iter().position(|s| *s == name)?);
    let Some(debug) = Debug::load(section) else { return };
    assert!(debug.damage().len() <= 1000);
    for pair in debug.globals().windows(2) {
        assert!(pair[0].addr <= pair[1].addr);
    }
    for (name, ty) in debug.types().take(32) {
        named(&debug, name, ty);
    }
    for function in debug.functions().iter().take(8) {
        variables(&debug, function);
    }
});

fn named(debug: &Debug<'_>, name: &str, ty: TypeRef) {
    assert_eq!(debug.type_named(name), Some(ty));
    assert_eq!(debug.type_at(ty).ok(), debug.type_at(ty).ok());
    if let Ok(resolved) = debug.resolve(ty) {
        let _ = debug.size_of(resolved.this);
    }
    if let Ok(layout) = debug.layout(ty) {
        let _ = layout.path("a.b.c");
    }
}

fn variables<'e>(debug: &Debug<'e>, function: &Function<'e>) {
    assert!(function.low < function.high);
    let _ = debug.captured(function);
    let all = debug.variables(function);
    let middle = FileVa(function.low.0 + (function.high.0 - function.low.0) / 2);
    for pc in [function.low, middle] {
        assert!(debug.function_at(pc).is_none_or(|f| f.contains(pc)));
        if let (Ok(all), Ok(here)) = (&all, debug.locals(function, pc)) {
            assert!(all.len() <= 1 << 20 && here.len() <= 1 << 20);
        }
    }
}
