//! One map under verification, and the rules that both implementations share.

use mapscope_target::{Addr, MemoryExt};

use super::judge::{Judge, Side};
use super::pointees::Wrong;
use super::{Outcome, Place, Rule, rule};
use crate::hash::NoHash;
use crate::heap::Ground;
use crate::maps::{MapAt, Reader};
use crate::types::SlotLayout;
use crate::value::word;

/// One map under verification.
pub struct Site<'s> {
    pub(crate) judge: &'s dyn Judge,
    pub(crate) reader: Reader<'s>,
    pub(crate) map: MapAt,
}

/// An array that a map points to.
pub(crate) struct Expected {
    pub(crate) what: &'static str,
    pub(crate) at: Addr,
    /// Bytes it must have.
    pub(crate) bytes: u64,
    /// It may lie on a stack.
    pub(crate) on_stack: bool,
}

/// A bucket or group whose entries are checked.
#[derive(Clone, Copy)]
pub(crate) struct Slots<'b> {
    pub(crate) at: Addr,
    pub(crate) bytes: &'b [u8],
    pub(crate) layout: &'b SlotLayout,
    pub(crate) place: Place,
}

/// Largest key or elem that is read from behind a pointer, in bytes.
const MAX_INDIRECT: u64 = 1 << 20;

impl Site<'_> {
    /// Whether an array is an object of its own in the heap, in use, and long enough.
    pub(crate) fn array(&self, expected: &Expected, place: Place, out: &mut Outcome) -> bool {
        let Expected { what, at, bytes, on_stack } = *expected;
        let (rule, detail) = match self.judge.ground(at) {
            Ground::Manual if on_stack => return true,
            Ground::Object { in_use: false, .. } => {
                (rule::ARRAY_FREED, format!("{what} at {at} is a freed object"))
            }
            Ground::Free => (rule::ARRAY_FREED, format!("{what} at {at} is free memory")),
            Ground::Object { value, .. } if value != at => {
                let detail = format!("{what} at {at} is in the object that begins at {value}");
                (rule::ARRAY_INSIDE, detail)
            }
            Ground::Object { size, .. } if size < bytes => {
                let detail = format!("{what} at {at} has {size} bytes, {bytes} are needed");
                (rule::ARRAY_SHORT, detail)
            }
            Ground::Object { .. } => return true,
            Ground::Manual | Ground::Outside => {
                (rule::ARRAY_FOREIGN, format!("{what} at {at} is no heap object"))
            }
        };
        out.cut = true;
        out.found(rule, place, at, detail);
        false
    }

    /// Checks one entry, and hands on its key where that is sound.
    pub(crate) fn entry(
        &self,
        slots: &Slots<'_>,
        slot: usize,
        out: &mut Outcome,
        key: impl FnOnce(&[u8]),
    ) {
        out.entries += 1;
        self.side(slots, slot, Side::Elem, out, |_| ());
        self.side(slots, slot, Side::Key, out, key);
    }

    /// The hash of a key; `None` where it has none.
    pub(super) fn hash(
        &self,
        key: &[u8],
        seed: u64,
        place: impl FnOnce() -> (Place, Addr),
        out: &mut Outcome,
    ) -> Option<u64> {
        match self.judge.hash(key, seed)? {
            Ok(hash) => {
                out.hashed += 1;
                return Some(hash);
            }
            Err(NoHash::Random) => out.random += 1,
            Err(NoHash::Unhashable(ty)) => {
                let (place, at) = place();
                out.found(rule::UNHASHABLE, place, at, format!("the key is of type {ty}"));
            }
            Err(NoHash::Fault(fault)) => out.fault("a key", fault),
        }
        None
    }

    /// Checks a key or elem, and hands it on where it is sound.
    fn side(
        &self,
        slots: &Slots<'_>,
        slot: usize,
        side: Side,
        out: &mut Outcome,
        then: impl FnOnce(&[u8]),
    ) {
        let at = place(slots, slot, side);
        let offset = (at.0.wrapping_sub(slots.at.0)) as usize;
        let (size, tail) = (self.judge.size(side), slots.bytes.get(offset..).unwrap_or(&[]));
        let (torn, pointer, indirect) = match side {
            Side::Key => (rule::KEY_TORN, rule::KEY_POINTER, slots.layout.indirect_key),
            Side::Elem => (rule::ELEM_TORN, rule::ELEM_POINTER, slots.layout.indirect_elem),
        };
        let here = slots.place.slot(slot);
        let behind;
        let value = if indirect {
            let target = Addr(word(tail, 0));
            if let Some(detail) = self.misplaced(target, size) {
                out.found(pointer, here, at, detail);
                return;
            }
            match self.reader.memory.bytes(target, size, MAX_INDIRECT) {
                Ok(bytes) => behind = bytes,
                Err(fault) => {
                    return out.fault("a key or elem", fault);
                }
            }
            &behind[..]
        } else {
            tail.get(..size as usize).unwrap_or(tail)
        };
        match self.judge.wrong(side, value) {
            None => then(value),
            Some(wrong) => {
                let (rule, detail): (Rule, String) = match wrong {
                    Wrong::Torn(detail) => (torn, detail),
                    Wrong::Dangling(detail) => (pointer, detail),
                };
                out.found(rule, here, at, detail);
            }
        }
    }

    /// Why a key or elem of its own cannot lie there.
    fn misplaced(&self, at: Addr, need: u64) -> Option<String> {
        match self.judge.ground(at) {
            Ground::Object { in_use: false, .. } => Some(format!("{at} is a freed object")),
            Ground::Object { value, size, .. } => {
                let fits = value == at && size >= need;
                (!fits).then(|| format!("{at} is in an object of {size} bytes at {value}"))
            }
            Ground::Free => Some(format!("{at} is free memory")),
            Ground::Manual | Ground::Outside => Some(format!("{at} is no heap object")),
        }
    }
}

fn place(slots: &Slots<'_>, slot: usize, side: Side) -> Addr {
    let l = slots.layout;
    let (start, stride) = match side {
        Side::Key => (l.keys_off, l.key_stride),
        Side::Elem => (l.elems_off, l.elem_stride),
    };
    Addr(slots.at.0.wrapping_add(start).wrapping_add(stride.wrapping_mul(slot as u64)))
}
