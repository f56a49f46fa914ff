//! The pass over the code: one function after the other.

use iced_x86::{Decoder, DecoderOptions, Instruction, InstructionInfoFactory};
use mapscope_binary::{FileVa, Func};

use super::body::Body;
use super::callee::{Callee, FuncId};
use super::joins::Joins;
use super::receiver::Receivers;
use super::registers::{ARGUMENTS, CONTEXT, Content, Registers};
use super::sweep::Sweep;

/// Longer functions are looked through only so far, in bytes.
const MAX_CODE: u64 = 1 << 20;

/// What is needed for one function after the other, so as not to be made anew for each.
struct Scratch<'n> {
    receivers: Receivers<'n>,
    instructions: Vec<Instruction>,
    joins: Joins,
    info: InstructionInfoFactory,
}

impl Scratch<'_> {
    fn new() -> Self {
        Scratch {
            receivers: Receivers::default(),
            instructions: Vec::new(),
            joins: Joins::default(),
            info: InstructionInfoFactory::new(),
        }
    }

    /// Takes the instructions of the function whose code begins at `entry`, and where it loops.
    fn decode(&mut self, entry: FileVa, code: &[u8]) {
        self.instructions.clear();
        self.joins.begin(entry.0, code.len());
        let mut decoder = Decoder::with_ip(64, code, entry.0, DecoderOptions::NONE);
        while decoder.can_decode() {
            self.instructions.push(Instruction::default());
            let Some(instruction) = self.instructions.last_mut() else { return };
            decoder.decode_out(instruction);
            if instruction.is_jcc_short_or_near() || instruction.is_jmp_short_or_near() {
                let target = instruction.near_branch_target();
                // A function that needs more stack begins again once it has it.
                if target <= instruction.ip() && target != entry.0 {
                    self.joins.loops(target);
                }
            }
        }
    }
}

impl<'a> Sweep<'_, 'a> {
    pub(super) fn run(&mut self) {
        let go = self.go;
        let Some(table) = go.pclntab() else { return };
        let mut scratch = Scratch::new();
        go.progress.begin("reading the code", table.len() as u64);
        for func in table.funcs() {
            go.progress.step(1);
            if go.progress.cancelled() {
                return;
            }
            let Some((id, callee)) = self.callees.get(func.entry()) else { continue };
            if matches!(callee, Callee::Plain | Callee::Generic) {
                self.places.begin(id);
                self.function(id, &func, &mut scratch);
                self.places.end(id);
            }
        }
    }

    fn function(&mut self, id: FuncId, func: &Func<'_, 'a>, scratch: &mut Scratch<'a>) {
        let entry = func.entry();
        let len = func.end().0.saturating_sub(entry.0).min(MAX_CODE);
        let Some(code) = self.go.image.elf.bytes_at(entry, len) else { return };
        scratch.decode(entry, code);
        if let Some(holds) = scratch.receivers.of(&self.go.types, func.name()) {
            let first = self.places.argument(id, 0);
            self.tell(first, holds);
        }
        let registers = self.at_entry(id);
        let mut body = Body {
            sweep: self,
            func: id,
            registers,
            joins: &mut scratch.joins,
            falls: true,
            depth: 0,
            info: &mut scratch.info,
        };
        body.run(func, &scratch.instructions);
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
