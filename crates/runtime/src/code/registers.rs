//! What the registers hold between two instructions.

use iced_x86::Register;
use mapscope_binary::FileVa;

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

/// The sixteen general registers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Registers([Content; 16]);

impl Registers {
    pub(super) fn get(&self, register: Register) -> Content {
        index(register).map_or(Content::Unknown, |i| self.0[i])
    }

    pub(super) fn set(&mut self, register: Register, content: Content) {
        if let Some(i) = index(register) {
            // A part of a register that is written leaves no whole word behind.
            self.0[i] = if register.size() >= 4 { content } else { Content::Unknown };
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

fn index(register: Register) -> Option<usize> {
    // Most are whole ones, which have their numbers in order.
    let number = (register as usize).wrapping_sub(Register::RAX as usize);
    if number < 16 {
        return Some(number);
    }
    register.is_gpr().then(|| register.full_register().number())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_have_their_numbers() {
        for register in Register::values() {
            let number = register.is_gpr().then(|| register.full_register().number());
            assert_eq!(index(register), number, "{register:?}");
        }
    }
}
