//! One function, instruction by instruction.

use iced_x86::{FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind};
use mapscope_binary::{FileVa, Func};

use super::callee::FuncId;
use super::joins::{Joins, Ways};
use super::registers::{Content, Registers};
use super::sweep::Sweep;

/// The function under way.
pub(super) struct Body<'s, 'g, 'a> {
    pub(super) sweep: &'s mut Sweep<'g, 'a>,
    pub(super) func: FuncId,
    pub(super) registers: Registers,
    /// What they hold where jumps lead.
    pub(super) joins: &'s mut Joins,
    /// The instruction can be reached from the one before.
    pub(super) falls: bool,
    /// How far the stack pointer stands below its place at entry.
    pub(super) depth: i32,
    pub(super) info: &'s mut InstructionInfoFactory,
}

impl Body<'_, '_, '_> {
    pub(super) fn run(&mut self, func: &Func<'_, '_>, instructions: &[Instruction]) {
        let mut steps = func.sp_deltas();
        let mut until = 0;
        for instruction in instructions {
            let ip = instruction.ip();
            if until <= ip {
                let step = steps.find(|(_, end)| ip < end.0);
                let (depth, end) = step.map_or((self.depth, u64::MAX), |(at, end)| (at, end.0));
                (self.depth, until) = (depth, end);
            }
            self.arrive(ip);
            self.step(instruction);
        }
    }

    pub(super) fn arrive(&mut self, ip: u64) {
        match self.joins.at(ip) {
            Ways::Loop => self.registers.clear(),
            Ways::Kept(kept) if self.falls => self.registers.meet(kept),
            Ways::Kept(kept) => self.registers = kept.clone(),
            Ways::None if !self.falls => self.registers.clear(),
            Ways::None => {}
        }
        self.falls = true;
    }

    pub(super) fn step(&mut self, i: &Instruction) {
        match i.flow_control() {
            FlowControl::Next => self.compute(i),
            FlowControl::Call => self.call(FileVa(i.near_branch_target())),
            FlowControl::IndirectCall => self.registers.clear(),
            FlowControl::ConditionalBranch => {
                self.joins.jump(i.near_branch_target(), &self.registers)
            }
            FlowControl::UnconditionalBranch => {
                self.joins.jump(i.near_branch_target(), &self.registers);
                self.falls = false;
            }
            FlowControl::Return => {
                self.results();
                self.falls = false;
            }
            _ => self.falls = false,
        }
    }

    pub(super) fn compute(&mut self, i: &Instruction) {
        use OpKind::{Memory as Mem, Register as Reg};
        match (i.mnemonic(), i.op0_kind(), i.op1_kind()) {
            (Mnemonic::Mov, Reg, Reg) => {
                let content = self.read(i.op1_register());
                self.registers.set(i.op0_register(), content);
            }
            (Mnemonic::Mov, Reg, Mem) => {
                let content = self.load(i);
                self.registers.set(i.op0_register(), content);
            }
            (Mnemonic::Mov, Mem, Reg) => {
                let content = self.read(i.op1_register());
                if i.op1_register().size() == 8 {
                    self.store(i, content);
                }
            }
            (Mnemonic::Lea, Reg, Mem) => {
                let content = self.address(i);
                self.registers.set(i.op0_register(), content);
            }
            (Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Movups, _, _) => self.look(i),
            (Mnemonic::Xor, Reg, Reg) if i.op0_register() == i.op1_register() => {
                self.registers.set(i.op0_register(), Content::Unknown);
            }
            (Mnemonic::Mov | Mnemonic::Movzx | Mnemonic::Movsx | Mnemonic::Movsxd, Reg, _) => {
                self.look_at(i, 1);
                self.registers.set(i.op0_register(), Content::Unknown);
            }
            (Mnemonic::Mov, Mem, _) => self.look_at(i, 0),
            (
                Mnemonic::Add
                | Mnemonic::Sub
                | Mnemonic::And
                | Mnemonic::Or
                | Mnemonic::Xor
                | Mnemonic::Shl
                | Mnemonic::Shr
                | Mnemonic::Sar,
                ..,
            ) => self.change(i),
            (Mnemonic::Nop, ..) => {}
            _ => self.other(i),
        }
    }

    /// An instruction that reads both operands, and writes the first.
    fn change(&mut self, i: &Instruction) {
        self.look(i);
        if i.op0_kind() == OpKind::Register {
            self.registers.set(i.op0_register(), Content::Unknown);
        }
    }

    /// An instruction that writes no general register.
    fn look(&mut self, i: &Instruction) {
        self.look_at(i, 0);
        self.look_at(i, 1);
    }

    /// What one operand is, or what it is reached by, is read.
    fn look_at(&mut self, i: &Instruction, operand: u32) {
        match i.op_kind(operand) {
            OpKind::Register => self.read(i.op_register(operand)),
            OpKind::Memory => {
                self.read(i.memory_base());
                self.read(i.memory_index())
            }
            _ => Content::Unknown,
        };
    }

    /// An instruction that moves nothing that is followed.
    pub(super) fn other(&mut self, i: &Instruction) {
        let info = self.info.info(i);
        for used in info.used_registers() {
            let content = self.registers.get(used.register());
            let reads = !matches!(used.access(), OpAccess::Write | OpAccess::CondWrite);
            if let (Content::Of(place), true) = (content, reads) {
                self.sweep.read(place);
            }
        }
        for used in info.used_registers() {
            if !matches!(used.access(), OpAccess::Read | OpAccess::CondRead) {
                self.registers.set(used.register(), Content::Unknown);
            }
        }
    }
}
