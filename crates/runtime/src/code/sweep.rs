//! What one pass over the code of every function notes.

use mapscope_binary::FileVa;
use rustc_hash::{FxHashMap, FxHashSet};

use super::callee::Callees;
use super::flows::Flows;
use super::holds::Holds;
use super::instance::Instance;
use super::place::{PlaceId, Places};
use super::recent::Recent;
use crate::Go;
use crate::find::is_shape;
use crate::types::TypeId;

/// The pass under way, and what it has noted.
pub(super) struct Sweep<'g, 'a> {
    pub(super) go: &'g Go<'a>,
    pub(super) callees: Callees,
    pub(super) places: Places,
    /// What the code says of places, and how often.
    pub(super) told: FxHashMap<(PlaceId, Holds), u32>,
    /// Receivers of methods that are maps.
    pub(super) declared: FxHashMap<PlaceId, TypeId>,
    /// Arguments that are what interfaces hold: values of several types.
    pub(super) mixed: FxHashSet<PlaceId>,
    /// Values go from one place to the other.
    pub(super) flows: Flows,
    /// The second place holds the address of the first.
    pub(super) points: Flows,
    /// Which arguments and results are read: others are what registers happened to hold.
    pub(super) read: Vec<bool>,
    pub(super) closures: FxHashMap<FileVa, TypeId>,
    /// Calls of map operations that take a map of this type.
    pub(super) map_uses: FxHashMap<TypeId, u32>,
    types: FxHashMap<FileVa, Option<TypeId>>,
    /// Those of `types` that were asked for last.
    recent: Recent<FileVa, Option<TypeId>>,
    words: Recent<(TypeId, u64), Option<Holds>>,
    data_words: Recent<TypeId, Option<Holds>>,
    /// Places where the type word of an interface was stored.
    pub(super) type_words: FxHashMap<PlaceId, TypeId>,
    pub(super) instances: Vec<Instance>,
}

impl<'g, 'a> Sweep<'g, 'a> {
    /// A pass over the code of `go`'s executable; `None` where no table tells its functions.
    pub(super) fn new(go: &'g Go<'a>) -> Option<Sweep<'g, 'a>> {
        let table = go.pclntab()?;
        let callees = Callees::of(table);
        let places = Places::of(callees.len());
        Some(Sweep {
            go,
            read: vec![false; places.registers()],
            callees,
            places,
            told: FxHashMap::default(),
            declared: FxHashMap::default(),
            mixed: FxHashSet::default(),
            flows: Flows::default(),
            points: Flows::default(),
            closures: FxHashMap::default(),
            map_uses: FxHashMap::default(),
            types: FxHashMap::default(),
            recent: Recent::default(),
            words: Recent::default(),
            data_words: Recent::default(),
            type_words: FxHashMap::default(),
            instances: Vec::new(),
        })
    }

    pub(super) fn tell(&mut self, place: PlaceId, holds: Holds) {
        *self.told.entry((place, holds)).or_default() += 1;
    }

    /// The code reads what is at `place`.
    pub(super) fn read(&mut self, place: PlaceId) {
        if let Some(read) = self.read.get_mut(place.index()) {
            *read = true;
        }
    }

    /// Whether something lies at `place` that is meant to: whatever is not in a register.
    pub(super) fn is_real(&self, place: PlaceId) -> bool {
        self.read.get(place.index()).is_none_or(|read| *read)
    }

    /// What the word `offset` bytes into a value of type `ty` holds.
    pub(super) fn word(&mut self, ty: TypeId, offset: u64) -> Option<Holds> {
        let types = &self.go.types;
        let number = (ty.index() as u64) << 32 ^ offset;
        self.words.get_or((ty, offset), number, || Holds::word(types, ty, offset, 0))
    }

    /// What the second word of an interface holds whose value is of type `ty`.
    pub(super) fn data_word(&mut self, ty: TypeId) -> Option<Holds> {
        let types = &self.go.types;
        self.data_words.get_or(ty, ty.index() as u64, || match types.get(ty).direct {
            true => Holds::first_word(types, ty),
            false => Some(Holds::Pointer(ty)),
        })
    }

    /// The type whose descriptor lies at `va`, or that the `itab` there is of.
    pub(super) fn type_at(&mut self, va: FileVa) -> Option<TypeId> {
        let (go, types) = (self.go, &mut self.types);
        let read = || {
            let id = go.described(go.addr_of(va))?;
            // Generic code is compiled for a shape, and no value is of such a type. Until 1.19 it has
            // descriptors of them.
            (!is_shape(&go.types.get(id).name)).then_some(id)
        };
        self.recent.get_or(va, va.0, || *types.entry(va).or_insert_with(read))
    }
}
