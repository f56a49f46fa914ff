//! The type of a map that no static type names.
//!
//! The allocator keeps the type of large arrays: that is proof. Where it keeps none, the map types
//! in question are tried one by one: the array must be of the size class of their buckets or
//! groups, its pointer bits must be theirs, and every key and elem must decode. Where one is left,
//! the map is typed by elimination, which is likely, not proven.

use std::cell::OnceCell;
use std::ops::{ControlFlow, Range};
use std::rc::Rc;

use mapscope_report::Value;
use mapscope_target::{Addr, MemoryExt};
use rustc_hash::FxHashMap;

use super::TypedBy;
use crate::maps::{Damage, entries};
use crate::types::{Kind, MapType, TypeId};
use crate::{Decoder, Go, Limits};

/// Every map type that has a descriptor.
#[derive(Default)]
pub(super) struct MapTypes {
    all: OnceCell<All>,
}

struct All {
    by_storage: FxHashMap<Addr, Vec<TypeId>>,
    /// By the size class of one bucket or group.
    by_size: FxHashMap<u64, Rc<[TypeId]>>,
}

/// Entries tried of each candidate.
const MAX_TRIED: u64 = 64;

impl MapTypes {
    /// The type of the map at `addr`, whose first array is at `array`.
    pub(super) fn of(
        &self,
        go: &Go<'_>,
        addr: Addr,
        array: Option<Addr>,
    ) -> (Option<TypeId>, TypedBy) {
        let Some(array) = array else { return (None, TypedBy::Nothing) };
        let all = self.all.get_or_init(|| collect(go));
        if let Some(storage) = go.heap.type_word(array) {
            return match all.by_storage.get(&storage).map(Vec::as_slice) {
                Some([one]) => (Some(*one), TypedBy::Array),
                Some(several) => only(several.iter().copied().filter(|ty| fits(go, addr, *ty))),
                None => (None, TypedBy::Nothing),
            };
        }
        let Some(size) = go.heap.allocated(array) else { return (None, TypedBy::Nothing) };
        let candidates = all.by_size.get(&size).map_or(&[][..], |list| list);
        let bits = go.heap.pointer_words(array);
        let fitting = candidates.iter().copied().filter(|ty| {
            bits.is_none_or(|bits| pointer_words(go, *ty).is_none_or(|own| own == bits))
                && fits(go, addr, *ty)
        });
        only(fitting)
    }
}

/// The one type that is left, if it is one.
pub(super) fn only(mut left: impl Iterator<Item = TypeId>) -> (Option<TypeId>, TypedBy) {
    match (left.next(), left.next()) {
        (Some(one), None) => (Some(one), TypedBy::Elimination),
        _ => (None, TypedBy::Nothing),
    }
}

/// Whether the map at `addr` can be one of type `ty`: as many entries as its header says, whose
/// keys and elems all decode.
pub(super) fn fits(go: &Go<'_>, addr: Addr, ty: TypeId) -> bool {
    let Some(map) = go.types.map(ty) else { return false };
    let at = go.map_at(addr, Some(ty));
    let (Some(slots), Ok(len)) = (at.slots, go.shape.len(go.memory(), addr)) else { return false };
    let decoder = Decoder::new(go, Limits { depth: 1, items: 8, string: 64 });
    let (mut seen, mut sound) = (0, true);
    let walked = go.shape.blocks(go.reader(), &at, &mut |block| {
        for entry in entries(&block, &slots, go.memory()) {
            seen += 1;
            sound = entry.is_ok_and(|e| {
                decodes(go, &decoder, e.key, map.key) && decodes(go, &decoder, e.elem, map.elem)
            });
            if !sound || seen == MAX_TRIED {
                return ControlFlow::Break(());
            }
        }
        go.flow()
    });
    walked.is_ok() && sound && (seen == len || seen == MAX_TRIED)
}

