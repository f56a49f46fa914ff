//! What the commonest instructions do, straight from their bytes.
//!
//! A general decoder tells far more of an instruction than is wanted here, and takes most of the
//! time that going through the code takes. The compiler's output is nearly all of a few forms; what
//! is of none of them is left to the general one. Opcodes and operand forms: Intel's Software
//! Developer's Manual, volume 2, appendix A.

use super::effect::{Effect, IP, NONE, Number, Operand, RSP, bit};
use super::op::Packed;

/// So many bytes are looked at: no instruction has more than 15.
pub(super) const WINDOW: usize = 16;

/// The instruction that `window` begins with; `None` where it takes a closer look.
pub(super) fn read(window: &[u8; WINDOW]) -> Option<Packed> {
    let mut bytes = Bytes { window, at: 0 };
    let mut form = Form { size: Size::Four, ..Form::default() };
    let mut first = bytes.next();
    if matches!(first, 0x66 | 0xf2 | 0xf3) {
        form.prefix = first;
        first = bytes.next();
    }
    if first & 0xf0 == 0x40 {
        form.rex = first;
        first = bytes.next();
    }
    form.size = match (form.rex & 8 != 0, form.prefix) {
        (true, 0x66) => return None,
        (true, _) => Size::Eight,
        (false, 0x66) => Size::Two,
        (false, _) => Size::Four,
    };
    let effect = match (first, form.prefix) {
        (0x0f, _) => two_bytes(&mut bytes, form)?,
        (_, 0 | 0x66) => one_byte(first, &mut bytes, form)?,
        _ => return None,
    };
    Some(Packed::new(bytes.at, effect))
}

/// The bytes of an instruction, one after the other.
struct Bytes<'w> {
    window: &'w [u8; WINDOW],
    at: usize,
}

impl Bytes<'_> {
    #[inline(always)]
    fn next(&mut self) -> u8 {
        let byte = self.window.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        byte
    }

    #[inline(always)]
    fn next_i8(&mut self) -> i32 {
        i32::from(self.next() as i8)
    }

    #[inline(always)]
    fn next_i32(&mut self) -> i32 {
        let four = self.window.get(self.at..).and_then(|rest| rest.first_chunk());
        self.at += 4;
        i32::from_le_bytes(four.copied().unwrap_or_default())
    }
}

/// How large operands are.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Size {
    Two,
    #[default]
    Four,
    Eight,
}

/// What stands before the opcode.
#[derive(Clone, Copy, Default)]
struct Form {
    prefix: u8,
    rex: u8,
    size: Size,
}

impl Form {
    /// The register that is named by three bits and one of the prefix's, which is this one.
    #[inline(always)]
    fn extended(self, three: u8, bit: u8) -> Number {
        (three & 7) | (self.rex & bit) << (3 - bit.trailing_zeros())
    }

    /// The register whose part of one byte has this number: without a prefix 4 to 7 are the second
    /// bytes of the first four.
    #[inline(always)]
    fn of_byte(self, number: Number) -> Number {
        if self.rex == 0 && number >= 4 { number - 4 } else { number }
    }

    fn whole(self) -> bool {
        self.size != Size::Two
    }

    /// How long an immediate operand is that is not one byte.
    fn immediate(self) -> usize {
        if self.size == Size::Two { 2 } else { 4 }
    }
}

/// What a ModRM byte says, and what follows it.
#[derive(Clone, Copy)]
struct Operands {
    /// The number in the middle, of a register or of an operation.
    middle: u8,
    other: Other,
}

/// The operand that may be in memory.
#[derive(Clone, Copy)]
enum Other {
    Register(Number),
    /// And the register that is added.
    Memory(Number, Number, i32),
}

impl Operands {
    #[inline(always)]
    fn read(bytes: &mut Bytes<'_>, form: Form) -> Operands {
        let byte = bytes.next();
        let (kind, middle, low) = (byte >> 6, byte >> 3 & 7, byte & 7);
        if kind == 3 {
            return Operands { middle, other: Other::Register(form.extended(low, 1)) };
        }
        let (mut base, mut index) = (form.extended(low, 1), NONE);
        let mut far = kind == 2;
        if low == 4 {
            let sib = bytes.next();
            (base, index) = (form.extended(sib, 1), form.extended(sib >> 3, 2));
            if index == RSP {
                index = NONE;
            }
            if sib & 7 == 5 && kind == 0 {
                (base, far) = (NONE, true);
            }
        } else if low == 5 && kind == 0 {
            (base, far) = (IP, true);
        }
        let displacement = match (far, kind) {
            (true, _) => bytes.next_i32(),
            (false, 1) => bytes.next_i8(),
            (false, _) => 0,
        };
        Operands { middle, other: Other::Memory(base, index, displacement) }
    }

