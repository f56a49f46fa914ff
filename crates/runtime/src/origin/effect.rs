//! What one instruction does to a place that is followed.

use iced_x86::{FlowControl, Instruction, Mnemonic, OpAccess, OpKind, Register};
use mapscope_binary::FileVa;

use super::trace::Budget;
use super::{Body, Kept, Made, Origin, Spot};
use crate::code::{ARGUMENTS, CONTEXT};

/// The number of the register in which a function takes its argument `number`.
pub(super) fn argument_register(number: u8) -> Option<u8> {
    gpr(*ARGUMENTS.get(usize::from(number))?)
}

/// Which argument or result the register of this number is.
fn argument_in(register: u8) -> Option<u8> {
    let found = ARGUMENTS.iter().position(|argument| gpr(*argument) == Some(register));
    found.map(|number| number as u8)
}

/// Instructions before a call that load what it is called with, or the cases of a select.
const MAX_CASES_CODE: usize = 64;

/// What an instruction does to the place that is followed.
pub(super) enum Effect {
    /// Nothing.
    None,
    /// It copies it from there.
    Copies(Spot),
    /// It loads it, or computes an address, from this operand.
    Loads { deref: bool },
    /// It makes it so many times what is there.
    Scales {
        /// Where.
        from: Spot,
        /// How many times.
        by: u64,
    },
    /// It makes it.
    Makes(Made),
}

impl Body<'_, '_> {
    /// What the instruction at `at` does to `spot`.
    pub(super) fn effect(&self, at: usize, spot: Spot) -> Effect {
        let i = &self.instructions[at];
        match (i.flow_control(), spot) {
            (FlowControl::Call | FlowControl::IndirectCall, Spot::Register(number)) => {
                self.call(i, number)
            }
            (FlowControl::Call | FlowControl::IndirectCall, Spot::Slot(slot)) => {
                let received = || self.receives(at, slot).then_some(Made::Received);
                self.filled(at, slot).or_else(received).map_or(Effect::None, Effect::Makes)
            }
            (_, Spot::Register(number)) => self.on_register(at, i, number),
            (_, Spot::Slot(slot)) => self.on_slot(at, i, slot),
        }
    }

    /// A call leaves nothing in any register but its results.
    fn call(&self, i: &Instruction, number: u8) -> Effect {
        let direct = i.flow_control() == FlowControl::Call;
        let callee = direct.then(|| FileVa(i.near_branch_target()));
        let name = callee.and_then(|va| self.go.pclntab()?.find(va)).map(|func| func.name());
        if name.is_some_and(|name| keeps(name, number)) {
            return Effect::None;
        }
        Effect::Makes(argument_in(number).map_or(Made::Unknown, |number| Made::Result {
            call: FileVa(i.next_ip()),
            callee,
            number,
        }))
    }

    /// Whether the call at `at` puts what it receives from a channel into a slot, whose address was loaded
    /// before: just before (`chanrecv1(c, elem)`, runtime/chan.go), or for one of the cases of a select.
    fn receives(&self, at: usize, slot: i32) -> bool {
        let before = self.instructions[..at].iter().enumerate().rev().take(MAX_CASES_CODE);
        let load = |(at, i): &(usize, &Instruction)| {
            i.mnemonic() == Mnemonic::Lea && self.slot_of(*at, i) == Some(slot)
        };
        if !before.clone().any(|one| load(&one)) {
            return false;
        }
        let callee = FileVa(self.instructions[at].near_branch_target());
        let name = self.go.pclntab().and_then(|table| table.find(callee)).map(|func| func.name());
        match name {
            Some("runtime.chanrecv1" | "runtime.chanrecv2" | "runtime.selectnbrecv") => {
                let mut straight =
                    before.take_while(|(_, i)| i.flow_control() == FlowControl::Next);
                straight.any(|one| load(&one))
            }
            Some("runtime.selectgo") => true,
            _ => false,
        }
    }

