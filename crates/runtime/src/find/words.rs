//! Global variables of which nothing tells the type: the words of the data that has pointers.
//!
//! A word that leads to a heap object that obeys the invariants of maps holds one. Two words of
//! which the first is a type descriptor or an `itab`, and the second leads to an object as large as
//! that type, are an interface.

use std::ops::Range;
use std::rc::Rc;

use mapscope_target::{Addr, MemoryExt};

use super::TypedBy;
use super::holder::Holder;
use super::run::Run;
use super::typing::{MapTypes, Typing};
use super::walk::Walker;
use crate::Go;

/// Bytes of data read at once.
const PIECE: u64 = 64 << 10;

/// Looks through the data of every module for maps that were not met yet.
pub(super) fn globals(walker: &mut Walker<'_, '_>) {
    let (go, types) = (walker.go, Rc::clone(&walker.types));
    for module in go.modules.iter() {
        // In the order of the linker, see `Module::data`: the two between hold pointers.
        for (name, range) in ["noptrdata", "data", "bss"].iter().zip(&module.data).skip(1) {
            part(walker, &types, name, range);
        }
    }
    walker.drain();
}

fn part(walker: &mut Walker<'_, '_>, types: &MapTypes<'_, '_>, name: &str, range: &Range<Addr>) {
    let go = walker.go;
    let len = range.end.0.saturating_sub(range.start.0);
    let mut before = 0;
    for from in (0..len).step_by(PIECE as usize) {
        let Some(at) = range.start.checked_add(from) else { return };
        let Ok(bytes) = go.memory().bytes(at, PIECE.min(len - from), PIECE) else {
            return walker.missing(format!("the program's {name}: {at} cannot be read"));
        };
        for (i, word) in bytes.as_chunks::<8>().0.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            if word != 0 {
                let path = || format!("{name}+{:#x}", from + 8 * i as u64);
                pair(walker, types, Addr(before), Addr(word), path);
            }
            before = word;
        }
        if go.progress.cancelled() {
            return;
        }
    }
}

/// One word, and the one before it, which may be its type.
fn pair(
    walker: &mut Walker<'_, '_>,
    types: &MapTypes<'_, '_>,
    before: Addr,
    word: Addr,
    path: impl Fn() -> String,
) {
    let go = walker.go;
    let Some(object) = go.heap.object(word) else { return };
    if !walker.has_met(word)
        && let Some(array) = go.proven_in_heap(word)
        && let Some(typing) = typing(go, types, before, word, array)
    {
        let held = walker.found_root(&path());
        return walker.found_as(word, held, typing);
    }
    let Some(ty) = go.described(before) else { return made(walker, object.value, word, path) };
    let t = go.types.get(ty);
    if object.value != word || go.heap.rounded(t.size, true) != object.size {
        return;
    }
    let path = format!("{}.({})", path(), t.name);
    match t.direct {
        true => walker.root_value(&path, &word.0.to_le_bytes(), ty),
        false => walker.root(&path, word, ty),
    }
}

/// A word that leads to an object so large that the allocator keeps its type, and to its begin.
fn made(walker: &mut Walker<'_, '_>, value: Addr, word: Addr, path: impl Fn() -> String) {
    let go = walker.go;
    if value == word
        && let Some(descriptor) = go.heap.type_word(word)
        && let Ok(ty) = go.type_word(descriptor)
        && go.types.reaches_map(ty)
    {
        let count = walker.room(word) / go.types.get(ty).size.max(1);
        let run = if count > 1 { Run::elements(word, ty, count) } else { Run::one(word, ty) };
        let holder = Holder::at(walker.found_root(&path()));
        walker.push(run, &holder);
    }
}

/// The type of the map at `addr`: that of the interface that holds it, else what its array tells.
fn typing(
    go: &Go<'_>,
    types: &MapTypes<'_, '_>,
    before: Addr,
    addr: Addr,
    array: Option<Addr>,
) -> Option<Typing> {
    match go.described(before).filter(|ty| go.types.map(*ty).is_some()) {
        Some(ty) => Some(Typing::known(ty, TypedBy::Interface)),
        None => types.of(addr, array),
    }
}
