//! What DWARF says where it is: the value of a variable of one frame.

use mapscope_binary::dwarf::{Location, Piece, Variable};
use mapscope_target::{Addr, MemoryExt, Registers};

use crate::Go;
use crate::stack::Frame;
use crate::types::TypeId;

/// Values larger than this are not put together from their pieces, in bytes.
const MAX_PIECES: u64 = 1 << 16;

/// What was found of a variable.
pub(crate) enum Found {
    /// It is in memory.
    At(Addr),
    /// It is in registers or in pieces: these bytes.
    Bytes(Vec<u8>),
}

/// Where variables of one frame are looked for.
pub(crate) struct Place<'g, 'a, 'f, 'p, 'd> {
    pub(crate) go: &'g Go<'a>,
    pub(crate) frame: &'f Frame<'p, 'd>,
    /// The registers at the frame, where they are known.
    pub(crate) registers: Option<&'f Registers>,
}

impl Place<'_, '_, '_, '_, '_> {
    /// Where a variable of type `ty` is, or what it is.
    pub(crate) fn find(&self, variable: &Variable<'_>, ty: TypeId) -> Option<Found> {
        if variable.escaped {
            // What is there is the pointer to the variable, on the heap.
            let pointer = self.bytes(&variable.location, 8)?;
            let at = Addr(u64::from_le_bytes(*pointer.first_chunk()?));
            return (!at.is_null()).then_some(Found::At(at));
        }
        if let Some(at) = self.address(&variable.location) {
            return Some(Found::At(at));
        }
        let size = self.go.types.get(ty).size;
        self.bytes(&variable.location, size).map(Found::Bytes)
    }

    /// Where in memory a location is, if it is one in memory.
    pub(crate) fn address(&self, location: &Location) -> Option<Addr> {
        let cfa = |offset: &i64| self.frame.cfa.0.checked_add_signed(*offset).map(Addr);
        match location {
            Location::Cfa(offset) => cfa(offset),
            Location::CfaDeref(offset) => self.go.memory().addr(cfa(offset)?).ok(),
            Location::Address(va) => Some(self.go.addr_of(*va)),
            _ => None,
        }
    }

    /// The bytes of a value of `size` bytes at a location.
    fn bytes(&self, location: &Location, size: u64) -> Option<Vec<u8>> {
        if let Some(at) = self.address(location) {
            return self.go.memory().bytes(at, size, MAX_PIECES).ok();
        }
        match location {
            Location::Register(number) => {
                let value = *self.registers?.general.get(usize::from(*number))?;
                value.to_le_bytes().get(..size as usize).map(<[u8]>::to_vec)
            }
            Location::Const(value) => value.to_le_bytes().get(..size as usize).map(<[u8]>::to_vec),
            Location::Implicit(bytes) => Some(bytes.clone()),
            Location::Pieces(pieces) => self.pieces(pieces, size),
            _ => None,
        }
    }

    /// A value put together from its pieces; one that is gone stands as zeros, which lead nowhere.
    fn pieces(&self, pieces: &[Piece], size: u64) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        for piece in pieces {
            let end = (value.len() as u64).checked_add(piece.size).filter(|end| *end <= size)?;
            if end > MAX_PIECES {
                return None;
            }
            let bytes = self.bytes(&piece.location, piece.size).unwrap_or_default();
            value.extend(bytes);
            value.resize(end as usize, 0);
        }
        value.resize(size.min(MAX_PIECES) as usize, 0);
        Some(value)
    }
}
