//! Mutexes: those in a struct, their state, and who waits for them.

use std::ops::Range;

use mapscope_target::{Addr, MemoryExt, Thread};

use crate::Go;
use crate::goroutine::{Goroutine, Scheduler, Status};
use crate::origin::{Made, Origin, Resolver};
use crate::stack::Frame;
use crate::types::{Kind, TypeId};

/// Structs in structs deeper than this are not looked into.
const MAX_NESTING: u8 = 4;

/// A mutex in a struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The way to it from the struct: `mu`, `state.RWMutex`.
    pub path: String,
    /// Its type: `sync.Mutex` or `sync.RWMutex`.
    pub type_name: String,
    /// Where it lies.
    pub place: Range<Addr>,
    /// What it is doing; `None` where that cannot be read.
    pub state: Option<State>,
}

/// What a mutex is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// It is held, for writing if it knows the difference.
    pub locked: bool,
    /// How many hold it for reading.
    pub readers: u32,
    /// How many wait for it, as far as it counts them: those that want it for reading are not.
    pub waiters: u32,
}

/// `mutexLocked` and `mutexWaiterShift` of sync/mutex.go (internal/sync/mutex.go since 1.24).
const LOCKED: u32 = 1;
const WAITER_SHIFT: u32 = 3;

/// `rwmutexMaxReaders` of sync/rwmutex.go: what a writer takes from the number of readers.
const MAX_READERS: i64 = 1 << 30;

/// The mutexes in the struct of type `ty` at `at`, those in structs within it too.
pub fn beside(go: &Go<'_>, at: Addr, ty: TypeId) -> Vec<Lock> {
    let mut locks = Vec::new();
    collect(go, at, ty, "", MAX_NESTING, &mut locks);
    locks
}

fn collect(go: &Go<'_>, at: Addr, ty: TypeId, path: &str, depth: u8, locks: &mut Vec<Lock>) {
    let Kind::Struct(fields) = &go.types.get(ty).kind else { return };
    let Some(depth) = depth.checked_sub(1) else { return };
    for field in fields {
        let Some(mut place) = at.checked_add(field.offset) else { continue };
        let path = match path {
            "" => field.name.clone(),
            path => format!("{path}.{}", field.name),
        };
        let mut ty = field.ty;
        if let Kind::Pointer(to) = go.types.get(ty).kind {
            let Some(to_lock) = go.memory().addr(place).ok().filter(|at| !at.is_null()) else {
                continue;
            };
            if !is_lock(&go.types.get(to).name) {
                continue;
            }
            (ty, place) = (to, to_lock);
        }
        let t = go.types.get(ty);
        match (is_lock(&t.name), place.checked_add(t.size)) {
            (true, Some(end)) => locks.push(Lock {
                path,
                type_name: t.name.clone(),
                place: place..end,
                state: state(go, place, ty),
            }),
            _ => collect(go, place, ty, &path, depth, locks),
        }
    }
}

fn is_lock(name: &str) -> bool {
    matches!(name, "sync.Mutex" | "sync.RWMutex")
}

fn state(go: &Go<'_>, at: Addr, ty: TypeId) -> Option<State> {
    let word = |name| go.memory().u32(at.checked_add(inner(go, ty, name, MAX_NESTING)?)?).ok();
    let mutex = word("state")?;
    let (locked, waiters) = (mutex & LOCKED != 0, mutex >> WAITER_SHIFT);
    if go.types.get(ty).name == "sync.Mutex" {
        return Some(State { locked, readers: 0, waiters });
    }
    let count = i64::from(word("readerCount")?.cast_signed());
    let readers = if count < 0 { count + MAX_READERS } else { count };
    let readers = u32::try_from(readers).ok()?;
    // A writer takes all from the readers' number, then waits for those that are left.
    let waiters = waiters + u32::from(count < 0 && readers > 0);
    Some(State { locked: count < 0 && readers == 0, readers, waiters })
}

/// How far into a value of type `ty` its field of that name lies, or that of a struct within it: the
/// words of a mutex lie one struct deeper since 1.24.
fn inner(go: &Go<'_>, ty: TypeId, name: &str, depth: u8) -> Option<u64> {
    let Kind::Struct(fields) = &go.types.get(ty).kind else { return None };
    let depth = depth.checked_sub(1)?;
    let own = fields.iter().find(|field| field.name == name).map(|field| field.offset);
    own.or_else(|| {
        let inside = |field: &crate::types::Field| {
            inner(go, field.ty, name, depth)?.checked_add(field.offset)
        };
        fields.iter().find_map(inside)
    })
}

/// Goroutines looked at, and those of them whose code is followed.
const MAX_GOROUTINES: usize = 100_000;
const MAX_FOLLOWED: usize = 1000;

/// Frames looked at, the innermost.
const MAX_FRAMES: usize = 10;

/// Functions that wait for the semaphore at the address they are called with (runtime/sema.go).
const WAIT: [&str; 3] = ["runtime.semacquire1", "SemacquireMutex", "SemacquireRWMutex"];

/// The goroutines that wait for one of `locks`: the number of each, and which it is.
pub fn waiting(
    go: &Go<'_>,
    scheduler: &Scheduler,
    threads: &[Thread],
    locks: &[Lock],
) -> Vec<(u64, usize)> {
    let (Ok(goroutines), Some(unwinder)) =
        (scheduler.goroutines(go), scheduler.unwinder(go, threads))
    else {
        return Vec::new();
    };
    let waits = |goroutine: &&Goroutine| goroutine.status == Status::Waiting;
    let stacks = goroutines.all.iter().filter(waits).take(MAX_GOROUTINES).filter_map(|goroutine| {
        let frames: Vec<Frame<'_, '_>> = unwinder.goroutine(goroutine).take(MAX_FRAMES).collect();
        frames.iter().any(is_wait).then_some((goroutine.id, frames))
    });
    let found = stacks.take(MAX_FOLLOWED).filter_map(|(id, frames)| {
        let resolver = Resolver::new(go, &frames);
        let semaphore = Origin { made: Made::Argument(0), kept: Vec::new() };
        let at = |number| resolver.value(number, &semaphore).map(Addr);
        let mut semaphores =
            frames.iter().enumerate().filter(|(_, f)| is_wait(f)).filter_map(|(n, _)| at(n));
        let lock = semaphores.find_map(|at| locks.iter().position(|l| l.place.contains(&at)))?;
        Some((id, lock))
    });
    found.collect()
}

fn is_wait(frame: &Frame<'_, '_>) -> bool {
    WAIT.iter().any(|name| frame.func.name().ends_with(name))
}
