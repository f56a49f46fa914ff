//! Goroutines that stand in code which works on maps of one type.

use mapscope_binary::{FileVa, Func};
use mapscope_target::Thread;
use rustc_hash::FxHashMap;

use crate::Go;
use crate::goroutine::{Goroutine, Scheduler};
use crate::holders::{Op, operation};
use crate::origin::{Body, Made};
use crate::types::TypeId;

/// Frames of the program itself looked into on each stack, the innermost: a goroutine that has just
/// left an operation stands in the function that called it, or near.
const MAX_FRAMES: usize = 4;

/// Frames unwound to find those.
const MAX_DEPTH: usize = 64;

/// A goroutine that stands in such code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Its number.
    pub goroutine: u64,
    /// How far from the innermost of its program's frames it stands there.
    pub distance: usize,
    /// The function.
    pub function: String,
    /// What it has to do with such maps.
    pub work: Work,
}

/// What the code of a function does to maps of the type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// What; where it does several things, one that sets the write mark.
    pub op: Op,
    /// The function that it calls, and that does it; `None` where it does so itself.
    pub by: Option<String>,
}

/// The goroutines that stand in functions with operations on maps of type `map`, or that call such a
/// function: those that write first, then the nearest.
pub fn suspects(
    go: &Go<'_>,
    scheduler: &Scheduler,
    threads: &[Thread],
    map: TypeId,
) -> Vec<Suspect> {
    let descriptor = go.types.get(map).descriptor.map(|at| go.va_of(at));
    let (Some(descriptor), Some(unwinder), Ok(goroutines)) =
        (descriptor, scheduler.unwinder(go, threads), scheduler.goroutines(go))
    else {
        return Vec::new();
    };
    let mut functions = Functions { go, descriptor, known: FxHashMap::default() };
    let mut suspects = Vec::new();
    for goroutine in goroutines.all.iter().filter(|g| Goroutine::is_alive(g)) {
        let frames = unwinder.goroutine(goroutine).take(MAX_DEPTH);
        let own = frames.filter(|frame| !super::is_runtime(frame.func.name())).take(MAX_FRAMES);
        let found = own.enumerate().find_map(|(distance, frame)| {
            let work = functions.work(&frame.func)?;
            Some((distance, frame.func.name().to_owned(), work))
        });
        if let Some((distance, function, work)) = found {
            suspects.push(Suspect { goroutine: goroutine.id, distance, function, work });
        }
    }
    suspects.sort_by_key(|suspect| {
        let Suspect { goroutine, distance, work, .. } = suspect;
        (!work.op.writes(), *distance, work.by.is_some(), *goroutine)
    });
    suspects
}

/// What each of these functions has to do with maps of type `map`, in their order.
pub fn works(go: &Go<'_>, map: TypeId, functions: &[Func<'_, '_>]) -> Vec<Option<Work>> {
    let Some(descriptor) = go.types.get(map).descriptor.map(|at| go.va_of(at)) else {
        return functions.iter().map(|_| None).collect();
    };
    let mut known = Functions { go, descriptor, known: FxHashMap::default() };
    functions.iter().map(|function| known.work(function)).collect()
}

/// What functions do to maps whose type's descriptor lies at one address.
struct Functions<'g, 'a> {
    go: &'g Go<'a>,
    descriptor: FileVa,
    known: FxHashMap<FileVa, Option<Op>>,
}

impl Functions<'_, '_> {
    /// What `func` does itself, else by a function that it calls.
    fn work(&mut self, func: &Func<'_, '_>) -> Option<Work> {
        if let Some(op) = self.own(func) {
            return Some(Work { op, by: None });
        }
        let table = self.go.pclntab()?;
        let body = Body::of(self.go, func)?;
        let works = body.calls().filter_map(|(_, callee)| {
            let callee = table.find(callee).filter(|f| !super::is_runtime(f.name()))?;
            Some(Work { op: self.own(&callee)?, by: Some(callee.name().to_owned()) })
        });
        works.max_by_key(|work| work.op.writes())
    }

    /// What `func` does itself.
    fn own(&mut self, func: &Func<'_, '_>) -> Option<Op> {
        let entry = func.entry();
        if let Some(known) = self.known.get(&entry) {
            return *known;
        }
        let op = Body::of(self.go, func).and_then(|body| self.calls(&body));
        self.known.insert(entry, op);
        op
    }

    fn calls(&self, body: &Body<'_, '_>) -> Option<Op> {
        let table = self.go.pclntab()?;
        let ops = body.calls().filter_map(|(back, callee)| {
            let (op, _) = operation(table.find(callee)?.name())?;
            (body.argument(back, 0)?.made == Made::Address(self.descriptor)).then_some(op)
        });
        ops.max_by_key(|op| op.writes())
    }
}
