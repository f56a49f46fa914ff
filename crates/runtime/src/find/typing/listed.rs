//! Every map type that has a descriptor.

use mapscope_target::Addr;
use rustc_hash::FxHashMap;

use crate::Go;
use crate::types::{SlotLayout, TypeId};

/// Every map type that has a descriptor.
pub(super) struct Listed {
    pub(super) types: Vec<ListedMap>,
    pub(super) by_descriptor: FxHashMap<Addr, TypeId>,
    pub(super) by_storage: FxHashMap<Addr, Vec<TypeId>>,
}

/// One of them, with what its arrays look like to the allocator.
pub(super) struct ListedMap {
    pub(super) ty: TypeId,
    pub(super) slots: SlotLayout,
    /// Which words of a bucket or group hold pointers, by the GC data of its descriptor.
    bits: Option<u64>,
}

impl ListedMap {
    /// Whether an array in whose first 512 bytes these words hold pointers can begin with a bucket
    /// or group of this type.
    pub(super) fn can_begin(&self, bits: u64) -> bool {
        let words = (self.slots.block_size / 8) as u32;
        let block = 1u64.checked_shl(words).unwrap_or(0).wrapping_sub(1);
        self.bits.is_none_or(|own| own == bits & block)
    }
}

/// Whether a type is one that stands for all of a shape, in code that instances of generics share.
/// No map is made of one: the code is passed the real type (`go.shape`, cmd/compile/internal/types).
pub(crate) fn is_shape(name: &str) -> bool {
    name.contains("go.shape.")
}

impl Listed {
    /// Those that the modules list, and of those with a name that no listed type leads to the ones that
    /// DWARF has, or without it the ones that the code uses. All of them, whatever was met before: what a
    /// map may be must not depend on what was asked first.
    pub(super) fn collect(go: &Go<'_>) -> Listed {
        match &go.image.debug {
            Some(debug) => {
                for ty in debug.maps() {
                    go.types.of_debug(ty);
                }
            }
            // Reading the code meets them.
            None => {
                go.code();
            }
        }
        let mut types = go.types.maps();
        types.retain(|ty| !is_shape(&go.types.get(*ty).name));
        let described = |id: &TypeId| Some((go.types.get(*id).descriptor?, *id));
        let by_descriptor = types.iter().filter_map(described).collect();
        let mut by_storage: FxHashMap<Addr, Vec<TypeId>> = FxHashMap::default();
        let mut listed = Vec::new();
        for ty in types {
            let Some(map) = go.types.map(ty) else { continue };
            if let Some(storage) = map.storage {
                by_storage.entry(storage).or_default().push(ty);
            }
            if let Some(slots) = map.slots {
                let bits = map.storage.and_then(|storage| go.types.pointer_words(storage));
                listed.push(ListedMap { ty, slots, bits });
            }
        }
        Listed { types: listed, by_descriptor, by_storage }
    }
}
