//! The DWARF of real executables, checked against what else they say of themselves: symbols,
//! the pclntab and the run-time type descriptors.
//!
//! Runs on every build of the zoo under `MAPSCOPE_FIXTURES`, which `cargo xtask test` sets.

mod common;

use std::path::PathBuf;

use common::fixtures;
use mapscope_binary::dwarf::{Debug, DwarfError, Location, Shape};
use mapscope_binary::{Elf, FileVa, Pclntab, SymbolKind};

/// `abi.Kind` of a map.
const MAP: u8 = 21;

/// Runs a check on the DWARF of every fixture that has some.
fn each(check: impl Fn(&str, &Elf<'_>, &Debug<'_>)) {
    for (variant, path) in zoos() {
        let data = std::fs::read(&path).unwrap();
        let elf = Elf::parse(&data).unwrap();
        if let Some(debug) = Debug::open(&elf).unwrap() {
            assert_eq!(debug.damage(), [], "{variant}");
            check(&variant, &elf, &debug);
        }
    }
}

/// The programs that have all their DWARF, with every kind of type and variable.
fn zoos() -> Vec<(String, PathBuf)> {
    fixtures().into_iter().filter(|(_, path)| path.ends_with("zoo")).collect()
}

#[test]
fn every_type_resolves_and_agrees_with_its_descriptor() {
    each(|variant, elf, debug| {
        let base = elf.symbol("runtime.types").unwrap().addr;
        let (mut maps, mut agreed) = (0, 0);
        for (name, ty) in debug.types() {
            let ty = debug.resolve(ty).unwrap_or_else(|e| panic!("{variant}: {name}: {e}"));
            if ty.go_kind == Some(MAP) {
                assert!(ty.key.is_some() && ty.elem.is_some(), "{variant}: {name}");
                maps += 1;
            }
            // Up to Go 1.22 the linker states the descriptor of `uintptr` by its address.
            let (Some(offset), Some(kind), false) =
                (ty.go_runtime_type, ty.go_kind, name == "uintptr")
            else {
                continue;
            };
            // `abi.Type`: the size at 0, the kind at 23, with flags above bit 4 (Go ≤ 1.25).
            let descriptor = elf.bytes_at(base.checked_add(offset).unwrap(), 24).unwrap();
            let size = u64::from_le_bytes(descriptor[..8].try_into().unwrap());
            assert_eq!((Some(size), kind), (ty.size, descriptor[23] & 0x1f), "{variant}: {name}");
            agreed += 1;
        }
        assert!(maps > 10 && agreed > 300, "{variant}: {maps} {agreed}");
    });
}

/// What a map may be is told in this order, which no run may change.
#[test]
fn map_types_come_in_one_order() {
    each(|variant, elf, debug| {
        let maps = debug.maps();
        assert!(maps.len() > 10 && maps.is_sorted(), "{variant}: {}", maps.len());
        assert_eq!(maps, Debug::open(elf).unwrap().unwrap().maps(), "{variant}");
    });
}

#[test]
fn globals_and_functions_lie_at_their_symbols() {
    each(|variant, elf, debug| {
        let mut checked = 0;
        for symbol in elf.symbols().filter(|s| s.kind == SymbolKind::Object && s.size > 0) {
            let Ok(name) = std::str::from_utf8(symbol.name) else { continue };
            let Some(global) = debug.global(name) else { continue };
            assert_eq!(global.addr, symbol.addr, "{variant}: {name}");
            let size = debug.size_of(global.ty).unwrap();
            assert_eq!(size, Some(symbol.size), "{variant}: {name}");
            checked += 1;
        }
        assert!(checked > 100, "{variant}: {checked} globals");
        let table = Pclntab::find_in(elf).unwrap();
        for function in debug.functions() {
            let entry = table.find(function.low).map(|f| f.entry());
            assert_eq!(entry, Some(function.low), "{variant}: {}", function.name);
            assert_eq!(debug.function_at(function.low).map(|f| f.low), Some(function.low));
        }
        assert!(debug.functions().len() > 1000, "{variant}");
    });
}

