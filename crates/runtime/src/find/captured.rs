//! How a closure holds a captured variable, where DWARF leaves it open.

use std::ops::Range;

use mapscope_target::{Addr, Fault, MemoryExt};

use crate::Go;
use crate::closure::Captured;

/// Whether a closure holds, at `place`, a pointer to a variable and not the variable itself.
/// `next` is how far away the next one it holds is.
///
/// DWARF describes a variable that was captured by reference, and one that was captured by value
/// and that the closure moves to the heap each time it runs, as the same `&name`
/// (cmd/compile/internal/dwarfgen/dwarf.go, 1.23 to 1.27). It is a pointer where there is room for
/// no more, or where it leads to what such a variable is moved to: an object of just its size, or
/// the stack.
///
/// # Errors
///
/// What is at `place` cannot be read.
pub(super) fn is_pointer(
    go: &Go<'_>,
    stack: Option<&Range<Addr>>,
    place: Addr,
    next: Option<u64>,
    variable: &Captured,
) -> Result<bool, Fault> {
    let size = go.types.get(variable.ty).size;
    if !variable.by_reference || room(go, place, next) < size {
        return Ok(variable.by_reference);
    }
    let target = go.memory().addr(place)?;
    let moved = go.heap.object(target).is_some_and(|object| {
        // Larger objects begin with the word that tells their type.
        let header = target.0.wrapping_sub(object.base.0);
        header <= 8 && object.size == go.heap.rounded(size, true)
    });
    Ok(moved || stack.is_some_and(|stack| stack.contains(&target)))
}

/// The most bytes that the variable can take.
fn room(go: &Go<'_>, place: Addr, next: Option<u64>) -> u64 {
    let left = go.heap.object(place).map(|o| o.base.0.saturating_add(o.size) - place.0);
    next.unwrap_or(u64::MAX).min(left.unwrap_or(u64::MAX))
}
