//! The goroutines' stacks as roots.

use std::rc::Rc;

use mapscope_binary::dwarf::{Debug, Location, Piece, Variable};
use mapscope_target::{Addr, MemoryExt, Registers, Thread};

use super::walk::Walker;
use super::{TypedBy, coded, frames, roots};
use crate::goroutine::{Goroutine, Scheduler};
use crate::stack::Frame;
use crate::types::TypeId;

/// Variables larger than this are not put together from their pieces, in bytes.
const MAX_PIECES: u64 = 1 << 16;

/// Frames looked into on one stack: an endless recursion holds the same thing in each.
const MAX_FRAMES: usize = 10_000;

/// The variables that are alive on the goroutines' stacks, by DWARF; without it, what the code
/// keeps there.
pub(super) fn variables(walker: &mut Walker<'_, '_>) {
    each_stack(walker, &mut |walker, goroutine, frame, registers| {
        // The runtime's variables view memory as what it is not: `selectgo` its cases as an array
        // of 65536, however many there are.
        if roots::is_runtime(frame.func.name()) {
            return;
        }
        match &walker.go.image.debug {
            Some(debug) => variables_of(walker, debug, goroutine, frame, registers),
            None => coded::slots(walker, goroutine, frame),
        }
    });
    walker.typed_by(TypedBy::Static);
}

/// What DWARF says nothing of. Last of all: what a typed root holds is named after that.
pub(super) fn untyped(walker: &mut Walker<'_, '_>) {
    let types = Rc::clone(&walker.types);
    each_stack(walker, &mut |walker, goroutine, frame, _| {
        if !roots::is_runtime(frame.func.name()) {
            frames::search(walker, &types, goroutine, frame);
        }
    });
}

type EachFrame<'e> =
    &'e mut dyn FnMut(&mut Walker<'_, '_>, &Goroutine, &Frame<'_, '_>, Option<&Registers>);

fn each_stack(walker: &mut Walker<'_, '_>, each: EachFrame<'_>) {
    let go = walker.go;
    let scheduler = match Scheduler::open(go) {
        Ok(scheduler) => scheduler,
        Err(why) => return walker.missing(format!("the goroutines: {why}")),
    };
    let goroutines = match scheduler.goroutines(go) {
        Ok(goroutines) => goroutines,
        Err(fault) => return walker.missing(format!("the list of goroutines: {fault}")),
    };
    for fault in &goroutines.unreadable {
        walker.missing(format!("a goroutine: {fault}"));
    }
    let threads = go.target.threads();
    for goroutine in goroutines.all.iter().filter(|g| g.is_alive()) {
        if go.progress.cancelled() {
            return;
        }
        stack(walker, &scheduler, &threads, goroutine, each);
    }
}

fn stack(
    walker: &mut Walker<'_, '_>,
    scheduler: &Scheduler,
    threads: &[Thread],
    goroutine: &Goroutine,
    each: EachFrame<'_>,
) {
    let Some(unwinder) = scheduler.unwinder(walker.go, threads) else { return };
    let mut frames = unwinder.goroutine(goroutine);
    let registers = frames.registers().copied();
    let mut innermost = true;
    walker.on_stack(Some(goroutine.stack.clone()));
    for frame in frames.by_ref().take(MAX_FRAMES) {
        let registers = registers.as_ref().filter(|_| innermost && frame.exact);
        innermost = false;
        each(walker, goroutine, &frame, registers);
    }
    if let Err(broken) = frames.outcome() {
        walker.missing(format!("the stack of goroutine {}: {broken}", goroutine.id));
    }
    walker.drain();
    walker.on_stack(None);
}

/// The variables of a frame that are alive, by DWARF.
fn variables_of(
    walker: &mut Walker<'_, '_>,
    debug: &Debug<'_>,
    goroutine: &Goroutine,
    frame: &Frame<'_, '_>,
    registers: Option<&Registers>,
) {
    let go = walker.go;
    let Some(function) = debug.function_at(frame.lookup()) else { return };
    let Ok(variables) = debug.locals(function, frame.lookup()) else { return };
    for variable in &variables {
        let ty = go.types.of_debug(variable.ty);
        if !go.types.reaches_map(ty) {
            continue;
        }
        let place = Place { walker, frame, registers };
        let Some(value) = place.find(variable, ty) else { continue };
        let name = format!("goroutine {} {} {}", goroutine.id, variable.function, variable.name);
        match value {
            Found::At(addr) => walker.root(&name, addr, ty),
            Found::Bytes(bytes) => walker.root_value(&name, &bytes, ty),
        }
    }
}

/// What was found of a variable.
enum Found {
    /// It is in memory.
    At(Addr),
    /// It is in registers or in pieces: these bytes.
    Bytes(Vec<u8>),
}

/// Where variables of one frame are looked for.
struct Place<'w, 'a, 'g, 'f, 'p, 'd> {
    walker: &'w Walker<'a, 'g>,
    frame: &'f Frame<'p, 'd>,
    registers: Option<&'f Registers>,
}

impl Place<'_, '_, '_, '_, '_, '_> {
    fn find(&self, variable: &Variable<'_>, ty: TypeId) -> Option<Found> {
        if variable.escaped {
            // What is there is the pointer to the variable, on the heap.
            let pointer = self.bytes(&variable.location, 8)?;
            let at = Addr(u64::from_le_bytes(*pointer.first_chunk()?));
            return (!at.is_null()).then_some(Found::At(at));
        }
        if let Some(at) = self.address(&variable.location) {
            return Some(Found::At(at));
        }
        let size = self.walker.go.types.get(ty).size;
        self.bytes(&variable.location, size).map(Found::Bytes)
    }

    /// Where in memory a location is, if it is one in memory.
    fn address(&self, location: &Location) -> Option<Addr> {
        let cfa = |offset: &i64| self.frame.cfa.0.checked_add_signed(*offset).map(Addr);
        match location {
            Location::Cfa(offset) => cfa(offset),
            Location::CfaDeref(offset) => self.walker.go.memory().addr(cfa(offset)?).ok(),
            Location::Address(va) => Some(self.walker.go.addr_of(*va)),
            _ => None,
        }
    }

    /// The bytes of a value of `size` bytes at a location.
    fn bytes(&self, location: &Location, size: u64) -> Option<Vec<u8>> {
        if let Some(at) = self.address(location) {
            return self.walker.go.memory().bytes(at, size, MAX_PIECES).ok();
        }
        match location {
            Location::Register(number) => {
                let value = *self.registers?.general.get(usize::from(*number))?;
                value.to_le_bytes().get(..size as usize).map(<[u8]>::to_vec)
            }
            Location::Const(value) => value.to_le_bytes().get(..size as usize).map(<[u8]>::to_vec),
            Location::Implicit(bytes) => Some(bytes.clone()),
            Location::Pieces(pieces) => self.pieces(pieces, size),
            _ => None,
        }
    }

    /// A value put together from its pieces; one that is gone stands as zeros, which lead nowhere.
    fn pieces(&self, pieces: &[Piece], size: u64) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        for piece in pieces {
            let end = (value.len() as u64).checked_add(piece.size).filter(|end| *end <= size)?;
            if end > MAX_PIECES {
                return None;
            }
            let bytes = self.bytes(&piece.location, piece.size).unwrap_or_default();
            value.extend(bytes);
            value.resize(end as usize, 0);
        }
        value.resize(size.min(MAX_PIECES) as usize, 0);
        Some(value)
    }
}
