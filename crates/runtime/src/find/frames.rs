//! What no DWARF location tells of a stack: pointers to maps, and headers that lie on the stack
//! itself, found word by word and believed where the invariants of maps hold.
//!
//! The compiler keeps no pointer to a header that lies in its own frame: it computes the address
//! anew where it needs it, and DWARF says that the variable is gone (Go 1.19 to 1.27).

use std::ops::Range;

use mapscope_binary::FileVa;
use mapscope_target::{Addr, MemoryExt};

use super::holder::Holder;
use super::link::Link;
use super::typing::{MapTypes, Typing};
use super::walk::Walker;
use crate::Go;
use crate::goroutine::Goroutine;
use crate::stack::Frame;
use crate::types::{Kind, TypeId};
use crate::value::word;

/// Larger frames are looked into only so far, in bytes.
const MAX_FRAME: u64 = 1 << 20;

/// Looks through one frame for maps that were not met yet.
pub(super) fn search(
    walker: &mut Walker<'_, '_>,
    types: &MapTypes<'_, '_>,
    goroutine: &Goroutine,
    frame: &Frame<'_, '_>,
) {
    let go = walker.go;
    let len = frame.cfa.0.saturating_sub(frame.sp.0).min(MAX_FRAME);
    let Ok(bytes) = go.memory().bytes(frame.sp, len, MAX_FRAME) else { return };
    let candidates = Candidates::of(go, types, frame.lookup());
    for at in (0..len).step_by(8) {
        let here = Addr(frame.sp.0.wrapping_add(at));
        let pointer = Addr(word(&bytes, at));
        if !pointer.is_null()
            && !walker.has_met(pointer)
            && let Some(array) = go.proven_in_heap(pointer)
            && let Some(typing) = candidates.typing(types, pointer, array)
        {
            add(walker, goroutine, frame, here, pointer, (typing, None));
        }
        if !walker.has_met(here)
            && let Some(array) = header_at(go, &bytes[at as usize..], here, &goroutine.stack)
            && let Some(typing) = candidates.typing(types, here, Some(array))
        {
            let name = candidates.name(typing.ty);
            add(walker, goroutine, frame, here, here, (typing, name));
        }
    }
}

/// The first array of the map whose header is what `bytes` begin with. Without storage there is
/// too little to prove.
fn header_at(go: &Go<'_>, bytes: &[u8], at: Addr, stack: &Range<Addr>) -> Option<Addr> {
    let header = bytes.get(..go.shape.header_size() as usize)?;
    go.shape.prove(go.reader(), header, at, Some(stack)).ok().flatten()
}

fn add(
    walker: &mut Walker<'_, '_>,
    goroutine: &Goroutine,
    frame: &Frame<'_, '_>,
    place: Addr,
    addr: Addr,
    (typing, name): (Typing, Option<String>),
) {
    let function = frame.func.name();
    let what = name.unwrap_or_else(|| {
        let offset = place.0.saturating_sub(frame.sp.0);
        format!("frame+{offset:#x}")
    });
    let node = walker.found_root(&format!("goroutine {} {function} {what}", goroutine.id));
    walker.found_as(addr, node, typing);
}

/// The map types that a function has to do with: those of its variables, and those whose
/// descriptors its code loads, as it must before it makes, reads or writes a map.
struct Candidates {
    variables: Vec<(String, TypeId)>,
    loaded: Vec<TypeId>,
}

impl Candidates {
    fn of(go: &Go<'_>, types: &MapTypes<'_, '_>, va: FileVa) -> Candidates {
        let mut found = Candidates { variables: Vec::new(), loaded: loaded(go, types, va) };
        let Some(debug) = &go.image.debug else { return found };
        let Some(function) = debug.function_at(va) else { return found };
        let own = debug.variables(function).unwrap_or_default();
        let inlined = debug.locals(function, va).unwrap_or_default();
        for variable in own.iter().chain(&inlined) {
            let ty = go.types.of_debug(variable.ty);
            let map = (variable.name.to_owned(), ty);
            if matches!(go.types.get(ty).kind, Kind::Map(_)) && !found.variables.contains(&map) {
                found.variables.push(map);
            }
        }
        found
    }

