//! From frame to frame, by the depths in the pclntab (`runtime.unwinder`, Go 1.19 … 1.27).

use std::ops::Range;

use mapscope_target::{Addr, Memory, MemoryExt, Registers};

use super::{Broken, Code, Frame};

/// Functions whose return address is the instruction that was interrupted: the runtime injects
/// calls to them from signal handlers (`isInjectedCall` in `runtime/traceback.go`).
const INJECTED: [&str; 3] = ["runtime.sigpanic", "runtime.asyncPreempt", "runtime.debugCallV2"];
/// It writes the stack pointer, and yet keeps a valid frame on both stacks
/// (`unwinder.resolveInternal`).
const CALLBACK: &str = "runtime.cgocallback";
/// The size of a return address, in bytes.
const POINTER: u64 = 8;

/// Where unwinding begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) pc: Addr,
    pub(super) sp: Addr,
    /// `pc` is no return address.
    pub(super) exact: bool,
    /// The stack pointer is to be believed in a function that switches stacks: it has not yet.
    pub(super) trusted: bool,
    /// The registers at `pc`, where they are known.
    pub(super) registers: Option<Registers>,
}

/// The frames of one stack, innermost first. What ended it is told by [`Walk::outcome`].
pub struct Walk<'a, 'd> {
    memory: &'a dyn Memory,
    code: Code<'a, 'd>,
    stack: Range<Addr>,
    next: Option<Start>,
    registers: Option<Registers>,
    outcome: Result<(), Broken>,
    depth: usize,
    limit: usize,
}

impl<'a, 'd> Walk<'a, 'd> {
    pub(super) fn new(
        memory: &'a dyn Memory,
        code: Code<'a, 'd>,
        stack: Range<Addr>,
        start: Result<Start, Broken>,
        limit: usize,
    ) -> Walk<'a, 'd> {
        let (next, outcome) = match start {
            Ok(start) => (Some(start), Ok(())),
            Err(broken) => (None, Err(broken)),
        };
        let registers = next.and_then(|start| start.registers);
        Walk { memory, code, stack, next, registers, outcome, depth: 0, limit }
    }

    /// What ended the unwinding: nothing amiss at the top of the stack, else why it went no
    /// further. Of meaning once the iterator is at its end.
    pub fn outcome(&self) -> &Result<(), Broken> {
        &self.outcome
    }

    /// The registers at the innermost frame, where they are known. Those of other frames are
    /// not: Go code preserves none across a call.
    pub fn registers(&self) -> Option<&Registers> {
        self.registers.as_ref()
    }

    fn frame(&self, at: &Start) -> Result<Frame<'a, 'd>, Broken> {
        if self.depth >= self.limit {
            return Err(Broken::TooDeep { limit: self.limit });
        }
        if !self.stack.contains(&at.sp) {
            return Err(Broken::OutOfStack { sp: at.sp });
        }
        let not_go = Broken::NotGo { pc: at.pc };
        let func = self.code.find(at.pc).ok_or(not_go.clone())?;
        let va = self.code.file_va(at.pc).ok_or(not_go)?;
        let delta = func.sp_delta(va);
        let delta = delta.ok_or_else(|| Broken::NoFrameInfo { function: func.name().into() })?;
        let cfa = at.sp.checked_add(u64::from(delta) + POINTER);
        let cfa = cfa.ok_or(Broken::OutOfStack { sp: at.sp })?;
        Ok(Frame { pc: at.pc, sp: at.sp, cfa, exact: at.exact, func, va })
    }

    /// Where the caller of `frame` stands, or `None` at the top of the stack.
    fn caller(&self, frame: &Frame<'a, 'd>, trusted: bool) -> Result<Option<Start>, Broken> {
        let name = frame.func.name();
        if frame.func.is_top_frame() {
            return Ok(None);
        }
        if frame.func.writes_sp() && !trusted && name != CALLBACK {
            return Err(Broken::SwitchesStacks { function: name.into() });
        }
        if frame.cfa > self.stack.end {
            return Err(Broken::OutOfStack { sp: frame.cfa });
        }
        let pc = self.memory.addr(Addr(frame.cfa.0 - POINTER))?;
        let exact = INJECTED.contains(&name);
        Ok(Some(Start { pc, sp: frame.cfa, exact, trusted: false, registers: None }))
    }
}

impl<'a, 'd> Iterator for Walk<'a, 'd> {
    type Item = Frame<'a, 'd>;

    fn next(&mut self) -> Option<Frame<'a, 'd>> {
        let at = self.next.take()?;
        let frame = match self.frame(&at) {
            Ok(frame) => frame,
            Err(broken) => {
                self.outcome = Err(broken);
                return None;
            }
        };
        self.depth += 1;
        match self.caller(&frame, at.trusted) {
            Ok(caller) => self.next = caller,
            Err(broken) => self.outcome = Err(broken),
        }
        Some(frame)
    }
}
