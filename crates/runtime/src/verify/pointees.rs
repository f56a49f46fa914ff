//! Where values keep pointers, and whether these lead anywhere.

use mapscope_target::{Addr, MemoryExt};

use super::Verifier;
use crate::heap::Ground;
use crate::types::{Kind, TypeId, Types};
use crate::value::word;

/// A pointer in a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pointee {
    /// A pointer, channel, map or func.
    Pointer { at: u64 },
    /// An `unsafe.Pointer`: outside the heap it may be anything.
    Unsafe { at: u64 },
    /// A string: a pointer and a length.
    String { at: u64 },
    /// A slice: a pointer, a length, a capacity.
    Slice { at: u64 },
    /// An interface: a type or itab, and a pointer or a value that is one.
    Interface { at: u64, empty: bool },
}

/// What is wrong with a pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// The value contradicts itself.
    Torn(String),
    /// It leads to memory that is free, or not there.
    Dangling(String),
}

/// Pointers looked at in one value: of long arrays only the first.
const MOST: usize = 64;

/// Structs and arrays in each other, deeper than any program has them.
const MAX_DEPTH: u32 = 64;

/// Longest string or slice that can be true, in bytes: user addresses have 47 bits.
const MAX_LEN: u64 = 1 << 47;

/// Where values of type `id` keep pointers.
pub(crate) fn pointees(types: &Types<'_>, id: TypeId) -> Vec<Pointee> {
    let mut found = Vec::new();
    collect(types, id, 0, MAX_DEPTH, &mut found);
    found
}

fn collect(types: &Types<'_>, id: TypeId, at: u64, depth: u32, found: &mut Vec<Pointee>) {
    let Some(depth) = depth.checked_sub(1).filter(|_| found.len() < MOST) else { return };
    match &types.get(id).kind {
        Kind::Pointer(_) | Kind::Chan(_) | Kind::Map(_) | Kind::Func => {
            found.push(Pointee::Pointer { at });
        }
        Kind::UnsafePointer => found.push(Pointee::Unsafe { at }),
        Kind::String => found.push(Pointee::String { at }),
        Kind::Slice(_) => found.push(Pointee::Slice { at }),
        Kind::EmptyInterface => found.push(Pointee::Interface { at, empty: true }),
        Kind::Interface => found.push(Pointee::Interface { at, empty: false }),
        Kind::Array(elem, len) => {
            let stride = types.get(*elem).size;
            for i in 0..(*len).min(MOST as u64) {
                collect(types, *elem, at.saturating_add(i.saturating_mul(stride)), depth, found);
            }
        }
        Kind::Struct(fields) => {
            for field in fields {
                collect(types, field.ty, at.saturating_add(field.offset), depth, found);
            }
        }
        _ => {}
    }
}

impl Verifier<'_, '_> {
    /// What is wrong with the pointers of a value, if anything is.
    pub(crate) fn wrong(&self, pointees: &[Pointee], value: &[u8]) -> Option<Wrong> {
        pointees.iter().find_map(|pointee| match *pointee {
            Pointee::Pointer { at } => self.dangling(word(value, at), true),
            Pointee::Unsafe { at } => self.dangling(word(value, at), false),
            Pointee::String { at } => self.string(word(value, at), word(value, at + 8)),
            Pointee::Slice { at } => {
                let cap = word(value, at + 16);
                match word(value, at + 8) > cap {
                    true => Some(Wrong::Torn(format!("a slice longer than its capacity {cap}"))),
                    false => self.string(word(value, at), cap),
                }
            }
            Pointee::Interface { at, empty } => {
                self.interface(word(value, at), word(value, at + 8), empty)
            }
        })
    }

    /// A pointer and how much must follow it, in elements.
    fn string(&self, data: u64, len: u64) -> Option<Wrong> {
        match () {
            () if len == 0 => None,
            () if data == 0 => Some(Wrong::Torn(format!("a nil pointer with a length of {len}"))),
            () if len >= MAX_LEN => Some(Wrong::Torn(format!("a length of {len}"))),
            () => self.dangling(data, true),
        }
    }

    fn interface(&self, first: u64, data: u64, empty: bool) -> Option<Wrong> {
        if first == 0 {
            let torn = data != 0;
            return torn
                .then(|| Wrong::Torn("an interface without a type, but with a value".into()));
        }
        let Some(direct) = self.is_direct(Addr(first), empty) else {
            return Some(Wrong::Torn(format!("an interface whose type word is {first:#x}")));
        };
        match direct {
            false if data == 0 => Some(Wrong::Torn("an interface without a value".into())),
            _ => self.dangling(data, true),
        }
    }

    /// Whether the type in an interface is one pointer; `None` where it is no type.
    fn is_direct(&self, first: Addr, empty: bool) -> Option<bool> {
        if let Some(known) = self.words.borrow().get(&(first, empty)) {
            return *known;
        }
        let descriptor = match empty {
            true => Some(first),
            false => {
                let at = first.checked_add(self.go.itab.typ);
                at.and_then(|at| self.go.memory().addr(at).ok())
            }
        };
        let ty = descriptor.and_then(|at| self.go.type_word(at).ok());
        let ty = ty.map(|ty| self.go.types.get(ty));
        let direct = ty.filter(|ty| !matches!(ty.kind, Kind::Unknown(_))).map(|ty| ty.direct);
        self.words.borrow_mut().insert((first, empty), direct);
        direct
    }

    /// Whether a pointer leads to memory that is free, or, where it must lead somewhere, that is
    /// not there.
    fn dangling(&self, pointer: u64, somewhere: bool) -> Option<Wrong> {
        if pointer == 0 {
            return None;
        }
        match self.terrain.at(Addr(pointer)) {
            Ground::Object { in_use: true, .. } | Ground::Manual => None,
            Ground::Object { in_use: false, value, .. } => {
                Some(Wrong::Dangling(format!("{pointer:#x} is in the freed object at {value}")))
            }
            Ground::Free => Some(Wrong::Dangling(format!("{pointer:#x} is free heap memory"))),
            Ground::Outside if !somewhere || self.is_mapped(pointer) => None,
            Ground::Outside => Some(Wrong::Dangling(format!("{pointer:#x} is not mapped"))),
        }
    }
}
