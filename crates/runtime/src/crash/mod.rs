//! How a Go program died: which goroutine, of what, and in which operation of a map.

mod caught;
mod kind;
mod left;
mod message;
mod sites;
mod suspects;
mod system;
pub mod text;

use std::collections::{HashMap, HashSet};

use mapscope_binary::CodeFrame;
use mapscope_target::{Fault, Thread};

use crate::find;
use crate::goroutine::{Goroutine, Scheduler};
use crate::holders::{Op, Takes, operation};
use crate::stack::Frame;
use crate::{Go, OpenError};

use message::Message;

pub use kind::{Advice, Kind};
pub use left::{Left, Trace, left};
pub use message::said;
pub use sites::{Site, sites};
pub use suspects::{Suspect, Work, suspects, works};

/// Frames looked into on one stack.
const MAX_FRAMES: usize = 10_000;

/// Functions of the runtime in which a goroutine dies, and the program with it.
const LAST: [&str; 2] = ["runtime.fatalpanic", "runtime.fatalthrow"];

/// In this one it may still recover, in a deferred function.
const PANIC: [&str; 1] = ["runtime.gopanic"];

/// What these are called through.
const CALLERS: [&str; 3] = ["runtime.fatal", "runtime.throw", "runtime.sigpanic"];

/// Whether it is one of the runtime's functions for dying.
fn is_deadly(name: &str) -> bool {
    LAST.contains(&name) || PANIC.contains(&name) || CALLERS.contains(&name)
}

/// The death of a program.
#[derive(Clone, Debug)]
pub struct Crash {
    /// The goroutine that died, if it was one: of a deadlock none has.
    pub goroutine: Option<Goroutine>,
    /// What the runtime said, or would have: `assignment to entry in nil map`. `None` where that
    /// could not be read.
    pub message: Option<String>,
    /// What kind of death that is.
    pub kind: Kind,
    /// It was stopped before it died: the innermost frame is where it begins to.
    pub caught: bool,
    /// It was stopped where all panics or fatal errors come by, and one of its kind has begun at a place of its
    /// own before.
    pub again: bool,
    /// How many older panics of the goroutine the last one says again: a deferred function recovered
    /// them, and panicked anew.
    pub repeats: usize,
    /// It is under way: the goroutine is in a panic that it may recover from.
    pub under_way: bool,
}

/// Why a death cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum CrashError {
    /// The scheduler's structures are not known.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The list of goroutines cannot be read.
    #[error("the list of goroutines: {0}")]
    Unreadable(#[from] Fault),
    /// No goroutine is in a panic or a fatal error.
    #[error("no goroutine is in a panic or a fatal error")]
    Alive,
    /// There is no table of functions.
    #[error("the executable's table of functions cannot be read")]
    NoFunctions,
}

impl Crash {
    /// Finds the goroutine that died, and what of.
    ///
    /// # Errors
    /// None did, or the goroutines cannot be read.
    pub fn find(
        go: &Go<'_>,
        scheduler: &Scheduler,
        threads: &[Thread],
    ) -> Result<Crash, CrashError> {
        let before = go.lost();
        let goroutines = scheduler.goroutines(go)?.all;
        let unwinder = scheduler.unwinder(go, threads).ok_or(CrashError::NoFunctions)?;
        if let Some(crash) = caught::find(go, scheduler, &unwinder, threads, &goroutines) {
            return Ok(crash);
        }
        let mut dying = None;
        for goroutine in goroutines.iter().filter(|g| Goroutine::is_alive(g)) {
            let frames: Vec<Frame<'_, '_>> =
                unwinder.goroutine(goroutine).take(MAX_FRAMES).collect();
            let is_in = |names: &[&str]| frames.iter().any(|f| names.contains(&f.func.name()));
            let last = is_in(&LAST);
            if last || (dying.is_none() && is_in(&PANIC)) {
                let panics = scheduler.panics(go, goroutine);
                let message = message::of(go, &panics, &frames);
                dying = Some(Crash::of(Some(goroutine.clone()), message, !last));
            }
            if last {
                break;
            }
        }
        match dying {
            Some(crash) if !crash.under_way => Ok(crash),
            dying => system::crash(go, scheduler, threads, &goroutines)
                .or(dying)
                .or_else(|| system::killed(go, go.lost() == before))
                .ok_or(CrashError::Alive),
        }
    }