    /// The register that the number in the middle names.
    fn register(self, form: Form) -> Number {
        form.extended(self.middle, 4)
    }

    /// That register, and the other operand, of an opcode that is even for operands of one byte.
    #[inline(always)]
    fn sized(self, opcode: u8, form: Form) -> (Number, Other) {
        match opcode & 1 {
            0 => (form.of_byte(self.register(form)), self.other.of_byte(form)),
            _ => (self.register(form), self.other),
        }
    }

    /// The other operand of such an opcode.
    fn other_of(self, opcode: u8, form: Form) -> Other {
        self.sized(opcode, form).1
    }
}

impl Other {
    /// The registers that it is, or is reached by.
    fn reads(self) -> u16 {
        match self {
            Other::Register(number) => bit(number),
            Other::Memory(base, index, _) => bit(base) | bit(index),
        }
    }

    /// The register that it is, as one to be written.
    fn writes(self) -> u16 {
        match self {
            Other::Register(number) => bit(number),
            Other::Memory(..) => 0,
        }
    }

    /// The same of its part of one byte.
    fn of_byte(self, form: Form) -> Other {
        match self {
            Other::Register(number) => Other::Register(form.of_byte(number)),
            memory => memory,
        }
    }
}

/// An operand in memory; `None` of one that is followed nowhere.
fn operand(base: Number, index: Number, displacement: i32) -> Option<Operand> {
    (base != NONE).then_some(Operand { base, indexed: index != NONE, displacement })
}

fn compute(reads: u16, writes: u16) -> Option<Effect> {
    Some(Effect::Compute { reads, writes })
}

/// The operations of arithmetic that have a number from 0 to 7.
const WITH_CARRY: std::ops::RangeInclusive<u8> = 2..=3;
const XOR: u8 = 6;
const CMP: u8 = 7;

#[inline(always)]
fn one_byte(opcode: u8, bytes: &mut Bytes<'_>, form: Form) -> Option<Effect> {
    let narrow = form.prefix != 0;
    match opcode {
        0x00..=0x3f if opcode & 7 < 6 => arithmetic(opcode, bytes, form),
        0x50..=0x5f if !narrow => {
            let register = bit(form.extended(opcode, 1));
            match opcode < 0x58 {
                true => compute(register | bit(RSP), bit(RSP)),
                false if register == bit(RSP) => None,
                false => compute(bit(RSP), bit(RSP) | register),
            }
        }
        0x63 if !narrow => {
            let operands = Operands::read(bytes, form);
            compute(operands.other.reads(), bit(operands.register(form)))
        }
        0x70..=0x7f if !narrow => Some(Effect::Branch(bytes.next_i8())),
        0x80 | 0x81 | 0x83 => {
            let operands = Operands::read(bytes, form);
            bytes.at += if opcode == 0x81 { form.immediate() } else { 1 };
            let other = operands.other_of(opcode, form);
            match operands.middle {
                operation if WITH_CARRY.contains(&operation) => None,
                CMP => compute(other.reads(), 0),
                _ => compute(other.reads(), other.writes()),
            }
        }
        0x84 | 0x85 => {
            let (register, other) = Operands::read(bytes, form).sized(opcode, form);
            compute(bit(register) | other.reads(), 0)
        }
        0x88..=0x8b => moves(opcode, bytes, form),
        0x8d if form.whole() => {
            let operands = Operands::read(bytes, form);
            let to = operands.register(form);
            match operands.other {
                Other::Register(_) => None,
                Other::Memory(base, NONE, displacement) => {
                    match operand(base, NONE, displacement) {
                        Some(of) => Some(Effect::Address { to, of }),
                        None => compute(0, bit(to)),
                    }
                }
                indexed => compute(indexed.reads(), bit(to)),
            }
        }
        0x90 if !narrow && form.rex == 0 => Some(Effect::NOTHING),
        0xa8 | 0xa9 => {
            bytes.at += if opcode == 0xa8 { 1 } else { form.immediate() };
            compute(bit(0), 0)
        }
        0xb0..=0xb7 => {
            bytes.at += 1;
            compute(0, bit(form.of_byte(form.extended(opcode, 1))))
        }
        0xb8..=0xbf => {
            bytes.at += if form.size == Size::Eight { 8 } else { form.immediate() };
            compute(0, bit(form.extended(opcode, 1)))
        }
        0xc0 | 0xc1 | 0xd0..=0xd3 => shifts(opcode, bytes, form),
        0xc3 if !narrow => Some(Effect::Return),
        0xc6 | 0xc7 => {
            let operands = Operands::read(bytes, form);
            bytes.at += if opcode == 0xc6 { 1 } else { form.immediate() };
            match operands.other {
                _ if operands.middle != 0 => None,
                Other::Register(_) if opcode == 0xc6 => None,
                Other::Register(number) => compute(0, bit(number)),
                memory => compute(memory.reads(), 0),
            }
        }
        0xcc if !narrow => Some(Effect::End),
        0xe8 if !narrow => Some(Effect::Call(bytes.next_i32())),
        0xe9 if !narrow => Some(Effect::Jump(bytes.next_i32())),
        0xeb if !narrow => Some(Effect::Jump(bytes.next_i8())),
        0xf6 | 0xf7 => {
            let operands = Operands::read(bytes, form);
            let other = operands.other_of(opcode, form);
            match operands.middle {
                0 => {
                    bytes.at += if opcode == 0xf6 { 1 } else { form.immediate() };
                    compute(other.reads(), 0)
                }
                2 | 3 => compute(other.reads(), other.writes()),
                _ => None,
            }
        }
        0xfe | 0xff => {
            let operands = Operands::read(bytes, form);
            let other = operands.other_of(opcode, form);
            match operands.middle {
                0 | 1 => compute(other.reads(), other.writes()),
                2 if opcode == 0xff && !narrow => Some(Effect::CallIndirect),
                _ => None,
            }
        }
        _ => None,
    }
}

