//! What machine code says of types, held against the DWARF of the same executables.

use mapscope_runtime::Go;
use mapscope_runtime::code::Holds;
use mapscope_runtime::types::{Kind, TypeId};
use mapscope_target::MemoryExt;

use crate::zoo::each_running;

/// What DWARF says of the first word of a variable of this type, where that leads to maps.
fn first_word(go: &Go<'_>, ty: TypeId) -> Option<Holds> {
    match &go.types.get(ty).kind {
        Kind::Pointer(to) => Some(Holds::Pointer(*to)),
        Kind::Slice(of) => Some(Holds::Slice(*of)),
        Kind::Map(_) => Some(Holds::Map(ty)),
        Kind::Struct(fields) => first_word(go, fields.first()?.ty),
        _ => None,
    }
}

fn type_of(holds: Holds) -> TypeId {
    match holds {
        Holds::Pointer(ty)
        | Holds::Slice(ty)
        | Holds::Map(ty)
        | Holds::Header(ty)
        | Holds::Value(ty) => ty,
    }
}

/// Whether what is told is true, if not the whole truth: the array behind a slice literal is made
/// as an array, a variable can be told of as a whole, and a pointer to a struct is one to its first
/// field.
fn agrees(go: &Go<'_>, told: Holds, expected: Holds, ty: TypeId) -> bool {
    match (told, expected) {
        (Holds::Value(whole), _) => go.types.begins_with(ty, whole),
        (Holds::Pointer(array), Holds::Slice(of)) => go.types.begins_with(array, of),
        (Holds::Pointer(told), Holds::Pointer(to)) => go.types.begins_with(to, told),
        _ => told == expected,
    }
}

#[test]
fn globals_hold_what_dwarf_says() {
    each_running(|variant, go| {
        let globals = go.image.debug.as_ref().unwrap().globals();
        let (mut right, mut silent) = (0, Vec::new());
        for global in globals.iter().filter(|global| global.name.starts_with("main.")) {
            let ty = go.types.of_debug(global.ty);
            let Some(expected) = first_word(go, ty) else { continue };
            if !go.types.reaches_map(ty) {
                continue;
            }
            let told = go.code().globals().find(|(va, _)| *va == global.addr);
            match told.and_then(|(_, told)| told.first()) {
                None => silent.push(global.name),
                Some(told) if agrees(go, told.holds, expected, ty) => right += 1,
                Some(told) => {
                    let types: Vec<_> =
                        [expected, told.holds].map(|h| go.types.get(type_of(h))).into();
                    panic!("{variant}: {}: {expected:?}, told {told:?}: {types:#?}", global.name)
                }
            }
        }
        assert!(right >= 19 && silent.len() <= 3, "{variant}: {right} told, {silent:?} not");
    });
}

/// Variables that are interfaces with methods, in every program, and what they hold.
const ERRORS: [(&str, &str); 2] =
    [("io.EOF", "*errors.errorString"), ("io.ErrNoProgress", "*errors.errorString")];

#[test]
fn an_itab_is_no_type_descriptor() {
    each_running(|variant, go| {
        for (variable, holds) in ERRORS {
            let Some(at) = go.variable(variable) else { continue };
            let itab = go.memory().addr(at).unwrap();
            let (ty, _) = go.dynamic(&itab.0.to_le_bytes(), false).unwrap().unwrap();
            let descriptor = go.types.get(ty).descriptor.unwrap();
            assert_eq!(go.types.get(ty).name, holds, "{variant}: {variable}");
            assert_eq!(go.described(itab), Some(ty), "{variant}: {variable}, its itab");
            assert_eq!(go.described(descriptor), Some(ty), "{variant}: {variable}, its type");
        }
        let eof = go.variable("io.EOF");
        assert!(eof.is_some(), "{variant}");
    });
}
