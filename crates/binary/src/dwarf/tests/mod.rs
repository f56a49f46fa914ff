//! Tests on DWARF made by hand. Those on real programs are in `tests/dwarf.rs` of the crate.

mod asm;
mod sample;

use super::*;
use asm::{Sections, TEXT};
use sample::sample;

fn load(sections: &Sections) -> Debug<'_> {
    Debug::load(|name| sections.get(name).map(Vec::as_slice)).expect("there is a .debug_info")
}

fn both(check: impl Fn(&Debug<'_>)) {
    for version in [4, 5] {
        let sections = sample(version);
        let debug = load(&sections);
        assert_eq!(debug.damage(), []);
        check(&debug);
    }
}

#[test]
fn a_map_keeps_its_kind_key_elem_and_descriptor() {
    both(|debug| {
        let ty = debug.type_named("map[int]main.T").unwrap();
        let map = debug.resolve(ty).unwrap();
        assert_eq!(map.go_runtime_type, Some(0x300));
        assert_eq!((map.go_kind, map.size), (Some(21), Some(8)));
        assert_eq!(map.key, debug.type_named("int"));
        assert_eq!(map.elem, debug.type_named("main.T"));
        let Shape::Typedef(header) = map.shape else { panic!("{:?}", map.shape) };
        let Shape::Pointer(Some(header)) = debug.type_at(header).unwrap().shape else { panic!() };
        assert_eq!(debug.type_at(header).unwrap().name, "hash<int,main.T>");
    });
}

#[test]
fn a_name_means_the_typedef_and_the_descriptor_the_struct() {
    both(|debug| {
        let named = debug.type_at(debug.type_named("main.T").unwrap()).unwrap();
        let Shape::Typedef(under) = named.shape else { panic!("{:?}", named.shape) };
        assert_eq!((named.go_kind, named.size), (None, Some(40)));
        assert_eq!(debug.type_at(under).unwrap().go_runtime_type, Some(0x200));
        assert_eq!(debug.resolve(named.this).unwrap().this, under);
    });
}

#[test]
fn a_path_leads_through_nested_structs_to_an_array() {
    both(|debug| {
        let layout = debug.members("main.T").unwrap();
        assert_eq!((layout.size, layout.members.len()), (40, 2));
        assert!(layout.member("T2").unwrap().embedded);
        let place = layout.path("T2.a").unwrap();
        assert_eq!((place.offset, place.size, place.count), (16, 24, Some(3)));
        assert_eq!(layout.path("T2.b"), None);
        assert_eq!(layout.path("n.a"), None);
        assert!(debug.members("int").is_none());
    });
}

#[test]
fn globals_and_constants_are_found_by_name() {
    both(|debug| {
        let global = debug.global("main.registry").unwrap();
        assert_eq!(global.addr, FileVa(0x50_0000));
        assert_eq!(Some(global.ty), debug.type_named("map[int]main.T"));
        assert_eq!(debug.constant("main.Limit"), Some(-7));
        assert_eq!(debug.constant("main.registry"), None);
    });
}

/// The variables at an instruction, as `function depth name location`.
fn seen(debug: &Debug<'_>, at: u64) -> Vec<String> {
    let pc = FileVa(TEXT + at);
    let variables = debug.locals(debug.function_at(pc).unwrap(), pc).unwrap();
    let line =
        |v: &Variable<'_>| format!("{} {} {} {:?}", v.function, v.inline_depth, v.name, v.location);
    variables.iter().map(line).collect()
}

#[test]
fn only_what_covers_the_instruction_is_in_scope() {
    both(|debug| {
        let esc = "main.outer 0 esc Cfa(-24)";
        let held = "main.outer 0 held Gone";
        assert_eq!(seen(debug, 0), [esc, "main.outer 0 listed Register(3)", held]);
        assert_eq!(seen(debug, 0x10), [esc, "main.outer 0 listed Cfa(0)", held]);
        let inlined = "main.inner 1 k CfaDeref(8)";
        assert_eq!(seen(debug, 0x200), [esc, "main.outer 0 listed Cfa(0)", held, inlined]);
        let block = seen(debug, 0x1ff).pop().unwrap();
        // Three words are described of a variable of four: which ones is not said.
        assert_eq!(block, "main.outer 0 block Unsupported(\"3 pieces in Some(32) bytes\")");
        assert_eq!(debug.function_at(FileVa(TEXT + 0x300)), None);
    });
}

#[test]
fn a_variable_on_the_heap_loses_its_ampersand_and_its_pointer() {
    both(|debug| {
        let outer = debug.function_at(FileVa(TEXT)).unwrap();
        let variables = debug.locals(outer, FileVa(TEXT + 0x200)).unwrap();
        let (esc, k) = (&variables[0], &variables[3]);
        assert!(esc.escaped && !esc.is_parameter);
        assert_eq!((Some(esc.ty), esc.decl_line), (debug.type_named("int"), Some(8)));
        assert!(k.is_parameter && k.is_result && !k.escaped);
    });
}

#[test]
fn captured_variables_are_found_without_an_instruction() {
    both(|debug| {
        let outer = debug.function_at(FileVa(TEXT)).unwrap();
        let captured = debug.captured(outer).unwrap();
        let names: Vec<_> = captured.iter().map(|v| (v.name, v.closure_offset)).collect();
        assert_eq!(names, [("held", Some(16))]);
    });
}

#[test]
fn a_type_that_names_itself_is_an_error() {
    both(|debug| {
        let ty = debug.type_named("main.loop").unwrap();
        assert!(matches!(debug.resolve(ty), Err(DwarfError::TooDeep { .. })));
        assert!(matches!(debug.size_of(ty), Err(DwarfError::TooDeep { .. })));
    });
}

#[test]
fn no_debug_info_is_none_and_other_languages_are_counted() {
    assert!(Debug::load(|_| None).is_none());
    let mut sections = sample(4);
    let info = sections.get_mut(".debug_info").unwrap();
    let language = 11 + 1 + "main\0".len();
    assert_eq!(info[language], gimli::DW_LANG_Go.0 as u8);
    info[language] = gimli::DW_LANG_C99.0 as u8;
    let debug = load(&sections);
    assert_eq!((debug.foreign_units(), debug.types().count()), (1, 0));
}

/// Asks for everything that can be asked for. What it answers does not matter.
fn exercise(debug: &Debug<'_>) {
    for (_, ty) in debug.types() {
        let _ = (debug.type_at(ty), debug.resolve(ty), debug.size_of(ty));
        let _ = debug.layout(ty).map(|layout| layout.path("T2.a"));
    }
    for function in debug.functions() {
        let _ = debug.captured(function);
        let _ = debug.locals(function, function.low);
        let _ = debug.locals(function, FileVa(function.low.0.saturating_add(0x200)));
    }
    for global in debug.globals() {
        let _ = debug.type_at(global.ty);
    }
}

/// A fixed sequence of numbers (xorshift64).
fn numbers() -> impl FnMut() -> usize {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    }
}

#[test]
fn garbage_in_any_section_is_no_panic() {
    let mut next = numbers();
    for round in 0..20_000 {
        let mut sections = sample(4 + round % 2);
        let mut names: Vec<_> = sections.keys().copied().collect();
        names.sort_unstable();
        for _ in 0..=next() % 4 {
            let section = sections.get_mut(names[next() % names.len()]).unwrap();
            let at = next() % section.len();
            section[at] = match next() % 3 {
                0 => 0xff,
                1 => 0,
                _ => next() as u8,
            };
        }
        exercise(&load(&sections));
    }
}

#[test]
fn a_section_cut_off_anywhere_is_no_panic() {
    for version in [4, 5] {
        let whole = sample(version);
        for name in whole.keys() {
            for len in 1..whole[name].len() {
                let mut sections = whole.clone();
                sections.get_mut(name).unwrap().truncate(len);
                exercise(&load(&sections));
            }
        }
    }
}
