//! Type descriptors in memory that was tampered with.

use mapscope_runtime::Module;
use mapscope_runtime::evidence::Moduledata;
use mapscope_runtime::types::{Kind, TypeId, Types};
use mapscope_target::Memory;

use crate::{Fixture, Patch};

/// Types that are followed from one.
const TYPES: usize = 64;
/// No name that Go gives is longer, in bytes; three for each that is no UTF-8.
const NAME: usize = 3 << 20;

/// Reads the types of `fixture` after the changes that `input` states.
pub fn fuzz_types(fixture: &Fixture, input: &[u8]) {
    let Some(([which, how], patches)) = input.split_first_chunk::<2>() else { return };
    let mut memory = fixture.memory();
    Patch::apply(&mut memory, patches);
    memory.lends = how & 1 != 0;
    let layout = Moduledata::load(&fixture.layouts).expect("layouts");
    let modules = Module::all(&memory, &layout, fixture.facts.module).unwrap_or_default();
    assert!(modules.len() <= 1024);
    let types = table(&memory, fixture, modules.clone());
    if how & 2 != 0 {
        modules.iter().for_each(|module| types.walk_descriptors(module));
    }
    let (_, descriptor) = fixture.facts.maps[usize::from(*which) % fixture.facts.maps.len()];
    let id = types.of_descriptor(descriptor);
    assert_eq!(id, types.of_descriptor(descriptor));
    explore(&types, id);
    // In another order they are the same.
    let again = table(&memory, fixture, modules);
    let other = again.of_descriptor(descriptor);
    assert_eq!(types.get(id).name, again.get(other).name);
}

fn table<'m>(memory: &'m dyn Memory, fixture: &Fixture, modules: Vec<Module>) -> Types<'m> {
    Types::new(memory, None, &fixture.layouts, modules.into()).expect("layouts")
}

/// Reads a type and those it is made of.
pub(crate) fn explore(types: &Types<'_>, id: TypeId) {
    let (mut todo, mut seen) = (vec![id], Vec::new());
    while let Some(id) = todo.pop() {
        if seen.contains(&id) || seen.len() == TYPES {
            continue;
        }
        seen.push(id);
        let ty = types.get(id);
        assert!(ty.name.len() <= NAME);
        let _ = (types.special(id), types.leads_at(id), types.map(id), types.reaches_map(id));
        if let Some(descriptor) = ty.descriptor {
            let words = types.pointer_words(descriptor);
            assert!(words.is_none_or(|_| ty.size <= 512));
        }
        match &ty.kind {
            Kind::Pointer(to) | Kind::Slice(to) | Kind::Chan(to) | Kind::Array(to, _) => {
                todo.push(*to);
            }
            Kind::Map(map) => todo.extend([map.key, map.elem]),
            Kind::Struct(fields) => {
                for field in fields {
                    assert!(field.offset <= ty.size);
                    todo.push(field.ty);
                }
            }
            _ => {}
        }
    }
}
