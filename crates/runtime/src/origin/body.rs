//! The code of one function, with the ways through it.

use std::cell::RefCell;

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpKind,
};
use mapscope_binary::{FileVa, Func};
use rustc_hash::FxHashMap;

use super::effect::{argument_register, gpr};
use super::{Made, Origin, Spot};
use crate::Go;
use crate::code::CONTEXT;
use crate::types::TypeId;

/// The code of one function.
pub struct Body<'g, 'a> {
    pub(super) go: &'g Go<'a>,
    pub(super) instructions: Vec<Instruction>,
    /// How far the stack pointer stands below its place at entry, before each instruction.
    pub(super) depths: Vec<i32>,
    /// From where a jump leads to an instruction, by its index.
    pub(super) jumps: FxHashMap<usize, Vec<usize>>,
    pub(super) info: RefCell<InstructionInfoFactory>,
}

/// Comparisons looked at for a type.
const MAX_COMPARES: usize = 16;

/// Instructions after a call in which its results are put down.
const MAX_AFTER: usize = 16;

/// Longer functions are not followed, in bytes.
const MAX_CODE: u64 = 1 << 20;

impl<'g, 'a> Body<'g, 'a> {
    /// The code of `func`; `None` where the executable's file does not have it, or it is too long.
    pub fn of(go: &'g Go<'a>, func: &Func<'_, '_>) -> Option<Body<'g, 'a>> {
        let entry = func.entry();
        let len = func.end().0.checked_sub(entry.0).filter(|len| *len <= MAX_CODE)?;
        let code = go.image.elf.bytes_at(entry, len)?;
        let decoder = Decoder::with_ip(64, code, entry.0, DecoderOptions::NONE);
        let instructions: Vec<Instruction> = decoder.into_iter().collect();
        let mut body = Body {
            go,
            depths: depths(func, &instructions),
            jumps: FxHashMap::default(),
            instructions,
            info: RefCell::new(InstructionInfoFactory::new()),
        };
        for from in 0..body.instructions.len() {
            if let Some(to) = body.jump(from) {
                body.jumps.entry(to).or_default().push(from);
            }
        }
        Some(body)
    }

    /// Where argument `number` of the call that returns to `back` came from.
    pub fn argument(&self, back: FileVa, number: u8) -> Option<Origin> {
        let call = self.call_before(back)?;
        let register = argument_register(number)?;
        Some(self.trace(call, Spot::Register(register)))
    }

    /// Where the closure came from that the call which returns to `back` was made with.
    pub(super) fn closure(&self, back: FileVa) -> Option<Origin> {
        Some(self.trace(self.call_before(back)?, Spot::Register(gpr(CONTEXT)?)))
    }

    /// Every call that names the function it calls: the return address, and that function.
    pub fn calls(&self) -> impl Iterator<Item = (FileVa, FileVa)> {
        let calls = self.instructions.iter().filter(|i| i.flow_control() == FlowControl::Call);
        calls.map(|i| (FileVa(i.next_ip()), FileVa(i.near_branch_target())))
    }

    /// The function that is called by the call that returns to `back`, where the call names it.
    pub fn callee(&self, back: FileVa) -> Option<FileVa> {
        let call = &self.instructions[self.call_before(back)?];
        (call.flow_control() == FlowControl::Call).then(|| FileVa(call.near_branch_target()))
    }

    /// Where the pointer came from that the operand in memory of the instruction at `at` is
    /// reached by.
    pub fn followed(&self, at: FileVa) -> Option<Origin> {
        let at = self.instructions.binary_search_by_key(&at.0, Instruction::ip).ok()?;
        let base = gpr(self.instructions[at].memory_base())?;
        Some(self.trace(at, Spot::Register(base)))
    }

    /// The type with whose descriptor, or `itab`, a word was last compared before `at`, in the order of
    /// the code.
    pub(super) fn compared(&self, at: FileVa) -> Option<TypeId> {
        let end = self.instructions.partition_point(|i| i.ip() < at.0);
        let before = self.instructions[..end].iter().enumerate().rev();
        let compares = before
            .filter(|(_, i)| i.mnemonic() == Mnemonic::Cmp && i.op1_kind() == OpKind::Register);
        compares.take(MAX_COMPARES).find_map(|(at, i)| {
            let register = gpr(i.op1_register())?;
            match self.trace(at, Spot::Register(register)).made {
                Made::Address(va) => self.go.described(self.go.addr_of(va)),
                _ => None,
            }
        })
    }

