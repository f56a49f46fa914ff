//! What the fuzz targets share.

mod allocator;
mod facts;
mod fixture;
mod literals;
mod maps;
mod parts;
mod patch;
mod process;
mod program;
mod types;

pub use facts::Facts;
pub use fixture::{Fixture, Sparse};
pub use literals::Literals;
pub use maps::fuzz_map;
pub use parts::Parts;
pub use patch::Patch;
pub use process::Process;
pub use program::Program;
pub use types::fuzz_types;

use mapscope_runtime::Module;
use mapscope_runtime::evidence::{Moduledata, Source};
use mapscope_runtime::heap::{Heap, SizeClasses};
use mapscope_runtime::types::Types;
use mapscope_target::Memory;

/// Reads every map of `facts` in every way there is, and the types of each.
///
/// # Panics
///
/// One of them cannot be read, or reads in a way that is no map's.
pub fn read_everything(memory: &dyn Memory, source: &dyn Source, facts: &Facts) {
    let modules = Module::all(memory, &Moduledata::load(source).unwrap(), facts.module).unwrap();
    let types = Types::new(memory, None, source, modules.into()).unwrap();
    let heap = Heap::new(memory, source, facts.mheap, SizeClasses::default()).unwrap();
    let shape = mapscope_runtime::maps::shape(source).unwrap();
    for (addr, descriptor) in &facts.maps {
        let id = types.of_descriptor(*descriptor);
        types::explore(&types, id);
        let slots = types.map(id).and_then(|map| map.slots);
        assert!(slots.is_some(), "no slots: {:?}", types.get(id));
        let count = maps::read(&*shape, memory, &heap, *addr, slots);
        assert_eq!(Some(count), shape.len(memory, *addr).ok(), "{}", types.get(id).name);
    }
}
