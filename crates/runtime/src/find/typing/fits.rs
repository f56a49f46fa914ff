//! Whether what is there can be a map of a type.

use mapscope_report::Value;
use mapscope_target::{Addr, MemoryExt};

use super::hashes::Hashes;
use super::subject::Subject;
use crate::types::{Kind, TypeId};
use crate::{Decoder, Go, Limits};

/// Whether something can be of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::find) enum Fit {
    /// All that was looked at agrees.
    Yes,
    /// Something contradicts it.
    No,
    /// Nothing contradicts it, but not all that was looked for could be read.
    Open,
}

impl Fit {
    /// What came of a trial of which some reads were lost.
    pub(in crate::find) fn of(agrees: bool, lost: usize) -> Fit {
        match (agrees, lost) {
            (_, 1..) => Fit::Open,
            (true, 0) => Fit::Yes,
            (false, 0) => Fit::No,
        }
    }

    /// Of both together.
    pub(super) fn and(self, other: impl FnOnce() -> Fit) -> Fit {
        match self {
            Fit::No => Fit::No,
            Fit::Yes => other(),
            Fit::Open if other() == Fit::No => Fit::No,
            Fit::Open => Fit::Open,
        }
    }
}

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
    let (map, mut subject) = (go.map_at(addr, Some(ty)), Subject::new(addr));
    if map.slots.is_none() {
        return Some(Misfit::NoMapType);
    }
    if subject.arrays_fit(go, &map) == Fit::No {
        return Some(Misfit::Arrays);
    }
    match Hashes::new(go).place(&map, ty, &mut subject) {
        Some(placed) if !placed.is_sound() => {
            let keys = placed.agree.saturating_add(placed.differ);
            Some(Misfit::Hashes { differ: placed.differ, keys })
        }
        _ => (subject.decodes(go, &map, ty, false) == Fit::No).then_some(Misfit::Entries),
    }
}

/// Whether what is at each of these places can be a value of type `ty`, and how many reads that
/// would tell were lost.
pub(super) fn are_values(
    go: &Go<'_>,
    places: impl Iterator<Item = Addr>,
    ty: TypeId,
) -> (Fit, usize) {
    let decoder = Decoder::new(go, Limits { depth: 1, items: 8, string: 64 });
    let is_bool = go.types.get(ty).kind == Kind::Bool;
    let mut all = 0;
    for at in places {
        let (can_be, lost) = go.apart(|| {
            let no_bool = is_bool && go.memory().u8(at).is_ok_and(|byte| byte > 1);
            !no_bool && plausible(&decoder.at(at, ty))
        });
        if Fit::of(can_be, lost) == Fit::No {
            return (Fit::No, all);
        }
        all += lost;
    }
    (Fit::of(true, all), all)
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
