//! One function, instruction by instruction.

use iced_x86::{FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind};
use mapscope_binary::{FileVa, Func};
use rustc_hash::{FxHashMap, FxHashSet};

use super::callee::FuncId;
use super::registers::{Content, Registers};
use super::sweep::Sweep;

/// The function under way.
pub(super) struct Body<'s, 'g, 'a> {
    pub(super) sweep: &'s mut Sweep<'g, 'a>,
    pub(super) func: FuncId,
    pub(super) registers: Registers,
    /// What the registers hold where a jump forward leads.
    pub(super) saved: FxHashMap<u64, Registers>,
    /// Where jumps backward lead.
    pub(super) loops: FxHashSet<u64>,
    /// The instruction can be reached from the one before.
    pub(super) falls: bool,
    /// How far the stack pointer stands below its place at entry.
    pub(super) depth: i32,
    pub(super) info: InstructionInfoFactory,
}

impl Body<'_, '_, '_> {
    pub(super) fn run(&mut self, func: &Func<'_, '_>, instructions: &[Instruction]) {
        let mut steps = func.sp_deltas().peekable();
        for instruction in instructions {
            let ip = instruction.ip();
            while steps.next_if(|(_, end)| end.0 <= ip).is_some() {}
            if let Some((value, _)) = steps.peek() {
                self.depth = *value;
            }
            self.arrive(ip);
            self.step(instruction);
        }
    }

    pub(super) fn arrive(&mut self, ip: u64) {
        match self.saved.remove(&ip) {
            _ if self.loops.contains(&ip) => self.registers.clear(),
            Some(saved) if self.falls => self.registers.meet(&saved),
            Some(saved) => self.registers = saved,
            None if !self.falls => self.registers.clear(),
            None => {}
        }
        self.falls = true;
    }

    pub(super) fn step(&mut self, i: &Instruction) {
        match i.flow_control() {
            FlowControl::Next => self.compute(i),
            FlowControl::Call => self.call(FileVa(i.near_branch_target())),
            FlowControl::IndirectCall => self.registers.clear(),
            FlowControl::ConditionalBranch => self.jump(i.near_branch_target()),
            FlowControl::UnconditionalBranch => {
                self.jump(i.near_branch_target());
                self.falls = false;
            }
            FlowControl::Return => {
                self.results();
                self.falls = false;
            }
            _ => self.falls = false,
        }
    }

    pub(super) fn jump(&mut self, target: u64) {
        match self.saved.entry(target) {
            std::collections::hash_map::Entry::Occupied(mut saved) => {
                saved.get_mut().meet(&self.registers);
            }
            std::collections::hash_map::Entry::Vacant(saved) => {
                saved.insert(self.registers.clone());
            }
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
            _ => self.other(i),
        }
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
