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
    /// Where in a key its first pointer is.
    pub(super) leads_at: Option<u64>,
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
        let (key, elem, leads_at) = match &go.types.get(ty).kind {
            Kind::Map(map) => (part(map.key), part(map.elem), go.types.leads_at(map.key)),
            _ => Default::default(),
        };
        Contents { hasher: Hasher::of(go, ty), key, elem, leads_at }
    }

    /// Why hashes cannot be computed, if they cannot.
    pub(super) fn unhashed(&self) -> Option<&NoHasher> {
        self.hasher.as_ref().err()
    }
}