#[inline(always)]
fn arithmetic(opcode: u8, bytes: &mut Bytes<'_>, form: Form) -> Option<Effect> {
    let (operation, kind) = (opcode >> 3, opcode & 7);
    if WITH_CARRY.contains(&operation) {
        return None;
    }
    if kind >= 4 {
        bytes.at += if kind == 4 { 1 } else { form.immediate() };
        return compute(bit(0), if operation == CMP { 0 } else { bit(0) });
    }
    let operands = Operands::read(bytes, form);
    let (register, other) = operands.sized(opcode, form);
    let writes = if kind < 2 { other.writes() } else { bit(register) };
    let same = matches!(operands.other, Other::Register(o) if o == operands.register(form));
    match operation {
        CMP => compute(bit(register) | other.reads(), 0),
        XOR if same => compute(0, writes),
        _ => compute(bit(register) | other.reads(), writes),
    }
}

#[inline(always)]
fn moves(opcode: u8, bytes: &mut Bytes<'_>, form: Form) -> Option<Effect> {
    let (register, other) = Operands::read(bytes, form).sized(opcode, form);
    let whole = opcode & 1 != 0 && form.whole();
    let into_other = opcode < 0x8a;
    Some(match other {
        Other::Register(number) => {
            let (to, from) = if into_other { (number, register) } else { (register, number) };
            match whole {
                true => Effect::Move { to, from },
                false => Effect::Compute { reads: bit(from), writes: bit(to) },
            }
        }
        Other::Memory(base, index, displacement) => {
            match (into_other, operand(base, index, displacement)) {
                (true, Some(to)) if whole && form.size == Size::Eight => {
                    Effect::Store { to, from: register }
                }
                (true, _) => Effect::Compute { reads: bit(register), writes: 0 },
                (false, Some(from)) => Effect::Load { to: register, whole, from },
                (false, None) => Effect::Compute { reads: 0, writes: bit(register) },
            }
        }
    })
}

#[inline(always)]
fn shifts(opcode: u8, bytes: &mut Bytes<'_>, form: Form) -> Option<Effect> {
    let operands = Operands::read(bytes, form);
    let other = operands.other_of(opcode, form);
    if opcode < 0xd0 {
        bytes.at += 1;
    }
    // The number of bits is an operand, or 1, or in the register CL.
    let by = if opcode >= 0xd2 { bit(1) } else { 0 };
    match operands.middle {
        4 | 5 | 7 => compute(other.reads() | by, other.writes()),
        _ => None,
    }
}

