//! Calls that the compiler inlined (`runtime.inlinedCall`, `runtime/symtabinl.go`).

use super::{Func, Layout};
use crate::FileVa;
use crate::bytes::le_u32;

/// `abi.PCDATA_InlTreeIndex` and `abi.FUNCDATA_InlTree`: the same in Go 1.19 … 1.27.
const INLINE_INDEX: u32 = 2;
const INLINE_TREE: u8 = 3;
/// The compiler's budget keeps real nesting far below this.
const MAX_DEPTH: usize = 512;

/// A function as the source has it, at one place in its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeFrame<'d> {
    /// The function's name.
    pub function: &'d str,
    /// The source file; empty where it is not known.
    pub file: &'d str,
    /// The line, from 1; 0 where it is not known.
    pub line: u32,
    /// It was inlined into the function that follows it in the list.
    pub inlined: bool,
}

/// One entry of an inline tree.
struct Call {
    name: i32,
    /// An instruction that belongs to the place of the call, in bytes from the entry.
    parent: u32,
}

/// The frames at `pc`, innermost first; always at least the function itself.
pub(super) fn frames<'d>(func: &Func<'_, 'd>, pc: FileVa) -> Vec<CodeFrame<'d>> {
    let mut pc = pc;
    let mut frames = Vec::with_capacity(1);
    while frames.len() < MAX_DEPTH
        && let Some(call) = call_at(func, pc)
    {
        let function = func.name_at(call.name).unwrap_or_default();
        frames.push(frame(func, function, pc, true));
        let Some(parent) = func.entry().checked_add(u64::from(call.parent)) else { break };
        pc = parent;
    }
    frames.push(frame(func, func.name(), pc, false));
    frames
}

fn frame<'d>(func: &Func<'_, 'd>, function: &'d str, pc: FileVa, inlined: bool) -> CodeFrame<'d> {
    let file = func.file(pc).unwrap_or_default();
    CodeFrame { function, file, line: func.line(pc).unwrap_or(0), inlined }
}

/// The innermost inlined call at `pc`, if it belongs to one.
fn call_at(func: &Func<'_, '_>, pc: FileVa) -> Option<Call> {
    let index = usize::try_from(func.pcdata(INLINE_INDEX, pc)?).ok()?;
    let tree = usize::try_from(func.funcdata(INLINE_TREE)?).ok()?;
    let table = func.table();
    // Go 1.20 dropped the parent's index, file and line (CL 426054), which the parent's
    // instruction tells as well.
    let (size, name, parent) = match table.layout {
        Layout::Go118 => (20, 12, 16),
        Layout::Go120 => (16, 4, 8),
    };
    let at = tree.checked_add(index.checked_mul(size)?)?;
    let field = |offset: usize| le_u32(table.gofunc, at.checked_add(offset)?);
    Some(Call { name: field(name)? as i32, parent: field(parent)? })
}
