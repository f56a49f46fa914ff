//! Stacks: from a goroutine to the functions that are active on it.

mod broken;
mod code;
mod frame;
pub(crate) mod known;
mod signal;
mod start;
#[cfg(test)]
mod tests;
mod walk;

use std::ops::Range;

use mapscope_target::{Addr, Fault, Memory, MemoryExt, Registers, Thread};

use crate::evidence::{G, M};
use crate::goroutine::Goroutine;

pub use broken::Broken;
pub use code::Code;
pub use frame::Frame;
pub use known::Known;
pub use walk::Walk;

use walk::Start;

/// How many frames are followed: a gigabyte of stack, which is where Go
/// itself gives up, holds more only of functions with no locals at all.
const MAX_FRAMES: usize = 1 << 20;

/// Stacks of threads are at most so large, in bytes: the kernel's limit for the first thread as a rule.
const MAX_STACK: u64 = 8 << 20;

/// Signal handlers that interrupt one another.
const MAX_SIGNALS: usize = 4;

/// The frames of one goroutine.
#[derive(Clone, Debug)]
pub struct Stack<'a, 'd> {
    /// Its frames, innermost first.
    pub frames: Vec<Frame<'a, 'd>>,
    /// The registers at the innermost frame, where they are known.
    pub registers: Option<Registers>,
    /// What ended the unwinding before the top of the stack.
    pub broken: Option<Broken>,
    /// There are more frames than were asked for.
    pub cut: bool,
}

/// Unwinds the stacks of one process.
#[derive(Clone, Copy)]
pub struct Unwinder<'a, 'd> {
    memory: &'a dyn Memory,
    code: Code<'a, 'd>,
    g: &'a G,
    m: &'a M,
    threads: &'a [Thread],
}

impl<'a, 'd> Unwinder<'a, 'd> {
    /// An unwinder; `threads` are the process's, with registers where they are known.
    pub fn new(
        memory: &'a dyn Memory,
        code: Code<'a, 'd>,
        g: &'a G,
        m: &'a M,
        threads: &'a [Thread],
    ) -> Unwinder<'a, 'd> {
        Unwinder { memory, code, g, m, threads }
    }

    /// The frames of a goroutine's own stack. While its thread is on another stack (the
    /// scheduler's, a signal handler's, C's), they begin where it left its own.
    pub fn goroutine(&self, goroutine: &Goroutine) -> Walk<'a, 'd> {
        let start = self.start(goroutine);
        Walk::new(self.memory, self.code, goroutine.stack.clone(), start, MAX_FRAMES)
    }

    /// The frames of a goroutine's own stack, the innermost `most` of them.
    pub fn stack(&self, goroutine: &Goroutine, most: usize) -> Stack<'a, 'd> {
        let mut walk = self.goroutine(goroutine);
        let registers = walk.registers().copied();
        let frames: Vec<Frame<'a, 'd>> = walk.by_ref().take(most).collect();
        let cut = frames.len() == most && walk.next().is_some();
        let broken = walk.outcome().as_ref().err().filter(|_| !cut).cloned();
        Stack { frames, registers, broken, cut }
    }

    /// The frames from a thread's registers on, on `stack`.
    pub fn registers(&self, registers: &Registers, stack: Range<Addr>) -> Walk<'a, 'd> {
        let start = Ok(Start::at(registers));
        Walk::new(self.memory, self.code, stack, start, MAX_FRAMES)
    }

    /// The frames from a thread's registers on, whichever stack it is on; where a signal handler ends,
    /// those of what the signal interrupted follow. At most `most` of them.
    pub fn thread(&self, registers: &Registers, most: usize) -> Vec<Frame<'a, 'd>> {
        let mut frames = Vec::new();
        let mut at = Some(*registers);
        for _ in 0..MAX_SIGNALS {
            let Some(registers) = at else { break };
            let top = Addr(registers.rsp().0.saturating_add(MAX_STACK));
            let walk = || self.registers(&registers, registers.rsp()..top);
            frames.extend(walk().take(most.saturating_sub(frames.len())));
            at = signal::interrupted(self.memory, walk(), registers.fs_base);
        }
        frames
    }

    /// The stack of the `runtime.g` at `g`.
    fn stack_of(&self, g: Addr) -> Result<Range<Addr>, Fault> {
        let bound = |offset| self.memory.addr(Addr(g.0.wrapping_add(offset)));
        Ok(bound(self.g.stack_lo)?..bound(self.g.stack_hi)?)
    }
}
