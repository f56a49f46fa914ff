//! How a closure holds a captured variable, where DWARF leaves it open.

use mapscope_target::{Addr, Fault, MemoryExt};

use crate::Go;
use crate::closure::Captured;
use crate::module::Module;

/// Whether a closure holds, at `place`, a pointer to a variable and not the variable itself.
/// `next` is how far away the next one it holds is.
///
/// DWARF describes a variable that was captured by reference, and one that was captured by value
/// and that the closure moves to the heap each time it runs, as the same `&name`
/// (cmd/compile/internal/dwarfgen/dwarf.go, 1.23 to 1.27). It is a pointer where there is room for
/// no more, or where it leads to what such a variable is moved to: an object of just its size, or
/// a stack.
///
/// # Errors
///
/// What is at `place` cannot be read.
pub(super) fn is_pointer(
    go: &Go<'_>,
    place: Addr,
    next: Option<u64>,
    variable: &Captured,
) -> Result<bool, Fault> {
    let size = go.types.get(variable.ty).size;
    if !variable.by_reference || room(go, place, next) < size {
        return Ok(variable.by_reference);
    }
    let target = go.memory().addr(place)?;
    let Some(object) = go.heap.object(target) else {
        // A stack, of whichever goroutine; what is of the executable was not moved there.
        return Ok(!in_executable(go, target) && go.memory().u64(target).is_ok());
    };
    // Larger objects begin with the word that tells their type.
    let header = target.0.wrapping_sub(object.base.0);
    Ok(header <= 8 && object.size == go.heap.rounded(size, true))
}

fn in_executable(go: &Go<'_>, addr: Addr) -> bool {
    let end = |module: &Module| module.data.iter().map(|range| range.end).max();
    go.modules.iter().any(|m| m.text.start <= addr && end(m).is_some_and(|end| addr < end))
}

/// The most bytes that the variable can take.
fn room(go: &Go<'_>, place: Addr, next: Option<u64>) -> u64 {
    let left = go.heap.object(place).map(|o| o.base.0.saturating_add(o.size) - place.0);
    next.unwrap_or(u64::MAX).min(left.unwrap_or(u64::MAX))
}
