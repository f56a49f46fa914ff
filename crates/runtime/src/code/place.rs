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
    /// What says the same with less: that there is what the whole begins with.
    pub(super) fn covered(self, types: &Types<'_>) -> Vec<Holds> {
        match self {
            Holds::Pointer(outer) => inner(types, outer).map(Holds::Pointer).collect(),
            Holds::Value(outer) => {
                let values = inner(types, outer).map(Holds::Value);
                // The first word of a channel is the channel.
                let word = Holds::first_word(types, outer).filter(|word| *word != self);
                values.chain(word).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The types of what a value of type `outer` has in front, without itself.
fn inner(types: &Types<'_>, outer: TypeId) -> impl Iterator<Item = TypeId> {
    types.fronts(outer).skip(1).filter(move |inner| *inner != outer)
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
