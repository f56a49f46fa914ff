//! Registers of a goroutine that was interrupted.

use mapscope_target::{Addr, MemoryExt, Registers};

use super::{Frame, Unwinder, signal};
use crate::goroutine::Goroutine;

/// Frames looked at, the innermost.
const MAX_FRAMES: usize = 64;

/// What a signal handler has a goroutine call that is to let others run; what it saves at its stack
/// pointer, in this order (runtime/preempt_amd64.s, Go 1.19 to 1.27): registers by DWARF's numbers.
pub(crate) const PREEMPT: &str = "runtime.asyncPreempt";
pub(crate) const SAVED: [usize; 14] = [0, 2, 1, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15];

/// DWARF's numbers of RBP and RSP.
const RBP: usize = 6;
const RSP: usize = 7;

/// A frame, and the registers there.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a, 'd> {
    /// The frame: exact.
    pub frame: Frame<'a, 'd>,
    /// The registers at its instruction.
    pub registers: Registers,
}

impl<'a, 'd> Unwinder<'a, 'd> {
    /// The frames at which the registers of a goroutine are known, the innermost first: where its thread
    /// stands, where it was interrupted to let others run, and at the instruction that faulted.
    pub fn known(&self, goroutine: &Goroutine) -> Vec<Known<'a, 'd>> {
        let stack = self.stack(goroutine, MAX_FRAMES);
        let first = stack.frames.first().filter(|frame| frame.exact).copied();
        let first = first.zip(stack.registers);
        let first = first.map(|(frame, registers)| Known { frame, registers });
        let pairs = stack.frames.iter().zip(stack.frames.iter().skip(1));
        let others = pairs.filter_map(|(inner, frame)| {
            let registers = match inner.func.name() {
                PREEMPT => self.preempted(inner, frame),
                "runtime.sigpanic" => self.faulted(goroutine, frame),
                _ => None,
            };
            Some(Known { frame: *frame, registers: registers? })
        });
        first.into_iter().chain(others).collect()
    }

    /// What was saved of the goroutine that called `preempt`, which the scheduler has taken its thread
    /// from.
    fn preempted(&self, preempt: &Frame<'_, '_>, frame: &Frame<'_, '_>) -> Option<Registers> {
        let mut registers = Registers { rip: frame.pc.0, ..Registers::default() };
        for (word, number) in (0_u64..).zip(SAVED) {
            let at = preempt.sp.checked_add(word * 8)?;
            *registers.general.get_mut(number)? = self.memory.u64(at).ok()?;
        }
        // It is pushed first, below the return address.
        registers.general[RBP] = self.memory.u64(Addr(preempt.cfa.0.checked_sub(16)?)).ok()?;
        registers.general[RSP] = frame.sp.0;
        Some(registers)
    }

    /// What the kernel saved of an instruction that faulted, for the signal handler: still there, unless
    /// another signal came to the thread since.
    fn faulted(&self, goroutine: &Goroutine, frame: &Frame<'_, '_>) -> Option<Registers> {
        let handler = self.pointer(goroutine.m, self.m.gsignal?).ok()?;
        let stack = self.stack_of(handler).ok()?;
        let mut registers = signal::left(self.memory, stack, frame.sp, |pc| {
            self.code.find(pc).is_some_and(|func| func.name().starts_with("runtime.sigpanic"))
        })?;
        registers.rip = frame.pc.0;
        registers.general[RSP] = frame.sp.0;
        Some(registers)
    }
}
