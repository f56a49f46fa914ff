//! The pass over the code: one function after the other.

use iced_x86::{Decoder, DecoderOptions, Instruction, InstructionInfoFactory};
use mapscope_binary::Func;
use rustc_hash::FxHashMap;

use super::body::Body;
use super::callee::{Callee, FuncId, is_generic};
use super::receiver::receiver;
use super::registers::{ARGUMENTS, CONTEXT, Content, Registers};
use super::sweep::Sweep;

/// Longer functions are looked through only so far, in bytes.
const MAX_CODE: u64 = 1 << 20;

impl Sweep<'_, '_> {
    pub(super) fn run(&mut self) {
        let go = self.go;
        let Some(table) = go.pclntab() else { return };
        let mut instructions = Vec::new();
        go.progress.begin("reading the code", table.len() as u64);
        for func in table.funcs() {
            go.progress.step(1);
            if go.progress.cancelled() {
                return;
            }
            let Some((id, callee)) = self.callees.get(func.entry()) else { continue };
            if callee == Callee::Plain || is_generic(func.name()) {
                self.places.begin(id);
                self.function(id, &func, &mut instructions);
                self.places.end(id);
            }
        }
    }

    fn function(&mut self, id: FuncId, func: &Func<'_, '_>, instructions: &mut Vec<Instruction>) {
        let entry = func.entry();
        let len = func.end().0.saturating_sub(entry.0).min(MAX_CODE);
        let Some(code) = self.go.image.elf.bytes_at(entry, len) else { return };
        instructions.clear();
        instructions.extend(Decoder::with_ip(64, code, entry.0, DecoderOptions::NONE).iter());
        let loops = instructions
            .iter()
            .filter(|i| i.is_jcc_short_or_near() || i.is_jmp_short_or_near())
            .filter(|i| i.near_branch_target() <= i.ip() && i.near_branch_target() != entry.0)
            .map(Instruction::near_branch_target)
            .collect();
        if let Some(holds) = receiver(&self.go.types, func.name()) {
            let first = self.places.argument(id, 0);
            self.tell(first, holds);
        }
        let registers = self.at_entry(id);
        let mut body = Body {
            sweep: self,
            func: id,
            registers,
            saved: FxHashMap::default(),
            loops,
            falls: true,
            depth: 0,
            info: InstructionInfoFactory::new(),
        };
        body.run(func, instructions);
    }

    fn at_entry(&self, func: FuncId) -> Registers {
        let mut registers = Registers::default();
        for (i, register) in ARGUMENTS.into_iter().enumerate() {
            registers.set(register, Content::Of(self.places.argument(func, i)));
        }
        registers.set(CONTEXT, Content::Of(self.places.context(func)));
        registers
    }
}
