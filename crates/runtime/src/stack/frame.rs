//! One frame of a stack.

use mapscope_binary::{CodeFrame, FileVa, Func};
use mapscope_target::Addr;

/// The activation of one function on a stack.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a, 'd> {
    /// Where it stands: for all but the innermost frame and interrupted ones a return address.
    pub pc: Addr,
    /// The stack pointer there.
    pub sp: Addr,
    /// The canonical frame address: what the stack pointer was before the call that made this
    /// frame. The return address lies below it, arguments on the stack from it on. DWARF's
    /// `DW_OP_call_frame_cfa`.
    pub cfa: Addr,
    /// `pc` is the very instruction it was interrupted at, and not a return address.
    pub exact: bool,
    /// The function.
    pub func: Func<'a, 'd>,
    /// `pc` as an address in the executable.
    pub(crate) va: FileVa,
}

impl<'d> Frame<'_, 'd> {
    /// The instruction it executes, as an address in the executable: to look up lines, locals
    /// and inlined calls by. Of a return address that is the call before it.
    pub fn lookup(&self) -> FileVa {
        // As `unwinder.symPC` in runtime/traceback.go.
        let inside_call = !self.exact && self.va > self.func.entry();
        FileVa(if inside_call { self.va.0 - 1 } else { self.va.0 })
    }

    /// The functions it stands for by inlining, innermost first; the last is `func`.
    pub fn lines(&self) -> Vec<CodeFrame<'d>> {
        self.func.frames(self.lookup())
    }
}
