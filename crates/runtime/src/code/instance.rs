//! Values that methods of a generic type are called on, by the dictionaries that are passed along.

use mapscope_binary::FileVa;
use rustc_hash::FxHashSet;

use super::holds::Holds;
use super::place::PlaceId;
use super::sweep::Sweep;

/// What a method of a generic type was called on.
#[derive(Clone, Copy)]
pub(super) struct Instance {
    /// What says which types the generic one is made for: one for each instance of it.
    pub(super) dictionary: FileVa,
    /// The value, or what points to it.
    pub(super) place: PlaceId,
    pub(super) pointer: bool,
}

impl Sweep<'_, '_> {
    /// Since 1.24 a `sync.Map` is an instance of a generic type and nothing else (sync/map.go), and
    /// its methods, which only call the same of that type, are mostly inlined. What is passed with the
    /// dictionary that they pass is a `sync.Map` as well.
    pub(super) fn sync_maps(&mut self) {
        let Some(map) = self.go.types.listed("sync.Map") else { return };
        let pointer = Holds::Pointer(map);
        let instances = std::mem::take(&mut self.instances);
        let known = |one: &&Instance| one.pointer && self.told.contains_key(&(one.place, pointer));
        let own: FxHashSet<FileVa> = instances.iter().filter(known).map(|i| i.dictionary).collect();
        for one in instances.iter().filter(|one| own.contains(&one.dictionary)) {
            self.tell(one.place, if one.pointer { pointer } else { Holds::Value(map) });
        }
    }
}
