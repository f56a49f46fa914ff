//! An instruction in few bytes: millions are handed from one thread to another.

use super::effect::{Effect, Number, Operand};

/// How many bytes an instruction has, and what it does, in one word: the kind in 4 bits, the length in
/// 4, three bytes of registers and marks, and 32 bits of what else the kind asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packed(u64);

/// An instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Op {
    /// Where it begins, in bytes from the function's entry.
    pub(super) at: u32,
    packed: Packed,
}

/// Set in the third byte of a load that moves a whole word.
const WHOLE: u8 = 1;
/// Set in the third byte of an operand that another register is added to.
const INDEXED: u8 = 2;

impl Packed {
    #[inline(always)]
    fn of(kind: u64, len: usize, [a, b, c]: [u8; 3], rest: i32) -> Packed {
        let bytes = u64::from(a) << 8 | u64::from(b) << 16 | u64::from(c) << 24;
        Packed(kind | (len as u64 & 15) << 4 | bytes | u64::from(rest as u32) << 32)
    }

    /// An instruction of so many bytes, fewer than 16, that does this.
    #[inline(always)]
    pub(super) fn new(len: usize, effect: Effect) -> Packed {
        let memory = |kind, register: Number, operand: Operand, marks: u8| {
            let marks = marks | if operand.indexed { INDEXED } else { 0 };
            Packed::of(kind, len, [register, operand.base, marks], operand.displacement)
        };
        let jump = |kind, by| Packed::of(kind, len, [0; 3], by);
        match effect {
            Effect::Move { to, from } => Packed::of(0, len, [to, from, 0], 0),
            Effect::Load { to, whole, from } => memory(1, to, from, if whole { WHOLE } else { 0 }),
            Effect::Store { to, from } => memory(2, from, to, 0),
            Effect::Address { to, of } => memory(3, to, of, 0),
            Effect::Compute { reads, writes } => {
                Packed::of(4, len, [0; 3], i32::from(reads as i16) << 16 | i32::from(writes))
            }
            Effect::Call(by) => jump(5, by),
            Effect::CallIndirect => jump(6, 0),
            Effect::Branch(by) => jump(7, by),
            Effect::Jump(by) => jump(8, by),
            Effect::Return => jump(9, 0),
            Effect::End => jump(10, 0),
        }
    }

    /// How many bytes the instruction has.
    #[inline(always)]
    pub(super) fn len(self) -> usize {
        (self.0 >> 4 & 15) as usize
    }

    /// What it does.
    #[inline(always)]
    pub(super) fn effect(self) -> Effect {
        let byte = |number: u32| (self.0 >> (8 * number)) as u8;
        let rest = (self.0 >> 32) as i32;
        let marks = byte(3);
        let indexed = marks & INDEXED != 0;
        let operand = Operand { base: byte(2), indexed, displacement: rest };
        match self.0 & 15 {
            0 => Effect::Move { to: byte(1), from: byte(2) },
            1 => Effect::Load { to: byte(1), whole: marks & WHOLE != 0, from: operand },
            2 => Effect::Store { to: operand, from: byte(1) },
            3 => Effect::Address { to: byte(1), of: operand },
            4 => Effect::Compute { reads: (rest >> 16) as u16, writes: rest as u16 },
            5 => Effect::Call(rest),
            6 => Effect::CallIndirect,
            7 => Effect::Branch(rest),
            8 => Effect::Jump(rest),
            9 => Effect::Return,
            _ => Effect::End,
        }
    }
}

impl Op {
    /// The instruction that begins so many bytes from the function's entry.
    #[inline(always)]
    pub(super) fn new(at: u32, packed: Packed) -> Op {
        Op { at, packed }
    }

    /// Where the next begins.
    #[inline(always)]
    pub(super) fn next(self) -> u32 {
        self.at.wrapping_add(self.packed.len() as u32)
    }

    /// What it does.
    #[inline(always)]
    pub(super) fn effect(self) -> Effect {
        self.packed.effect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again() {
        let operand = |base, indexed, displacement| Operand { base, indexed, displacement };
        let effects = [
            Effect::Move { to: 15, from: 3 },
            Effect::Load { to: 17, whole: true, from: operand(16, false, i32::MIN) },
            Effect::Load { to: 0, whole: false, from: operand(4, true, -1) },
            Effect::Store { to: operand(5, false, i32::MAX), from: 9 },
            Effect::Address { to: 2, of: operand(12, true, -8) },
            Effect::Compute { reads: 0x8001, writes: 0xffff },
            Effect::Compute { reads: 0xffff, writes: 0 },
            Effect::Call(-5),
            Effect::CallIndirect,
            Effect::Branch(1 << 30),
            Effect::Jump(-1),
            Effect::Return,
            Effect::End,
        ];
        for (len, effect) in (1..16).cycle().zip(effects) {
            let packed = Packed::new(len, effect);
            assert_eq!((packed.len(), packed.effect()), (len, effect));
            assert_eq!(Op::new(7, packed).next(), 7 + len as u32);
        }
    }
}