#[test]
fn the_layouts_that_the_runtime_needs_are_there() {
    each(|variant, _, debug| {
        let g = debug.members("runtime.g").unwrap();
        assert_eq!(g.path("sched.sp").unwrap().size, 8, "{variant}");
        assert_eq!(g.path("goid").unwrap().size, 8, "{variant}");
        let span = debug.members("runtime.mspan").unwrap();
        assert_eq!(span.path("elemsize").unwrap().size, 8, "{variant}");
        assert_eq!(debug.constant("runtime._Gwaiting"), Some(4), "{variant}");
        let offset = |name, member: &str| Some(debug.members(name)?.path(member)?.offset);
        let classic = offset("runtime.hmap", "B");
        let swiss = offset("internal/runtime/maps.Map", "dirPtr");
        assert!(
            matches!((classic, swiss), (Some(9), None) | (None, Some(16))),
            "{variant}: {classic:?} {swiss:?}"
        );
    });
}

#[test]
fn variables_have_places_that_go_can_emit() {
    each(|variant, _, debug| {
        let (mut placed, mut inlined, mut escaped, mut beyond) = (0, 0, 0, 0);
        for function in debug.functions() {
            let step = (function.high.0 - function.low.0) / 4 + 1;
            for pc in (function.low.0..function.high.0).step_by(step as usize) {
                for variable in debug.locals(function, FileVa(pc)).unwrap() {
                    let unsupported = matches!(
                        variable.location,
                        Location::Unsupported(_) | Location::CfaOrField(_)
                    );
                    beyond += usize::from(unsupported);
                    debug.type_at(variable.ty).unwrap();
                    placed += usize::from(variable.location != Location::Gone);
                    inlined += usize::from(variable.inline_depth > 0);
                    escaped += usize::from(variable.escaped);
                }
            }
        }
        // Go 1.19 gives 97 of 11,829 more pieces than the variable has bytes, and more of them too
        // few, or the place of one field for the whole.
        assert!(beyond * 20 < placed, "{variant}: {beyond} of {placed}");
        assert!(placed > 5000 && inlined > 100 && escaped > 50, "{variant}: {placed} {inlined}");
    });
}

#[test]
fn captured_variables_lie_one_after_the_other_behind_the_code_address() {
    each(|variant, _, debug| {
        for function in debug.functions() {
            let mut end = 8;
            for variable in debug.captured(function).unwrap() {
                let at = variable.closure_offset.unwrap();
                assert!(at >= end, "{variant}: {} {}", function.name, variable.name);
                let size =
                    if variable.escaped { Some(8) } else { debug.size_of(variable.ty).unwrap() };
                end = at + size.unwrap();
            }
        }
    });
}

#[test]
fn a_garbled_debug_info_is_indexed_without_panic() {
    // One program of each DWARF version is enough: the others differ in what they describe.
    let programs = zoos().into_iter().filter(|(v, _)| v == "1.19.8-exe" || v == "1.27.3-exe");
    for (_, path) in programs {
        let data = std::fs::read(&path).unwrap();
        let elf = Elf::parse(&data).unwrap();
        let mut info = elf.section_data(".debug_info").unwrap().unwrap().to_vec();
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        for _ in 0..100 {
            for _ in 0..20 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let at = state as usize % info.len();
                info[at] = (state >> 40) as u8;
            }
            let debug = Debug::load(|name| match name {
                ".debug_info" => Some(&info[..]),
                name => elf.section_data(name).unwrap(),
            });
            exercise(&debug.unwrap());
        }
    }
}

/// Asks for what can be asked for. The answers are not checked.
fn exercise(debug: &Debug<'_>) {
    let types = debug.types().filter_map(|(_, ty)| debug.resolve(ty).ok());
    let structs = types.filter(|ty| matches!(ty.shape, Shape::Struct(_))).count();
    let locals = |f| debug.locals(f, f.low).map(|v| v.len());
    let errors: Vec<DwarfError> =
        debug.functions().iter().filter_map(|f| locals(f).err()).collect();
    std::hint::black_box((structs, errors));
}