    /// The type of the map at `addr`: what its array says, else the one candidate that fits, else
    /// the one map type of the binary that does.
    fn typing(&self, types: &MapTypes<'_, '_>, addr: Addr, array: Option<Addr>) -> Option<Typing> {
        let typing = types.of(addr, array)?;
        if typing.ty.is_some() || array.is_none() {
            return Some(typing);
        }
        let variables = self.variables.iter().flat_map(|(_, ty)| types.instances(*ty).to_vec());
        let mut near: Vec<TypeId> = variables.chain(self.loaded.iter().copied()).collect();
        near.sort();
        near.dedup();
        Some(types.among(addr, &near, typing))
    }

    /// The one variable of this type.
    fn name(&self, ty: Option<TypeId>) -> Option<String> {
        let mut named = self.variables.iter().filter(|(_, of)| Some(*of) == ty);
        match (named.next(), named.next()) {
            (Some((name, _)), None) => Some(name.clone()),
            _ => None,
        }
    }
}

/// The map types whose descriptors the code of the function at `va` loads: `lea` with an address
/// relative to the next instruction.
fn loaded(go: &Go<'_>, types: &MapTypes<'_, '_>, va: FileVa) -> Vec<TypeId> {
    let Some(function) = go.pclntab().and_then(|table| table.find(va)) else {
        return Vec::new();
    };
    let (entry, end) = (function.entry(), function.end());
    let len = end.0.saturating_sub(entry.0).min(MAX_CODE);
    let Some(code) = go.image.elf.bytes_at(entry, len) else { return Vec::new() };
    let mut found = Vec::new();
    for (at, bytes) in code.windows(7).enumerate() {
        // REX.W with or without R, opcode 8D, ModRM with mod 00 and r/m 101.
        let [0x48 | 0x4c, 0x8d, modrm, offset @ ..] = bytes else { continue };
        let Some(offset) = offset.first_chunk().filter(|_| modrm & 0xc7 == 0x05) else { continue };
        let next = entry.0.wrapping_add(at as u64 + 7);
        let target = next.wrapping_add_signed(i32::from_le_bytes(*offset).into());
        let descriptor = go.addr_of(FileVa(target));
        found.extend(types.described(descriptor));
    }
    found
}

/// Longer functions are looked through only so far, in bytes.
const MAX_CODE: u64 = 1 << 20;

/// Looks through what no DWARF describes of a closure, all but the offsets in `known`, for maps that
/// were not met yet: pointers to headers, and pointers to variables that hold one. Before 1.23 none
/// of its variables is described, and later not all are.
pub(super) fn closure(
    walker: &mut Walker<'_, '_>,
    types: &MapTypes<'_, '_>,
    (at, code): (Addr, Addr),
    holder: &Holder<'_>,
    known: &[Range<u64>],
) {
    let go = walker.go;
    let Some(object) = go.heap.object(at).filter(|o| o.base == at) else { return };
    let Ok(bytes) = go.memory().bytes(at, object.size, MAX_FRAME) else { return };
    let mut candidates = None;
    for offset in (8..object.size).step_by(8) {
        if known.iter().any(|range| range.contains(&offset)) {
            continue;
        }
        let pointer = Addr(word(&bytes, offset));
        let behind = || go.memory().addr(pointer).unwrap_or_default();
        let header = [pointer, behind()].into_iter().find(|header| {
            !header.is_null() && !walker.has_met(*header) && go.proven_in_heap(*header).is_some()
        });
        let Some(header) = header else { continue };
        let array = go.proven_in_heap(header).flatten();
        let candidates =
            candidates.get_or_insert_with(|| Candidates::of(go, types, go.va_of(code)));
        let Some(typing) = candidates.typing(types, header, array) else { continue };
        let link = Link::Captured(code, u32::try_from(offset).unwrap_or(u32::MAX));
        let held = holder.then(link).node(&mut walker.findings.trail);
        walker.found_as(header, held, typing);
    }
}
