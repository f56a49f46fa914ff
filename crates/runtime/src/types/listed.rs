//! The types that the modules list, and what can be found among them without DWARF.

use std::cell::OnceCell;
use std::hash::BuildHasher;
use std::rc::Rc;

use mapscope_target::{Addr, MemoryExt};
use rustc_hash::{FxBuildHasher, FxHashMap};

use super::{Kind, Type, TypeId, Types};
use crate::module::Module;

/// More links than this are damage.
const MAX_TYPELINKS: u64 = 1 << 22;

/// More types than this no program has: what more there seem to be is damage.
const MAX_TYPES: u32 = 1 << 22;

/// Types by the hash of the linker's name, those with a descriptor.
#[derive(Default)]
pub(super) struct ByName(OnceCell<FxHashMap<u64, TypeId>>);

fn hash(name: &str) -> u64 {
    FxBuildHasher.hash_one(name)
}

impl Types<'_> {
    /// Every map type with a descriptor: those that the modules list, and those met so far.
    pub(crate) fn maps(&self) -> Vec<TypeId> {
        self.meet_listed();
        self.ids().filter(|id| matches!(self.get(*id).kind, Kind::Map(_))).collect()
    }

    /// Meets every type that the modules list.
    pub(crate) fn meet_listed(&self) {
        for module in self.modules.iter() {
            self.walk_descriptors(module);
            self.meet_links(module);
        }
    }

    fn meet_links(&self, module: &Module) {
        let Some((first, count)) = module.typelinks else { return };
        let links = self.memory.bytes(first, count.saturating_mul(4), MAX_TYPELINKS * 4);
        let links = links.unwrap_or_else(|fault| {
            self.note(module.types.start, fault);
            Vec::new()
        });
        for link in links.as_chunks::<4>().0 {
            let offset = i64::from(i32::from_le_bytes(*link));
            if let Some(at) = module.types.start.0.checked_add_signed(offset) {
                self.of_descriptor(Addr(at));
            }
        }
    }

    /// The type with this linker's name among those that have a descriptor and that listed types
    /// lead to.
    pub(crate) fn listed(&self, name: &str) -> Option<TypeId> {
        let index = self.by_name.0.get_or_init(|| self.index());
        index.get(&hash(name)).copied().filter(|id| self.linker_name(*id).as_deref() == Some(name))
    }

    /// Every type met so far, and those that they are made of, which reading them meets.
    pub(crate) fn whole(&self) -> impl Iterator<Item = (TypeId, Rc<Type>)> {
        let met = (0..MAX_TYPES).map(TypeId).take_while(|id| id.index() < self.len());
        met.map(|id| (id, self.get(id)))
    }

    fn index(&self) -> FxHashMap<u64, TypeId> {
        self.meet_listed();
        let mut index = FxHashMap::default();
        for (id, ty) in self.whole() {
            let name = match ty.named {
                true => self.linker_name(id).map(|name| hash(&name)),
                false => ty.descriptor.map(|_| hash(&ty.name)),
            };
            if let Some(name) = name {
                index.entry(name).or_insert(id);
            }
        }
        index
    }

    /// `example.com/shop.Cart` for what `reflect` prints as `shop.Cart`.
    pub(crate) fn linker_name(&self, id: TypeId) -> Option<String> {
        let ty = self.get(id);
        if !ty.named {
            return ty.descriptor.map(|_| ty.name.clone());
        }
        let package = self.package(id);
        let (_, ident) = ty.name.split_once('.').unwrap_or(("", &ty.name));
        Some(package.map_or_else(|| ty.name.clone(), |package| format!("{package}.{ident}")))
    }
}
