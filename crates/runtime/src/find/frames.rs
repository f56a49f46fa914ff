//! What no DWARF location tells of a stack: pointers to maps, and headers that lie on the stack
//! itself, found word by word and believed where the invariants of maps hold.
//!
//! The compiler keeps no pointer to a header that lies in its own frame: it computes the address
//! anew where it needs it, and DWARF says that the variable is gone (Go 1.19 to 1.27).

use std::ops::Range;

use mapscope_binary::dwarf::Variable;
use mapscope_target::{Addr, MemoryExt};

use super::link::{Link, NodeId};
use super::typing::{MapTypes, fits, only};
use super::walk::Walker;
use super::{Found, FoundBy, TypedBy};
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
    types: &MapTypes,
    goroutine: &Goroutine,
    frame: &Frame<'_, '_>,
) {
    let go = walker.go;
    let len = frame.cfa.0.saturating_sub(frame.sp.0).min(MAX_FRAME);
    let Ok(bytes) = go.memory().bytes(frame.sp, len, MAX_FRAME) else { return };
    let variables = Variables::of(go, frame);
    for at in (0..len).step_by(8) {
        let here = Addr(frame.sp.0.wrapping_add(at));
        let pointer = Addr(word(&bytes, at));
        if !pointer.is_null() && !walker.has_met(pointer) {
            if let Some(array) = go.proven_in_heap(pointer) {
                let (ty, typed_by) = types.of(go, pointer, array);
                let typed = Typed { ty, typed_by, name: None };
                add(walker, goroutine, frame, here, pointer, typed);
            }
        }
        if !walker.has_met(here) {
            if let Some(array) = header_at(go, &bytes[at as usize..], here, &goroutine.stack) {
                let typed = variables.typed(go, types, here, array);
                add(walker, goroutine, frame, here, here, typed);
            }
        }
    }
}

/// The type of a map, and the variable that holds it where that shows.
struct Typed {
    ty: Option<TypeId>,
    typed_by: TypedBy,
    name: Option<String>,
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
    typed: Typed,
) {
    let function = frame.func.name();
    let what = typed.name.unwrap_or_else(|| {
        let offset = place.0.saturating_sub(frame.sp.0);
        format!("frame+{offset:#x}")
    });
    let node = walker.found_root(&format!("goroutine {} {function} {what}", goroutine.id));
    walker.found(Found {
        addr,
        ty: typed.ty,
        held: Some(node),
        found_by: FoundBy::Pointer,
        typed_by: typed.typed_by,
    });
}

/// The variables of a frame's function that are maps, wherever they are.
struct Variables {
    maps: Vec<(String, TypeId)>,
}

impl Variables {
    fn of(go: &Go<'_>, frame: &Frame<'_, '_>) -> Variables {
        let mut maps: Vec<(String, TypeId)> = Vec::new();
        let mut take = |list: Vec<Variable<'_>>| {
            for v in list {
                let ty = go.types.of_debug(v.ty);
                let map = (v.name.to_owned(), ty);
                if matches!(go.types.get(ty).kind, Kind::Map(_)) && !maps.contains(&map) {
                    maps.push(map);
                }
            }
        };
        if let Some(debug) = &go.image.debug {
            if let Some(function) = debug.function_at(frame.lookup()) {
                take(debug.variables(function).unwrap_or_default());
                take(debug.locals(function, frame.lookup()).unwrap_or_default());
            }
        }
        Variables { maps }
    }

    /// The type of the map whose header lies at `addr` of the frame: of the variables, those whose
    /// type fits what is there.
    fn typed(&self, go: &Go<'_>, types: &MapTypes, addr: Addr, array: Addr) -> Typed {
        let (ty, typed_by) = match types.of(go, addr, Some(array)) {
            proven @ (Some(_), TypedBy::Array) => proven,
            _ => {
                let mut fitting: Vec<TypeId> = self.maps.iter().map(|(_, ty)| *ty).collect();
                fitting.sort();
                fitting.dedup();
                only(fitting.into_iter().filter(|ty| fits(go, addr, *ty)))
            }
        };
        let mut named = self.maps.iter().filter(|(_, of)| Some(*of) == ty);
        let name = match (named.next(), named.next()) {
            (Some((name, _)), None) => Some(name.clone()),
            _ => None,
        };
        Typed { ty, typed_by, name }
    }
}

/// Looks through a closure whose captured variables no DWARF describes (before 1.23) for maps that
/// were not met yet: pointers to headers, and pointers to variables that hold one.
pub(super) fn closure(
    walker: &mut Walker<'_, '_>,
    types: &MapTypes,
    at: Addr,
    code: Addr,
    node: NodeId,
) {
    let go = walker.go;
    let Some(object) = go.heap.object(at).filter(|o| o.base == at) else { return };
    let Ok(bytes) = go.memory().bytes(at, object.size, MAX_FRAME) else { return };
    for offset in (8..object.size).step_by(8) {
        let pointer = Addr(word(&bytes, offset));
        let behind = || go.memory().addr(pointer).unwrap_or_default();
        let header = [pointer, behind()].into_iter().find(|header| {
            !header.is_null() && !walker.has_met(*header) && go.proven_in_heap(*header).is_some()
        });
        let Some(header) = header else { continue };
        let (ty, typed_by) = types.of(go, header, go.proven_in_heap(header).flatten());
        let link = Link::Captured(code, u32::try_from(offset).unwrap_or(u32::MAX));
        let held = Some(walker.findings.trail.link(node, link));
        walker.found(Found { addr: header, ty, held, found_by: FoundBy::Pointer, typed_by });
    }
}
