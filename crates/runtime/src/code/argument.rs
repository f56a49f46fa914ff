//! Where a function keeps an argument, or another value: by following the register it came in, or was in,
//! through the code.
//!
//! What a register or a spill slot holds proves nothing by itself: the register may have been used
//! for something else, the slot may be left over from another call. What the code between the
//! entry and an instruction does on every way does prove it.

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess,
    OpKind, Register,
};
use mapscope_binary::{FileVa, Func};
use rustc_hash::FxHashMap;

use crate::Go;

/// Longer functions are not followed, in bytes: those of the runtime's maps have less than 8 KiB.
const MAX_CODE: u64 = 64 << 10;
/// How often an instruction is looked at again because another way leads to it.
const MAX_ROUNDS: usize = 64;
/// Slots of one function that hold the same argument.
const MAX_SLOTS: usize = 8;

/// How the names of functions begin that never return (runtime/panic.go, Go 1.19 to 1.27).
const DEAD_ENDS: [&str; 6] = [
    "runtime.gopanic",
    "runtime.panic",
    "runtime.goPanic",
    "runtime.throw",
    "runtime.fatal",
    "internal/runtime/maps.fatal",
];

/// Where an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// In the general register of that DWARF number.
    Register(u8),
    /// In the frame, so many bytes from its canonical address.
    Slot(i64),
}

/// What is followed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed {
    /// Before this instruction it is there.
    pub(crate) at: FileVa,
    /// In the general register of this DWARF number.
    pub(crate) register: u8,
}

impl Seed {
    fn holds(self) -> Holds {
        Holds { registers: 1 << self.register, slots: Vec::new() }
    }
}

/// What holds the argument before one instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Holds {
    /// A bit for each general register, by DWARF's numbers.
    registers: u16,
    slots: Vec<i64>,
}

/// Everything that holds, whichever way led to the instruction `at` of `func`, what the register
/// of the DWARF number `argument` held as the function began. Empty where that is lost, or the
/// code cannot be followed.
pub(crate) fn kept(go: &Go<'_>, func: &Func<'_, '_>, argument: u8, at: FileVa) -> Vec<Kept> {
    copies(go, func, Seed { at: func.entry(), register: argument }, at)
}

/// Everything that holds, whichever way led to the instruction `at` of `func`, what the seed's register
/// held when the code last came by there. Empty where a way leads around it, or the code cannot be
/// followed.
pub(crate) fn copies(go: &Go<'_>, func: &Func<'_, '_>, seed: Seed, at: FileVa) -> Vec<Kept> {
    if at == seed.at {
        return vec![Kept::Register(seed.register)];
    }
    let holds = follow(go, func, seed).and_then(|mut states| states.remove(&at.0));
    let holds = holds.unwrap_or_default();
    let registers = (0..16u8).filter(|number| holds.registers >> number & 1 != 0);
    registers.map(Kept::Register).chain(holds.slots.iter().copied().map(Kept::Slot)).collect()
}

/// Every slot of the frame of `func` that its code puts the argument in which came in the register of
/// the DWARF number `argument`, so many bytes from the frame's canonical address.
pub(crate) fn slots(go: &Go<'_>, func: &Func<'_, '_>, argument: u8) -> Vec<i64> {
    let seed = Seed { at: func.entry(), register: argument };
    let states = follow(go, func, seed).unwrap_or_default();
    let mut slots: Vec<i64> = states.into_values().flat_map(|holds| holds.slots).collect();
    slots.sort_unstable();
    slots.dedup();
    slots
}

/// What holds it before each instruction that can be reached.
fn follow(go: &Go<'_>, func: &Func<'_, '_>, seed: Seed) -> Option<FxHashMap<u64, Holds>> {
    let (entry, end) = (func.entry(), func.end());
    let len = end.0.checked_sub(entry.0).filter(|len| *len <= MAX_CODE)?;
    let code = go.image.elf.bytes_at(entry, len)?;
    let decoder = Decoder::with_ip(64, code, entry.0, DecoderOptions::NONE);
    let instructions: FxHashMap<u64, Instruction> =
        decoder.into_iter().map(|i| (i.ip(), i)).collect();
    let mut follower =
        Follower { go, func, seed, states: FxHashMap::default(), waiting: Vec::new() };
    follower.arrive(entry.0, &Holds::default());
    let mut info = InstructionInfoFactory::new();
    let mut budget = instructions.len() * MAX_ROUNDS;
    while let Some(ip) = follower.waiting.pop() {
        budget = budget.checked_sub(1)?;
        let instruction = instructions.get(&ip)?;
        follower.step(instruction, &mut info)?;
    }
    Some(follower.states)
}

struct Follower<'f, 'a, 'p, 'd> {
    go: &'f Go<'a>,
    func: &'f Func<'p, 'd>,
    seed: Seed,
    states: FxHashMap<u64, Holds>,
    waiting: Vec<u64>,
}

