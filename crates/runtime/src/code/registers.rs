//! What the registers hold between two instructions.

use iced_x86::Register;
use mapscope_binary::FileVa;

use super::effect::Number;
use super::holds::Holds;
use super::place::PlaceId;

/// An address of the executable, in four bytes: what registers hold is copied at every jump. The
/// linker places all of an executable below 4 GiB, code and data reach each other by 32 bits
/// (cmd/link/internal/amd64).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Va(u32);

impl Va {
    pub(super) fn get(self) -> FileVa {
        FileVa(self.0.into())
    }
}

/// What one register holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing that is followed.
    #[default]
    Unknown,
    /// This address of the executable.
    Address(Va),
    /// What lies at this place.
    Of(PlaceId),
    /// A word of which the type is known.
    Known(Holds),
    /// The address of a word of this frame, in bytes from the frame's canonical address.
    Frame(i32),
}

impl Content {
    /// That address; nothing that is followed where no executable has any.
    pub(super) fn address(va: FileVa) -> Content {
        u32::try_from(va.0).map_or(Content::Unknown, |va| Content::Address(Va(va)))
    }
}

/// Registers in the order in which Go passes integers and pointers (ABIInternal,
/// cmd/compile/abi-internal.md; amd64).
pub(crate) const ARGUMENTS: [Register; 9] = [
    Register::RAX,
    Register::RBX,
    Register::RCX,
    Register::RDI,
    Register::RSI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
];

/// The register that holds the closure at a function's entry.
pub(crate) const CONTEXT: Register = Register::RDX;

/// The numbers of the [`ARGUMENTS`].
pub(super) const IN_ORDER: [Number; ARGUMENTS.len()] = [0, 3, 1, 7, 6, 8, 9, 10, 11];

/// The number of the [`CONTEXT`].
pub(super) const CLOSURE: Number = 2;

/// The sixteen general registers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Registers([Content; 16]);

impl Registers {
    pub(super) fn get(&self, register: Number) -> Content {
        self.0.get(usize::from(register)).copied().unwrap_or_default()
    }

    pub(super) fn set(&mut self, register: Number, content: Content) {
        if let Some(own) = self.0.get_mut(usize::from(register)) {
            *own = content;
        }
    }

    pub(super) fn clear(&mut self) {
        self.0 = Default::default();
    }

    /// Keeps what is the same on both ways to here.
    pub(super) fn meet(&mut self, other: &Registers) {
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            if own != other {
                *own = Content::Unknown;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::effect::number;
    use super::*;

    #[test]
    fn registers_have_their_numbers() {
        assert_eq!(ARGUMENTS.map(number), IN_ORDER);
        assert_eq!(number(CONTEXT), CLOSURE);
    }
}