    fn on_register(&self, at: usize, i: &Instruction, number: u8) -> Effect {
        let writes = {
            let mut info = self.info.borrow_mut();
            let used = info.info(i).used_registers();
            used.iter().any(|used| {
                gpr(used.register()) == Some(number)
                    && !matches!(used.access(), OpAccess::Read | OpAccess::CondRead)
            })
        };
        if !writes {
            return Effect::None;
        }
        if i.op0_kind() != OpKind::Register || gpr(i.op0_register()) != Some(number) {
            return Effect::Makes(Made::Unknown);
        }
        match (i.mnemonic(), i.op1_kind()) {
            (Mnemonic::Mov, OpKind::Register) => match gpr(i.op1_register()) {
                Some(from) => Effect::Copies(Spot::Register(from)),
                None => Effect::Makes(Made::Unknown),
            },
            (
                Mnemonic::Mov | Mnemonic::Movzx | Mnemonic::Movsxd | Mnemonic::Movsx,
                OpKind::Memory,
            ) => match self.slot_of(at, i) {
                Some(slot) => Effect::Copies(Spot::Slot(slot)),
                None => Effect::Loads { deref: true },
            },
            (Mnemonic::Lea, OpKind::Memory) => match self.slot_of(at, i) {
                Some(slot) => Effect::Makes(Made::Frame(slot)),
                None => Effect::Loads { deref: false },
            },
            (Mnemonic::Xor, OpKind::Register) if i.op0_register() == i.op1_register() => {
                Effect::Makes(Made::Constant(0))
            }
            (Mnemonic::Mov, _) => Effect::Makes(Made::Constant(i.immediate(1))),
            _ => scaled(i).unwrap_or(Effect::Makes(Made::Unknown)),
        }
    }

    fn on_slot(&self, at: usize, i: &Instruction, slot: i32) -> Effect {
        if i.op0_kind() != OpKind::Memory {
            return Effect::None;
        }
        let writes = !matches!(i.mnemonic(), Mnemonic::Cmp | Mnemonic::Test);
        let size = i.memory_size().size() as i32;
        let Some(to) = self.slot_of(at, i).filter(|_| writes) else { return Effect::None };
        if slot < to || slot >= to.saturating_add(size) {
            return Effect::None;
        }
        match (i.mnemonic(), i.op1_kind()) {
            (Mnemonic::Mov, OpKind::Register) if to == slot => match gpr(i.op1_register()) {
                Some(from) => Effect::Copies(Spot::Register(from)),
                None => Effect::Makes(Made::Unknown),
            },
            // X15 is zero in all of Go's code (ABIInternal).
            (Mnemonic::Movups | Mnemonic::Movdqu, OpKind::Register)
                if i.op1_register() == Register::XMM15 =>
            {
                Effect::Makes(Made::Constant(0))
            }
            (Mnemonic::Mov, OpKind::Register | OpKind::Memory) => Effect::Makes(Made::Unknown),
            (Mnemonic::Mov, _) if to == slot => Effect::Makes(Made::Constant(i.immediate(1))),
            _ => Effect::Makes(Made::Unknown),
        }
    }

    /// The word of the frame that is the operand in memory of the instruction at `at`.
    pub(super) fn slot_of(&self, at: usize, i: &Instruction) -> Option<i32> {
        (i.memory_index() == Register::None).then(|| self.frame_place(at, i))?
    }

    /// The place in the frame that the operand in memory of the instruction at `at` counts from.
    fn frame_place(&self, at: usize, i: &Instruction) -> Option<i32> {
        let displacement = i32::try_from(i.memory_displacement64() as i64).ok()?;
        let from = match i.memory_base() {
            // It points to where the caller's was saved, below the return address.
            Register::RBP => -16,
            Register::RSP => -8 - self.depths.get(at)?,
            _ => return None,
        };
        displacement.checked_add(from)
    }

