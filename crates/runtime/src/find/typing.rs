//! The type of a map that no static type names.

use std::cell::OnceCell;

use mapscope_target::{Addr, MemoryExt};
use rustc_hash::FxHashMap;

use super::TypedBy;
use crate::Go;
use crate::types::{Kind, TypeId};

/// Every map type that has a descriptor, found by the type of its buckets or groups.
#[derive(Default)]
pub(super) struct MapTypes {
    by_storage: OnceCell<FxHashMap<Addr, Vec<TypeId>>>,
}

impl MapTypes {
    /// The type of a map whose first array is `array`: by the type word that the allocator keeps
    /// for it, where one map type of the binary has such buckets or groups.
    pub(super) fn of_array(&self, go: &Go<'_>, array: Option<Addr>) -> (Option<TypeId>, TypedBy) {
        let by_storage = self.by_storage.get_or_init(|| collect(go));
        let storage = array.and_then(|array| go.heap.type_word(array));
        match storage.and_then(|s| by_storage.get(&s)).map(Vec::as_slice) {
            Some([one]) => (Some(*one), TypedBy::Array),
            _ => (None, TypedBy::Nothing),
        }
    }
}

fn collect(go: &Go<'_>) -> FxHashMap<Addr, Vec<TypeId>> {
    let mut by_storage: FxHashMap<Addr, Vec<TypeId>> = FxHashMap::default();
    for id in go.map_types() {
        if let Kind::Map(map) = &go.types.get(id).kind {
            if let Some(storage) = map.storage {
                by_storage.entry(storage).or_default().push(id);
            }
        }
    }
    by_storage
}

/// More links than this are damage.
const MAX_TYPELINKS: u64 = 1 << 22;

impl Go<'_> {
    /// Every map type with a descriptor: those that the module lists, and those met so far.
    pub(super) fn map_types(&self) -> Vec<TypeId> {
        for module in self.modules.iter() {
            let Some((first, count)) = module.typelinks else { continue };
            let links = self.memory().bytes(first, count.saturating_mul(4), MAX_TYPELINKS * 4);
            for link in links.unwrap_or_default().as_chunks::<4>().0 {
                let offset = i64::from(i32::from_le_bytes(*link));
                if let Some(at) = module.types.start.0.checked_add_signed(offset) {
                    self.types.of_descriptor(Addr(at));
                }
            }
        }
        for module in self.modules.iter() {
            self.types.walk_descriptors(module);
        }
        self.types.ids().filter(|id| matches!(self.types.get(*id).kind, Kind::Map(_))).collect()
    }
}
