//! Whether what is there can be a map of a type.

use std::ops::ControlFlow;

use mapscope_report::Value;
use mapscope_target::{Addr, MemoryExt};

use super::hashes::{Hashes, Met};
use crate::maps::{MapAt, entries};
use crate::types::{Kind, TypeId};
use crate::{Decoder, Go, Limits};

/// Why a map is not of the type that someone says it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The executable has no descriptor of such a map type, or it is no map type.
    #[error("it is no map type of which the executable has a descriptor")]
    NoMapType,
    /// Its buckets or groups would take another size.
    #[error("its arrays have another size than buckets or groups of that type take")]
    Arrays,
    /// Keys do not lie where the type's hash function puts them.
    #[error("{differ} of {keys} keys do not lie where the hash function of that type puts them")]
    Hashes {
        /// Keys that lie elsewhere.
        differ: u64,
        /// Keys whose hash was computed.
        keys: u64,
    },
    /// An entry cannot be one of that type.
    #[error("its entries cannot be keys and elems of that type")]
    Entries,
}

/// Why the map at `addr` cannot be of type `ty`, if it cannot.
pub fn misfit(go: &Go<'_>, addr: Addr, ty: TypeId) -> Option<Misfit> {
    let map = go.map_at(addr, Some(ty));
    if map.slots.is_none() {
        return Some(Misfit::NoMapType);
    }
    if !arrays_fit(go, &map) {
        return Some(Misfit::Arrays);
    }
    match Hashes::new(go).place(&map, ty, &mut Met::default()) {
        Some(placed) if !placed.is_sound() => {
            let keys = placed.agree.saturating_add(placed.differ);
            Some(Misfit::Hashes { differ: placed.differ, keys })
        }
        _ => (!decodes(go, &map, ty)).then_some(Misfit::Entries),
    }
}

/// Entries tried of each candidate.
const MAX_TRIED: u64 = 64;

/// Whether the map has as many entries as its header says, whose keys and elems all decode.
pub(super) fn decodes(go: &Go<'_>, at: &MapAt, ty: TypeId) -> bool {
    let Some(map) = go.types.map(ty) else { return false };
    let (Some(slots), Ok(len)) = (at.slots, go.shape.len(go.memory(), at.addr)) else {
        return false;
    };
    let decoder = Decoder::new(go, Limits { depth: 1, items: 8, string: 64 });
    let (mut seen, mut sound) = (0, true);
    let walked = go.shape.blocks(go.reader(), at, &mut |block| {
        for entry in entries(&block, &slots, go.memory()) {
            seen += 1;
            sound = entry.is_ok_and(|e| {
                is_value(go, &decoder, e.key, map.key) && is_value(go, &decoder, e.elem, map.elem)
            });
            if !sound || seen == MAX_TRIED {
                return ControlFlow::Break(());
            }
        }
        go.flow()
    });
    walked.is_ok() && sound && (seen == len || seen == MAX_TRIED)
}

/// Whether the arrays of the map are of the size that buckets or groups of this layout take:
/// neither too short, nor larger than spare buckets and a size class make them.
pub(super) fn arrays_fit(go: &Go<'_>, map: &MapAt) -> bool {
    let Some(slots) = map.slots else { return false };
    let Ok(arrays) = go.shape.arrays(go.reader(), map) else { return false };
    arrays.iter().filter(|array| array.count > 0 && array.blocks && !array.on_stack).all(|array| {
        let need = array.count.saturating_mul(slots.block_size);
        array.bytes == go.heap.rounded(need, !slots.pointer_free)
    })
}

/// Whether what is at `at` can be a value of type `ty`.
fn is_value(go: &Go<'_>, decoder: &Decoder<'_, '_>, at: Addr, ty: TypeId) -> bool {
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
