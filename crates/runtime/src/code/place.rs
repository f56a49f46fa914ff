//! Places where values lie, and what they are told to hold.

use mapscope_binary::FileVa;
use rustc_hash::FxHashMap;

use crate::types::{Kind, TypeId, Types};

/// A word of the program where values of one type lie, whichever run of the code it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// A word of the executable's data.
    Global(FileVa),
    /// A word of the frames of the function that begins there, in bytes from the frame's canonical
    /// address: above it are arguments, below it the rest.
    Slot(FileVa, i32),
    /// An argument in the register of this number of the function that begins there.
    Argument(FileVa, u8),
    /// A result in the register of this number.
    Result(FileVa, u8),
    /// The closure that the function that begins there is called with.
    Context(FileVa),
    /// The word at this offset of what the word at the other place points to.
    Field(PlaceId, u32),
}

/// What a place holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Holds {
    /// A pointer to a value of this type.
    Pointer(TypeId),
    /// The first word of a slice of this element type.
    Slice(TypeId),
    /// A pointer to the header of a map of this type.
    Map(TypeId),
    /// A map's header itself, which lies on a stack.
    Header(TypeId),
    /// A value of this type, which begins here.
    Value(TypeId),
}

impl Holds {
    /// What the first word of a value of type `ty` holds, as far as that leads to more.
    pub(super) fn first_word(types: &Types<'_>, ty: TypeId) -> Option<Holds> {
        Holds::word(types, ty, 0, 0)
    }

    /// What the word `offset` bytes into a value of type `ty` holds.
    pub(super) fn word(types: &Types<'_>, ty: TypeId, offset: u64, depth: u8) -> Option<Holds> {
        if depth > MAX_NESTING {
            return None;
        }
        match &types.get(ty).kind {
            Kind::Pointer(to) if offset == 0 => Some(Holds::Pointer(*to)),
            Kind::Slice(of) if offset == 0 => Some(Holds::Slice(*of)),
            Kind::Map(_) if offset == 0 => Some(Holds::Map(ty)),
            Kind::Chan(_) if offset == 0 => Some(Holds::Value(ty)),
            Kind::Struct(fields) => {
                let field = fields.iter().rev().find(|f| f.offset <= offset)?;
                Holds::word(types, field.ty, offset - field.offset, depth + 1)
            }
            Kind::Array(of, _) => {
                let size = types.get(*of).size.max(1);
                Holds::word(types, *of, offset % size, depth + 1)
            }
            _ => None,
        }
    }
}

impl Holds {
    /// Whether `other` says the same with less: that there is what the whole begins with.
    pub(super) fn covers(self, types: &Types<'_>, other: Holds) -> bool {
        match (self, other) {
            (Holds::Pointer(outer), Holds::Pointer(inner))
            | (Holds::Value(outer), Holds::Value(inner)) => begins_with(types, outer, inner, 0),
            (Holds::Value(outer), _) => Holds::first_word(types, outer) == Some(other),
            _ => false,
        }
    }
}

/// Whether a value of type `outer` has one of type `inner` in front.
fn begins_with(types: &Types<'_>, outer: TypeId, inner: TypeId, depth: u8) -> bool {
    if outer == inner || depth > MAX_NESTING {
        return outer == inner;
    }
    match &types.get(outer).kind {
        Kind::Struct(fields) => {
            fields.first().is_some_and(|f| begins_with(types, f.ty, inner, depth + 1))
        }
        Kind::Array(of, _) => begins_with(types, *of, inner, depth + 1),
        _ => false,
    }
}

/// Structs in structs deeper than this are not looked into.
const MAX_NESTING: u8 = 16;

/// A number for each place met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PlaceId(pub(super) u32);

/// Every place met.
#[derive(Default)]
pub(super) struct Places {
    all: Vec<Place>,
    ids: FxHashMap<Place, PlaceId>,
}

/// Pointers are followed through so many fields from a place whose type is not known.
const MAX_DEPTH: u8 = 3;

impl Places {
    pub(super) fn id(&mut self, place: Place) -> PlaceId {
        *self.ids.entry(place).or_insert_with(|| {
            self.all.push(place);
            PlaceId(self.all.len() as u32 - 1)
        })
    }

    /// The word at `offset` of what `of` points to; `None` too far from anything known.
    pub(super) fn field(&mut self, of: PlaceId, offset: u32) -> Option<PlaceId> {
        let deep = self.depth(of) >= MAX_DEPTH;
        (!deep).then(|| self.id(Place::Field(of, offset)))
    }

    /// The word before `at`, if it was met.
    pub(super) fn before(&self, at: PlaceId) -> Option<PlaceId> {
        let before = match self.get(at) {
            Place::Global(va) => Place::Global(FileVa(va.0.checked_sub(8)?)),
            Place::Slot(entry, offset) => Place::Slot(entry, offset.checked_sub(8)?),
            Place::Field(of, offset) => Place::Field(of, offset.checked_sub(8)?),
            Place::Argument(..) | Place::Result(..) | Place::Context(_) => return None,
        };
        self.ids.get(&before).copied()
    }

    fn depth(&self, mut of: PlaceId) -> u8 {
        let mut depth = 0;
        while let Place::Field(parent, _) = self.get(of) {
            (of, depth) = (parent, depth + 1);
        }
        depth
    }

    pub(super) fn get(&self, id: PlaceId) -> Place {
        self.all[id.0 as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (PlaceId, Place)> + '_ {
        self.all.iter().enumerate().map(|(i, place)| (PlaceId(i as u32), *place))
    }
}
