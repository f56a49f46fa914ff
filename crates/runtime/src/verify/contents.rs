//! What the maps of one type hold.

use super::pointees::{Pointee, pointees};
use crate::Go;
use crate::hash::{Hasher, NoHasher};
use crate::types::{Kind, TypeId};

/// What the maps of one type hold, as far as it can be checked.
pub(crate) struct Contents<'g, 'a> {
    pub(super) hasher: Result<Hasher<'g, 'a>, NoHasher>,
    pub(super) key: Part,
    pub(super) elem: Part,
}

/// Keys or elems.
#[derive(Default)]
pub(super) struct Part {
    pub(super) size: u64,
    pub(super) pointees: Vec<Pointee>,
}

impl<'g, 'a> Contents<'g, 'a> {
    pub(super) fn of(go: &'g Go<'a>, ty: TypeId) -> Contents<'g, 'a> {
        let part = |id| Part { size: go.types.get(id).size, pointees: pointees(&go.types, id) };
        let (key, elem) = match &go.types.get(ty).kind {
            Kind::Map(map) => (part(map.key), part(map.elem)),
            _ => Default::default(),
        };
        Contents { hasher: Hasher::of(go, ty), key, elem }
    }

    /// Why hashes cannot be computed, if they cannot.
    pub(super) fn unhashed(&self) -> Option<&NoHasher> {
        self.hasher.as_ref().err()
    }
}