    fn of(goroutine: Option<Goroutine>, message: Option<Message>, under_way: bool) -> Crash {
        let unknown = Message { text: None, kind: Kind::Other, repeats: 0 };
        let Message { text, kind, repeats } = message.unwrap_or(unknown);
        let (caught, again) = (false, false);
        Crash { goroutine, message: text, kind, caught, again, repeats, under_way }
    }

    /// The frame of the program's own function that died, below what the runtime does while it dies; of
    /// a panic that says older ones again, that in which the oldest of these began.
    pub fn culprit(&self, frames: &[Frame<'_, '_>]) -> Option<Culprit> {
        let (deadly, user) = match self.caught {
            true => (None, own(frames, 0)?),
            false => place(frames, self.repeats)?,
        };
        // The outermost: a library may stand between it and the program (`maps.Keys`, `sync.Map`).
        let operations = (deadly.map_or(0, |deadly| deadly + 1)..user).rev();
        let called =
            operations.filter_map(|at| Some((at, operation(frames.get(at)?.func.name())?))).next();
        let caller = called.map_or(user, |(at, _)| at + 1);
        Some(Culprit { user, caller, operation: called.map(|(_, operation)| operation) })
    }
}

/// Whether the runtime itself panicked there, and not the program.
fn raised(frames: &[Frame<'_, '_>], repeats: usize) -> bool {
    match place(frames, repeats) {
        Some((Some(deadly), user)) => {
            user > deadly + 1 || frames[deadly].func.name() == "runtime.sigpanic"
        }
        _ => false,
    }
}

/// The numbers of the frame in which the runtime began to die, and of the program's own below it.
fn place(frames: &[Frame<'_, '_>], repeats: usize) -> Option<(Option<usize>, usize)> {
    let deadly = |from: usize| (from..frames.len()).find(|at| is_deadly(frames[*at].func.name()));
    let mut user = own(frames, deadly(0).unwrap_or(0))?;
    for _ in 0..repeats {
        let Some(older) = deadly(user) else { break };
        user = own(frames, older)?;
    }
    Some(((0..user).rfind(|at| is_deadly(frames[*at].func.name())), user))
}

/// The number of the first frame of the program's own, from that of number `from` on.
fn own(frames: &[Frame<'_, '_>], from: usize) -> Option<usize> {
    (from..frames.len()).find(|at| !is_runtime(frames[*at].func.name()))
}

/// Where a program died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Culprit {
    /// The number of the frame of the program's own function.
    pub user: usize,
    /// The number of the frame that called the map operation: that one, or of a library that it uses.
    pub caller: usize,
    /// The map operation of the runtime that was called, in the frame before.
    pub operation: Option<(Op, Takes)>,
}

/// Where these goroutines stand in the program itself: of each the innermost line of its stack that is
/// none of the runtime's.
pub fn stands<'a>(
    go: &Go<'a>,
    scheduler: &Scheduler,
    threads: &[Thread],
    numbers: &HashSet<u64>,
) -> HashMap<u64, CodeFrame<'a>> {
    let (Ok(goroutines), Some(unwinder)) =
        (scheduler.goroutines(go), scheduler.unwinder(go, threads))
    else {
        return HashMap::new();
    };
    let wanted = goroutines.all.iter().filter(|goroutine| numbers.contains(&goroutine.id));
    let stands = wanted.filter_map(|goroutine| {
        let frames = unwinder.goroutine(goroutine).take(MAX_FRAMES);
        let mut lines = frames.flat_map(|frame| frame.lines());
        Some((goroutine.id, lines.find(|line| !is_runtime(line.function))?))
    });
    stands.collect()
}

/// Whether a function is none of the program's own: of the runtime, or what the runtime calls.
pub fn is_runtime(name: &str) -> bool {
    // The compiler's hash functions of key types are called by the runtime, and call it:
    // `type:.hash.T`, `type..hash.T` until 1.19. Assembly without a package (`memeqbody`) has no dot.
    // What guards the runtime's own structures from misuse is in internal packages and in sync;
    // `maps.Clone` is a name for the runtime's.
    const CALLED: [&str; 6] = ["internal/", "runtime/", "sync.", "maps.", "type:.", "type.."];
    find::is_runtime(name)
        || operation(name).is_some()
        || !name.contains('.')
        || CALLED.iter().any(|begin| name.starts_with(begin))
}
