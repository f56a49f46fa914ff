//! The type of a map that no static type names.
//!
//! The allocator keeps the type of large arrays: that is proof. Where it keeps none, the map types
//! in question are tried one by one: the array must be of the size class of their buckets or
//! groups, its pointer bits must be theirs, and every key and elem must decode. Where one is left,
//! the map is typed by elimination, which is likely, not proven.

use std::cell::OnceCell;
use std::ops::{ControlFlow, Range};

use mapscope_report::Value;
use mapscope_target::{Addr, MemoryExt};
use rustc_hash::FxHashMap;

use super::TypedBy;
use crate::maps::{Damage, MapAt, entries};
use crate::types::{Kind, SlotLayout, TypeId, spelt};
use crate::{Decoder, Go, Limits};

/// Every map type that has a descriptor.
#[derive(Default)]
pub(super) struct MapTypes {
    all: OnceCell<All>,
}

struct All {
    types: Vec<TypeId>,
    by_descriptor: FxHashMap<Addr, TypeId>,
    by_storage: FxHashMap<Addr, Vec<TypeId>>,
}

/// Entries tried of each candidate.
const MAX_TRIED: u64 = 64;

impl MapTypes {
    fn all(&self, go: &Go<'_>) -> &All {
        self.all.get_or_init(|| collect(go))
    }

    /// The map type whose descriptor is at `at`, if that is one that the module lists.
    pub(super) fn described(&self, go: &Go<'_>, at: Addr) -> Option<TypeId> {
        self.all(go).by_descriptor.get(&at).copied()
    }

    /// The type of the map at `addr`, whose first array is at `array`. `None` where no map type of
    /// the binary fits what is there, so that it is no map.
    pub(super) fn of(&self, go: &Go<'_>, addr: Addr, array: Option<Addr>) -> Option<Typing> {
        let Some(array) = array else { return Some(UNKNOWN) };
        let all = self.all(go);
        if let Some(storage) = go.heap.type_word(array) {
            return match all.by_storage.get(&storage)?.as_slice() {
                [one] => Some((Some(*one), TypedBy::Array)),
                several => only(several.iter().copied().filter(|ty| fits(go, addr, *ty))),
            };
        }
        let bits = go.heap.pointer_words(array);
        let noscan = go.heap.span_of(array).map(|span| span.noscan);
        only(all.types.iter().copied().filter(|ty| {
            let slots = go.types.map(*ty).and_then(|map| map.slots);
            slots.is_some_and(|s| {
                noscan.is_none_or(|noscan| s.pointer_free == noscan)
                    && bits.is_none_or(|bits| begins_with_block(go, bits, *ty, s.block_size))
            }) && fits(go, addr, *ty)
        }))
    }
}

/// A type, and how it is known.
pub(super) type Typing = (Option<TypeId>, TypedBy);

/// No type is known.
pub(super) const UNKNOWN: Typing = (None, TypedBy::Nothing);

/// The one type that is left, if it is one; `None` where none is.
pub(super) fn only(mut left: impl Iterator<Item = TypeId>) -> Option<Typing> {
    match (left.next(), left.next()) {
        (None, _) => None,
        (Some(one), None) => Some((Some(one), TypedBy::Elimination)),
        (Some(_), Some(_)) => Some(UNKNOWN),
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
    if !array_fits(go, &at, &slots) {
        return false;
    }
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

/// Whether the first array of the map is of the size that buckets or groups of this layout take:
/// neither too short, nor larger than spare buckets and a size class make it.
fn array_fits(go: &Go<'_>, map: &MapAt, slots: &SlotLayout) -> bool {
    let Ok(arrays) = go.shape.arrays(go.reader(), map) else { return false };
    arrays.iter().filter(|array| array.count > 0 && array.blocks && !array.on_stack).all(|array| {
        let need = array.count.saturating_mul(slots.block_size);
        array.bytes == go.heap.rounded(need, !slots.pointer_free)
    })
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
    let types = go.types.maps();
    let described = |id: &TypeId| Some((go.types.get(*id).descriptor?, *id));
    let by_descriptor = types.iter().filter_map(described).collect();
    for id in &types {
        if let Some(storage) = go.types.map(*id).and_then(|map| map.storage) {
            by_storage.entry(storage).or_default().push(*id);
        }
    }
    All { types, by_descriptor, by_storage }
}

/// Whether an array of at most 512 bytes, in which these words hold pointers, can begin with a
/// bucket or group of this map type, by the GC data of its descriptor.
fn begins_with_block(go: &Go<'_>, bits: u64, ty: TypeId, block_size: u64) -> bool {
    let storage = go.types.map(ty).and_then(|map| map.storage);
    let own = storage.and_then(|storage| go.types.pointer_words(storage));
    let block = 1u64.checked_shl((block_size / 8) as u32).unwrap_or(0).wrapping_sub(1);
    own.is_none_or(|own| own == bits & block)
}

impl Go<'_> {
    /// The type that a programmer writes as `written`: by DWARF, else among those that the modules
    /// list and those met so far.
    pub fn type_named(&self, written: &str) -> Option<TypeId> {
        let name = spelt(written);
        let known = self.types.named(written).or_else(|| self.types.named(&name));
        known.or_else(|| {
            self.types.meet_listed();
            let mut ids = self.types.ids();
            ids.find(|id| self.types.get(*id).name == name)
        })
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
