//! Types of the standard library that hide what they hold behind an `unsafe.Pointer`.

use std::cell::RefCell;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::{Field, Kind, TypeId, Types};

/// Answers already found, by type.
#[derive(Default)]
pub(super) struct Memo(RefCell<FxHashMap<TypeId, Option<Rc<Special>>>>);

impl Memo {
    pub(super) fn forget(&self) {
        self.0.borrow_mut().clear();
    }
}

/// What a struct hides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Special {
    /// `atomic.Pointer[T]` (since 1.19): `_ [0]*T` tells the type of `v unsafe.Pointer`.
    /// Also `sync.entry` of 1.19, whose `p unsafe.Pointer` is an `*any`.
    Pointer {
        /// Where the pointer is.
        offset: u64,
        /// What it points to.
        to: TypeId,
    },
    /// `sync.Map`, in both its forms.
    SyncMap,
    /// `sync.Pool`: `local` and `victim` point to arrays of `poolLocal`, one a P.
    Pool {
        /// Offsets of the pointer and of the length, for `local` and for `victim`.
        arrays: [(u64, u64); 2],
        /// `sync.poolLocal`.
        local: TypeId,
    },
    /// `sync.eface`: two words that are an interface.
    Eface,
}

impl Special {
    pub(super) fn reaches_map(&self) -> bool {
        matches!(self, Special::SyncMap | Special::Pool { .. } | Special::Eface)
    }

    pub(super) fn leads_to(&self) -> Option<TypeId> {
        match self {
            Special::Pointer { to, .. } | Special::Pool { local: to, .. } => Some(*to),
            Special::SyncMap | Special::Eface => None,
        }
    }
}

impl Types<'_> {
    /// What the struct `id` hides, if it is one of those.
    pub fn special(&self, id: TypeId) -> Option<Rc<Special>> {
        if let Some(known) = self.special.0.borrow().get(&id) {
            return known.clone();
        }
        let found = self.find_special(id).map(Rc::new);
        self.special.0.borrow_mut().insert(id, found.clone());
        found
    }

    fn find_special(&self, id: TypeId) -> Option<Special> {
        let ty = self.get(id);
        let Kind::Struct(fields) = &ty.kind else { return None };
        match ty.name.as_str() {
            "sync.Map" => Some(Special::SyncMap),
            "sync.Pool" => self.pool(fields),
            "sync.eface" => Some(Special::Eface),
            "sync.entry" => self.any_pointer(fields),
            _ => self.atomic_pointer(fields),
        }
    }

    fn atomic_pointer(&self, fields: &[Field]) -> Option<Special> {
        let Kind::Array(pointer, 0) = self.get(fields.first()?.ty).kind else { return None };
        let Kind::Pointer(to) = self.get(pointer).kind else { return None };
        let v = fields.iter().find(|f| f.name == "v")?;
        match self.get(v.ty).kind {
            Kind::UnsafePointer => Some(Special::Pointer { offset: v.offset, to }),
            _ => None,
        }
    }

    fn any_pointer(&self, fields: &[Field]) -> Option<Special> {
        let p = fields.iter().find(|f| f.name == "p")?;
        match self.get(p.ty).kind {
            Kind::UnsafePointer => Some(Special::Pointer { offset: p.offset, to: self.any()? }),
            _ => None,
        }
    }

    fn pool(&self, fields: &[Field]) -> Option<Special> {
        let at = |name: &str| fields.iter().find(|f| f.name == name).map(|f| f.offset);
        Some(Special::Pool {
            arrays: [(at("local")?, at("localSize")?), (at("victim")?, at("victimSize")?)],
            local: self.named("sync.poolLocal")?,
        })
    }
}