#[inline(always)]
fn two_bytes(bytes: &mut Bytes<'_>, form: Form) -> Option<Effect> {
    let opcode = bytes.next();
    match (opcode, form.prefix) {
        (0x0b, 0) => Some(Effect::End),
        // Moves and arithmetic of vector registers, and loads and stores of them.
        (0x10 | 0x11 | 0x51 | 0x58 | 0x59 | 0x5c..=0x5f, _)
        | (0x28 | 0x29 | 0x2e | 0x2f | 0x57, 0 | 0x66)
        | (0x6f | 0x7f, 0x66 | 0xf3)
        | (0xef, 0x66) => match Operands::read(bytes, form).other {
            Other::Register(_) => Some(Effect::NOTHING),
            memory => compute(memory.reads(), 0),
        },
        (0x1f, 0 | 0x66) => {
            let operands = Operands::read(bytes, form);
            (operands.middle == 0).then_some(Effect::NOTHING)
        }
        (0x40..=0x4f, 0) => {
            let operands = Operands::read(bytes, form);
            let to = bit(operands.register(form));
            // The short form clears the upper half in any case, which keeps the lower one.
            let kept = if form.size == Size::Four { to } else { 0 };
            compute(operands.other.reads() | kept, to)
        }
        (0x80..=0x8f, 0) => Some(Effect::Branch(bytes.next_i32())),
        (0x90..=0x9f, 0) => {
            let other = Operands::read(bytes, form).other.of_byte(form);
            match other {
                Other::Register(number) => compute(0, bit(number)),
                memory => compute(memory.reads(), 0),
            }
        }
        (0xaf, 0) => {
            let operands = Operands::read(bytes, form);
            let to = bit(operands.register(form));
            compute(operands.other.reads() | to, to)
        }
        (0xb6 | 0xb7 | 0xbe | 0xbf, 0) => {
            let operands = Operands::read(bytes, form);
            let other = operands.other_of(opcode, form);
            compute(other.reads(), bit(operands.register(form)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use iced_x86::{Decoder, DecoderOptions, Instruction, InstructionInfoFactory};

    use super::*;

    /// Prefixes, ModRM and SIB bytes that are all tried with all opcodes.
    const PREFIXES: [&[u8]; 7] = [&[], &[0x66], &[0xf2], &[0xf3], &[0x2e], &[0xf0], &[0x64]];
    const REX: [u8; 10] = [0, 0x40, 0x41, 0x42, 0x44, 0x45, 0x48, 0x49, 0x4c, 0x4f];
    const SIB: [u8; 8] = [0x00, 0x05, 0x20, 0x24, 0x25, 0x65, 0xe4, 0xfd];

    /// What follows: displacements and immediate operands of both signs.
    const TAILS: [[u8; 10]; 2] =
        [[0x10, 0x20, 0x30, 0x40, 1, 2, 3, 4, 5, 6], [0xf0, 0xff, 0xff, 0xff, 0xfe, 9, 8, 7, 6, 5]];

    /// Every form of every opcode after `prefix`, as bytes.
    fn forms(prefix: &[u8], rex: u8, mut each: impl FnMut(&[u8])) {
        let maps: [&[u8]; 2] = [&[], &[0x0f]];
        let rex = if rex == 0 { vec![] } else { vec![rex] };
        for (map, opcode, modrm) in maps
            .iter()
            .flat_map(|map| (0..=255u8).flat_map(move |o| (0..=255u8).map(move |m| (map, o, m))))
        {
            let has_sib = modrm >> 6 != 3 && modrm & 7 == 4;
            for sib in &SIB[..if has_sib { SIB.len() } else { 1 }] {
                let sib: &[u8] = if has_sib { std::slice::from_ref(sib) } else { &[] };
                let tail = &TAILS[usize::from(modrm & 1)];
                each(&[prefix, &rex, map, &[opcode, modrm], sib, tail].concat());
            }
        }
    }

    #[test]
    fn every_common_form_does_what_the_general_decoder_says() {
        let (mut info, mut instruction) = (InstructionInfoFactory::new(), Instruction::default());
        let mut common = 0;
        for (prefix, rex) in PREFIXES.iter().flat_map(|p| REX.iter().map(move |rex| (p, *rex))) {
            forms(prefix, rex, |bytes| {
                let window = bytes.first_chunk().copied().unwrap_or_else(|| {
                    let mut window = [0; WINDOW];
                    window[..bytes.len()].copy_from_slice(bytes);
                    window
                });
                let Some(packed) = read(&window) else { return };
                common += 1;
                let mut decoder = Decoder::with_ip(64, &window, 0x40_1000, DecoderOptions::NONE);
                decoder.decode_out(&mut instruction);
                let wanted = (instruction.len(), Effect::of(&instruction, &mut info));
                assert_eq!((packed.len(), packed.effect()), wanted, "{window:02x?}: {instruction}");
            });
        }
        assert!(common > 100_000, "{common}");
    }
}
