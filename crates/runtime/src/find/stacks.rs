//! The goroutines' stacks as roots.

use std::rc::Rc;

use mapscope_binary::dwarf::Debug;
use mapscope_target::{Registers, Thread};

use super::walk::Walker;
use super::{TypedBy, coded, frames, roots};
use crate::goroutine::{Goroutine, Scheduler};
use crate::locals::{Found, Place};
use crate::stack::Frame;

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
        let place = Place { go, frame, registers };
        let Some(value) = place.find(variable, ty) else { continue };
        let name = format!("goroutine {} {} {}", goroutine.id, variable.function, variable.name);
        match value {
            Found::At(addr) => walker.root(&name, addr, ty),
            Found::Bytes(bytes) => walker.root_value(&name, &bytes, ty),
        }
    }
}