    /// The slots of the frame that result `number` of the call that returns to `back` is put down in,
    /// right after it.
    pub(super) fn put_down(&self, back: FileVa, number: u8) -> Vec<i32> {
        let Some(register) = argument_register(number) else { return Vec::new() };
        let first = self.instructions.partition_point(|i| i.ip() < back.0);
        let after = self.instructions.iter().enumerate().skip(first).take(MAX_AFTER);
        let straight = after.take_while(|(_, i)| i.flow_control() == FlowControl::Next);
        let stores = straight.filter(|(_, i)| {
            i.mnemonic() == Mnemonic::Mov
                && i.op0_kind() == OpKind::Memory
                && i.op1_kind() == OpKind::Register
                && gpr(i.op1_register()) == Some(register)
        });
        stores.filter_map(|(at, i)| self.slot_of(at, i)).collect()
    }

    /// Whether the code takes the address of what begins in the frame so many bytes from its canonical
    /// address.
    pub(super) fn takes_address(&self, begin: i64) -> bool {
        let mut all = self.instructions.iter().enumerate();
        all.any(|(at, i)| {
            i.mnemonic() == Mnemonic::Lea && self.slot_of(at, i).map(i64::from) == Some(begin)
        })
    }

    /// Whether the word of the frame at `slot` was made like that, whichever way led to the instruction
    /// at `at`.
    pub(super) fn holds(&self, at: FileVa, slot: i32, made: &Made) -> bool {
        let at = self.instructions.binary_search_by_key(&at.0, Instruction::ip);
        at.is_ok_and(|at| self.trace(at, Spot::Slot(slot)).made.is_like(made))
    }

    /// Where the call is that returns to `back`.
    pub(super) fn call_at(&self, back: FileVa) -> Option<FileVa> {
        self.call_before(back).map(|call| FileVa(self.instructions[call].ip()))
    }

    /// The call that returns to `back`.
    fn call_before(&self, back: FileVa) -> Option<usize> {
        let after = self.instructions.partition_point(|i| i.ip() < back.0);
        let call = after.checked_sub(1)?;
        let i = self.instructions.get(call)?;
        let calls = matches!(i.flow_control(), FlowControl::Call | FlowControl::IndirectCall);
        (calls && i.next_ip() == back.0).then_some(call)
    }

    /// The instruction that the one at `from` may jump to. What jumps to the entry has grown the
    /// stack, and begins anew.
    fn jump(&self, from: usize) -> Option<usize> {
        let i = self.instructions.get(from)?;
        let jumps = matches!(
            i.flow_control(),
            FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch
        );
        let target = i.near_branch_target();
        let to = self.instructions.binary_search_by_key(&target, Instruction::ip).ok()?;
        (jumps && to != 0).then_some(to)
    }

    /// The instructions that may be executed before the one at `at`.
    pub(super) fn before(&self, at: usize) -> Vec<usize> {
        let mut before = self.jumps.get(&at).cloned().unwrap_or_default();
        if let Some(above) = at.checked_sub(1).filter(|above| self.falls(*above)) {
            before.insert(0, above);
        }
        before
    }

    fn falls(&self, at: usize) -> bool {
        let flow = self.instructions[at].flow_control();
        let ends = matches!(
            flow,
            FlowControl::UnconditionalBranch
                | FlowControl::IndirectBranch
                | FlowControl::Return
                | FlowControl::Exception
        );
        !ends
    }
}

/// The depth of the stack before each instruction.
fn depths(func: &Func<'_, '_>, instructions: &[Instruction]) -> Vec<i32> {
    let mut steps = func.sp_deltas().peekable();
    let depth = |i: &Instruction| {
        while steps.next_if(|(_, end)| end.0 <= i.ip()).is_some() {}
        steps.peek().map_or(0, |(value, _)| *value)
    };
    instructions.iter().map(depth).collect()
}