impl Follower<'_, '_, '_, '_> {
    /// Notes that the instruction at `ip` can be reached with `holds`.
    fn arrive(&mut self, ip: u64, holds: &Holds) {
        let Some(known) = self.states.get_mut(&ip) else {
            self.states.insert(ip, holds.clone());
            return self.waiting.push(ip);
        };
        let before = (known.registers, known.slots.len());
        known.registers &= holds.registers;
        known.slots.retain(|slot| holds.slots.contains(slot));
        if before != (known.registers, known.slots.len()) {
            self.waiting.push(ip);
        }
    }

    /// `None` where nobody can say what comes next.
    fn step(&mut self, i: &Instruction, info: &mut InstructionInfoFactory) -> Option<()> {
        let mut holds = match i.ip() == self.seed.at.0 {
            true => self.seed.holds(),
            false => self.states.get(&i.ip())?.clone(),
        };
        match i.flow_control() {
            FlowControl::Next => self.compute(i, info, &mut holds),
            FlowControl::Call if self.ends(i) => return Some(()),
            // Go code preserves no register across a call.
            FlowControl::Call | FlowControl::IndirectCall => holds.registers = 0,
            FlowControl::ConditionalBranch => self.jump(i, &holds),
            FlowControl::UnconditionalBranch => {
                self.jump(i, &holds);
                return Some(());
            }
            FlowControl::IndirectBranch => return None,
            _ => return Some(()),
        }
        if i.next_ip() < self.func.end().0 {
            self.arrive(i.next_ip(), &holds);
        }
        Some(())
    }

    /// Whether a call never returns: what stands behind it is reached from elsewhere only.
    fn ends(&self, call: &Instruction) -> bool {
        let table = self.go.pclntab();
        let callee = table.and_then(|table| table.find(FileVa(call.near_branch_target())));
        callee.is_some_and(|callee| DEAD_ENDS.iter().any(|name| callee.name().starts_with(name)))
    }

    fn jump(&mut self, i: &Instruction, holds: &Holds) {
        let target = i.near_branch_target();
        if (self.func.entry().0..self.func.end().0).contains(&target) {
            self.arrive(target, holds);
        }
    }

    fn compute(&self, i: &Instruction, info: &mut InstructionInfoFactory, holds: &mut Holds) {
        use OpKind::{Memory, Register as Reg};
        let has =
            |holds: &Holds, register| bit(register).is_some_and(|bit| holds.registers & bit != 0);
        // What is moved is looked at before what is written is forgotten.
        let moved = match (i.mnemonic(), i.op0_kind(), i.op1_kind()) {
            (Mnemonic::Mov, Reg | Memory, Reg) if i.op1_register().size() == 8 => {
                has(holds, i.op1_register())
            }
            (Mnemonic::Mov, Reg, Memory) if i.op0_register().size() == 8 => {
                self.slot(i).is_some_and(|slot| holds.slots.contains(&slot))
            }
            _ => false,
        };
        for used in info.info(i).used_registers() {
            if !matches!(used.access(), OpAccess::Read | OpAccess::CondRead) {
                holds.registers &= !bit(used.register()).unwrap_or(0);
            }
        }
        let writes_memory = i.op0_kind() == Memory
            && i.mnemonic() != Mnemonic::Cmp
            && i.mnemonic() != Mnemonic::Test;
        if writes_memory && let Some(slot) = self.slot(i) {
            let size = i.memory_size().size().max(8) as i64;
            let apart =
                |known: i64| known.saturating_add(8) <= slot || known >= slot.saturating_add(size);
            holds.slots.retain(|known| apart(*known));
        }
        match (moved, i.op0_kind()) {
            (true, Reg) => holds.registers |= bit(i.op0_register()).unwrap_or(0),
            (true, Memory) if holds.slots.len() < MAX_SLOTS => holds.slots.extend(self.slot(i)),
            _ => {}
        }
    }

    /// The place in the frame that the instruction's memory operand is, from the frame's
    /// canonical address.
    fn slot(&self, i: &Instruction) -> Option<i64> {
        let plain = i.memory_base() == Register::RSP && i.memory_index() == Register::None;
        let depth = i64::from(self.func.sp_delta(FileVa(i.ip()))?) + 8;
        let offset = i.memory_displacement64() as i64;
        plain.then(|| offset.checked_sub(depth))?
    }
}

/// The bit of a general register, by DWARF's numbers (System V ABI, AMD64 supplement, figure 3.36);
/// of any part of it.
fn bit(register: Register) -> Option<u16> {
    const ORDER: [Register; 16] = [
        Register::RAX,
        Register::RDX,
        Register::RCX,
        Register::RBX,
        Register::RSI,
        Register::RDI,
        Register::RBP,
        Register::RSP,
        Register::R8,
        Register::R9,
        Register::R10,
        Register::R11,
        Register::R12,
        Register::R13,
        Register::R14,
        Register::R15,
    ];
    let number = ORDER.iter().position(|known| *known == register.full_register())?;
    Some(1 << number)
}