    /// The operand in memory of the instruction at `at`, as what it is computed from.
    pub(super) fn operand(&self, at: usize, deref: bool, budget: &mut Budget) -> Made {
        let i = &self.instructions[at];
        if budget.open.contains(&at) {
            return Made::Again;
        }
        let Some(depth) = budget.depth.checked_sub(1) else { return Made::Unknown };
        if i.segment_prefix() != Register::None {
            return Made::Unknown;
        }
        budget.depth = depth;
        budget.open.push(at);
        let made = self.computed(at, deref, budget);
        budget.open.pop();
        budget.depth += 1;
        made
    }

    fn computed(&self, at: usize, deref: bool, budget: &mut Budget) -> Made {
        let i = &self.instructions[at];
        let (base, offset) = match (i.is_ip_rel_memory_operand(), self.frame_place(at, i)) {
            (true, _) => {
                let va = FileVa(i.ip_rel_memory_address());
                if !deref {
                    return Made::Address(va);
                }
                (Origin { made: Made::Address(va), kept: Vec::new() }, 0)
            }
            // An array in the frame.
            (false, Some(place)) => (Origin { made: Made::Frame(place), kept: Vec::new() }, 0),
            (false, None) => {
                let Some(base) = gpr(i.memory_base()) else { return Made::Unknown };
                let base = self.back(at, Spot::Register(base), budget);
                (base, i.memory_displacement64() as i64)
            }
        };
        if !deref && offset == 0 && i.memory_base() == i.memory_index() {
            let by = u64::from(i.memory_index_scale()) + 1;
            return Made::Times { of: Box::new(base), by };
        }
        let index = gpr(i.memory_index()).map(|index| {
            let origin = self.back(at, Spot::Register(index), budget);
            (Box::new(origin), i.memory_index_scale())
        });
        let base = Box::new(base);
        match deref {
            true => Made::Word { base, index, offset },
            false => Made::Inside { base, index, offset },
        }
    }

    /// Where `spot` came from, at the function's entry.
    pub(super) fn at_entry(spot: Spot) -> Made {
        match spot {
            Spot::Register(number) if gpr(CONTEXT) == Some(number) => Made::Context,
            Spot::Register(number) => argument_in(number).map_or(Made::Unknown, Made::Argument),
            Spot::Slot(slot) if slot >= 0 => Made::Stacked(slot),
            Spot::Slot(_) => Made::Unknown,
        }
    }

    /// Where it is, before the instruction at `at`.
    pub(super) fn kept(&self, at: usize, spot: Spot) -> Kept {
        Kept { at: FileVa(self.instructions[at].ip()), spot }
    }
}

/// A multiplication of what is in a register by a constant.
fn scaled(i: &Instruction) -> Option<Effect> {
    let (from, by) = match (i.mnemonic(), i.op1_kind()) {
        (Mnemonic::Shl, OpKind::Immediate8) => {
            (i.op0_register(), 1u64.checked_shl(u32::from(i.immediate8()))?)
        }
        (Mnemonic::Imul, OpKind::Register) if i.op_count() == 3 => {
            (i.op1_register(), i.immediate(2))
        }
        _ => return None,
    };
    Some(Effect::Scales { from: Spot::Register(gpr(from)?), by })
}

/// Whether the function of this name leaves a register alone: helpers of the compiler with conventions
/// of their own (gcWriteBarrier in runtime/asm_amd64.s, runtime/duff_amd64.s).
fn keeps(name: &str, number: u8) -> bool {
    let (r11, rsi, rdi) = (11, 6, 7);
    match name {
        "runtime.duffzero" | "runtime.duffcopy" => number != rsi && number != rdi,
        _ => name.starts_with("runtime.gcWriteBarrier") && number != r11,
    }
}

/// The number of a general register, whole or in part.
pub(super) fn gpr(register: Register) -> Option<u8> {
    register.is_gpr().then(|| register.full_register().number() as u8)
}