/// Whether what is at `at` can be a value of type `ty`.
fn decodes(go: &Go<'_>, decoder: &Decoder<'_, '_>, at: Addr, ty: TypeId) -> bool {
    if go.types.get(ty).kind == Kind::Bool && go.memory().u8(at).is_ok_and(|byte| byte > 1) {
        return false;
    }
    plausible(&decoder.at(at, ty))
}

fn plausible(value: &Value<'_>) -> bool {
    match value {
        Value::Unreadable(_) => false,
        Value::Str { len, .. } | Value::Bytes { len, .. } => *len < 1 << 40,
        Value::Seq { items, len, cap } => {
            cap.is_none_or(|cap| *len <= cap) && items.iter().all(plausible)
        }
        Value::Struct { fields, .. } => fields.iter().all(|(_, value)| plausible(value)),
        Value::Pointer { to: Some(to), .. } => plausible(to),
        Value::Interface { value, .. } => plausible(value),
        _ => true,
    }
}

fn collect(go: &Go<'_>) -> All {
    let mut by_storage: FxHashMap<Addr, Vec<TypeId>> = FxHashMap::default();
    let mut by_size: FxHashMap<u64, Vec<TypeId>> = FxHashMap::default();
    for id in go.map_types() {
        let Some(MapType { slots, storage, .. }) = go.types.map(id) else { continue };
        if let Some(storage) = storage {
            by_storage.entry(storage).or_default().push(id);
        }
        if let Some(slots) = slots {
            let size = go.heap.rounded(slots.block_size, !slots.pointer_free);
            by_size.entry(size).or_default().push(id);
        }
    }
    let by_size = by_size.into_iter().map(|(size, list)| (size, list.into())).collect();
    All { by_storage, by_size }
}

/// Which words of one bucket or group of this map type hold pointers, for those of at most 512
/// bytes, from the GC data of its descriptor.
fn pointer_words(go: &Go<'_>, ty: TypeId) -> Option<u64> {
    go.types.pointer_words(go.types.map(ty)?.storage?)
}

/// More links than this are damage.
const MAX_TYPELINKS: u64 = 1 << 22;

impl Go<'_> {
    /// Every map type with a descriptor: those that the module lists, and those met so far.
    fn map_types(&self) -> Vec<TypeId> {
        for module in self.modules.iter() {
            self.types.walk_descriptors(module);
            let Some((first, count)) = module.typelinks else { continue };
            let links = self.memory().bytes(first, count.saturating_mul(4), MAX_TYPELINKS * 4);
            for link in links.unwrap_or_default().as_chunks::<4>().0 {
                let offset = i64::from(i32::from_le_bytes(*link));
                if let Some(at) = module.types.start.0.checked_add_signed(offset) {
                    self.types.of_descriptor(Addr(at));
                }
            }
        }
        self.types.ids().filter(|id| matches!(self.types.get(*id).kind, Kind::Map(_))).collect()
    }

    /// The first array of the map whose header is at `addr`, if what is there is a map.
    pub(super) fn proven(
        &self,
        addr: Addr,
        stack: Option<&Range<Addr>>,
    ) -> Result<Option<Addr>, Damage> {
        let size = self.shape.header_size();
        let header = self.memory().bytes(addr, size, size)?;
        self.shape.prove(self.reader(), &header, addr, stack)
    }

    /// The first array of the map whose header would be the heap object at `addr`: one of the
    /// right size, in use, with pointers where a header has them, that obeys the invariants.
    pub(super) fn proven_in_heap(&self, addr: Addr) -> Option<Option<Addr>> {
        let object = self.heap.object(addr)?;
        let size = self.heap.rounded(self.shape.header_size(), true);
        let right = object.base == addr && object.size == size && object.in_use;
        let bits = self.heap.pointer_words(addr)?;
        match right && bits == self.shape.pointer_words() {
            true => self.proven(addr, None).ok(),
            false => None,
        }
    }
}
