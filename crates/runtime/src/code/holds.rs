//! What places are told to hold.

use crate::types::{Kind, TypeId, Types};

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
