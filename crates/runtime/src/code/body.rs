//! One function, instruction by instruction.

use mapscope_binary::{FileVa, Func};

use super::callee::FuncId;
use super::effect::{Effect, Number};
use super::joins::{Joins, Ways};
use super::op::Op;
use super::registers::{Content, Registers};
use super::sweep::Sweep;

/// The function under way.
pub(super) struct Body<'s, 'g, 'a> {
    pub(super) sweep: &'s mut Sweep<'g, 'a>,
    pub(super) func: FuncId,
    pub(super) entry: FileVa,
    pub(super) registers: Registers,
    /// What they hold where jumps lead.
    pub(super) joins: &'s mut Joins,
    /// The instruction can be reached from the one before.
    pub(super) falls: bool,
    /// How far the stack pointer stands below its place at entry.
    pub(super) depth: i32,
}

impl Body<'_, '_, '_> {
    pub(super) fn run(&mut self, func: &Func<'_, '_>, ops: &[Op]) {
        let mut steps = func.sp_deltas();
        let mut until = 0;
        for op in ops {
            if until <= op.at {
                let mut step = steps.by_ref().map(|(depth, end)| (depth, self.within(end)));
                let step = step.find(|(_, end)| op.at < *end);
                (self.depth, until) = step.unwrap_or((self.depth, u32::MAX));
            }
            self.arrive(op.at);
            self.step(*op);
        }
    }

    /// How far into the function `va` is, in bytes.
    fn within(&self, va: FileVa) -> u32 {
        let distance = va.0.saturating_sub(self.entry.0);
        u32::try_from(distance).unwrap_or(u32::MAX)
    }

    /// Where what is so far from the end of `op` is linked to lie.
    pub(super) fn past(&self, op: Op, by: i32) -> FileVa {
        FileVa(self.entry.0.wrapping_add(op.next().into()).wrapping_add_signed(by.into()))
    }

    fn arrive(&mut self, at: u32) {
        match self.joins.at(at) {
            Ways::Loop => self.registers.clear(),
            Ways::Kept(kept) if self.falls => self.registers.meet(kept),
            Ways::Kept(kept) => self.registers = kept.clone(),
            Ways::None if !self.falls => self.registers.clear(),
            Ways::None => {}
        }
        self.falls = true;
    }

    fn jump(&mut self, op: Op, by: i32) {
        if let Some(target) = op.next().checked_add_signed(by) {
            self.joins.jump(target, &self.registers);
        }
    }

    fn step(&mut self, op: Op) {
        match op.effect() {
            Effect::Move { to, from } => {
                let content = self.read(from);
                self.registers.set(to, content);
            }
            Effect::Load { to, whole, from } => {
                let content = self.load(op, from);
                self.registers.set(to, if whole { content } else { Content::Unknown });
            }
            Effect::Store { to, from } => {
                let content = self.read(from);
                self.store(op, to, content);
            }
            Effect::Address { to, of } => {
                let content = self.address(op, of);
                self.registers.set(to, content);
            }
            Effect::Compute { reads, writes } => self.compute(reads, writes),
            Effect::Call(by) => self.call(self.past(op, by)),
            Effect::CallIndirect => self.registers.clear(),
            Effect::Branch(by) => self.jump(op, by),
            Effect::Jump(by) => {
                self.jump(op, by);
                self.falls = false;
            }
            Effect::Return => {
                self.results();
                self.falls = false;
            }
            Effect::End => self.falls = false,
        }
    }

    fn compute(&mut self, reads: u16, writes: u16) {
        for register in each(reads) {
            self.read(register);
        }
        for register in each(writes) {
            self.registers.set(register, Content::Unknown);
        }
    }
}

/// The registers of a set.
fn each(mut set: u16) -> impl Iterator<Item = Number> {
    std::iter::from_fn(move || {
        let next = set.trailing_zeros() as Number;
        set &= set.checked_sub(1)?;
        Some(next)
    })
}
