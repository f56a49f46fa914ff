//! How a closure holds a captured variable, where DWARF leaves it open.

use mapscope_target::{Addr, Fault, MemoryExt, Why};

use crate::Go;
use crate::closure::Captured;
use crate::module::Module;
use crate::types::{Kind, TypeId};

/// Where the captured variable number `i` of the closure at `closure` is; `None` where the closure
/// holds a nil pointer to it.
///
/// # Errors
///
/// The closure cannot be read.
pub(crate) fn captured_at(
    go: &Go<'_>,
    closure: Addr,
    captured: &[Captured],
    i: usize,
) -> Result<Option<Addr>, Fault> {
    let Some(variable) = captured.get(i) else { return Ok(None) };
    let place = closure.checked_add(variable.offset);
    let place = place.ok_or(Fault::new(closure, Why::Overflow))?;
    let next = captured.get(i.saturating_add(1));
    let next = next.map(|next| next.offset.saturating_sub(variable.offset));
    match is_pointer(go, place, next, variable)? {
        false => Ok(Some(place)),
        true => go.memory().addr(place).map(|target| Some(target).filter(|at| !at.is_null())),
    }
}

/// Whether a closure holds, at `place`, a pointer to a variable and not the variable itself.
/// `next` is how far away the next one it holds is.
///
/// DWARF describes a variable that was captured by reference, and one that was captured by value
/// and that the closure moves to the heap each time it runs, as the same `&name`
/// (cmd/compile/internal/dwarfgen/dwarf.go, 1.23 to 1.27). It is a pointer where there is room for
/// no more. Else the GC's bitmap of the closure tells; and where it does not, as on a stack, it is a
/// pointer if it leads to what such a variable is moved to: an object of just its size, or a stack.
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
    if let Some(value) = by_bitmap(go, place, variable.ty, size) {
        return Ok(!value);
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

/// Whether the closure itself holds a value of `size` bytes and type `ty` at `place`, as far as the
/// GC's bitmap of the closure tells: not where the pointers lie differently, surely where words
/// between them are none.
fn by_bitmap(go: &Go<'_>, place: Addr, ty: TypeId, size: u64) -> Option<bool> {
    let object = go.heap.object(place)?;
    let bits = go.heap.pointer_words(object.base)?;
    let words = u32::try_from(size.div_ceil(8)).ok().filter(|words| (1..64).contains(words))?;
    let first = u32::try_from(place.0.saturating_sub(object.base.0) / 8).ok()?;
    let all = (1_u64 << words) - 1;
    let mut own = 0;
    pointers(go, ty, 0, NESTING, &mut own);
    match own == bits.checked_shr(first)? & all {
        false => Some(false),
        true => (own != all).then_some(true),
    }
}

/// How deep types are nested that a bitmap is made for.
const NESTING: u32 = 8;

/// Sets bit `i` for each word `i` that holds a pointer, as the GC sees it: of an interface the data
/// word only (cmd/compile/internal/typebits).
fn pointers(go: &Go<'_>, ty: TypeId, at: u64, nesting: u32, bits: &mut u64) {
    let ty = go.types.get(ty);
    let mut set = |at: u64| *bits |= 1_u64.checked_shl((at / 8) as u32).unwrap_or(0);
    match &ty.kind {
        Kind::Pointer(_) | Kind::UnsafePointer | Kind::Map(_) | Kind::Chan(_) | Kind::Func => {
            set(at);
        }
        Kind::String | Kind::Slice(_) => set(at),
        Kind::EmptyInterface | Kind::Interface => set(at.saturating_add(8)),
        Kind::Array(of, len) if nesting > 0 => {
            let size = go.types.get(*of).size;
            for i in 0..(*len).min(64) {
                pointers(go, *of, at.saturating_add(i.saturating_mul(size)), nesting - 1, bits);
            }
        }
        Kind::Struct(fields) if nesting > 0 => {
            for field in fields {
                pointers(go, field.ty, at.saturating_add(field.offset), nesting - 1, bits);
            }
        }
        _ => {}
    }
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
