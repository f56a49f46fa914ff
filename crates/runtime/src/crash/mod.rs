//! How a Go program died: which goroutine, of what, and in which operation of a map.

mod caught;
mod kind;
mod message;
mod sites;
mod suspects;
pub mod text;

use std::collections::{HashMap, HashSet};

use mapscope_binary::CodeFrame;
use mapscope_target::{Fault, Thread};

use crate::find;
use crate::goroutine::{Goroutine, Scheduler};
use crate::holders::{Op, Takes, operation};
use crate::stack::Frame;
use crate::{Go, OpenError};

pub use kind::{Advice, Kind};
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
pub struct Crash {
    /// The goroutine that died.
    pub goroutine: Goroutine,
    /// What the runtime said, or would have: `assignment to entry in nil map`. `None` where that
    /// could not be read.
    pub message: Option<String>,
    /// What kind of death that is.
    pub kind: Kind,
    /// It was stopped before it died: the innermost frame is where it begins to.
    pub caught: bool,
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
        let goroutines = scheduler.goroutines(go)?;
        let unwinder = scheduler.unwinder(go, threads).ok_or(CrashError::NoFunctions)?;
        if let Some(crash) = caught::find(go, scheduler, &unwinder, threads, &goroutines.all) {
            return Ok(crash);
        }
        let mut dying = None;
        for goroutine in goroutines.all.into_iter().filter(Goroutine::is_alive) {
            let frames: Vec<Frame<'_, '_>> =
                unwinder.goroutine(&goroutine).take(MAX_FRAMES).collect();
            let is_in = |names: &[&str]| frames.iter().any(|f| names.contains(&f.func.name()));
            let last = is_in(&LAST);
            if last || (dying.is_none() && is_in(&PANIC)) {
                let panics = scheduler.panics(go, &goroutine);
                dying = Some((message::of(go, &panics, &frames), goroutine));
            }
            if last {
                break;
            }
        }
        let (message, goroutine) = dying.ok_or(CrashError::Alive)?;
        let kind = message.as_deref().map_or(Kind::Other, Kind::of);
        Ok(Crash { goroutine, message, kind, caught: false })
    }

    /// The frame of the program's own function that died.
    pub fn culprit(&self, frames: &[Frame<'_, '_>]) -> Option<Culprit> {
        match self.caught {
            true => culprit_above(frames, 0),
            false => culprit(frames),
        }
    }
}

/// The frame of the program's own function that died, below what the runtime does while it dies.
fn culprit(frames: &[Frame<'_, '_>]) -> Option<Culprit> {
    let deadly = frames.iter().rposition(|f| is_deadly(f.func.name()))?;
    culprit_above(frames, deadly + 1)
}

/// The same, below the `skipped` innermost frames.
fn culprit_above(frames: &[Frame<'_, '_>], skipped: usize) -> Option<Culprit> {
    let below = frames.get(skipped..)?;
    let user = below.iter().position(|f| !is_runtime(f.func.name()))?;
    let operation = below[..user].last().and_then(|f| operation(f.func.name()));
    Some(Culprit { user: skipped + user, operation })
}

/// Where a program died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Culprit {
    /// The number of the frame of the program's own function.
    pub user: usize,
    /// The map operation of the runtime that it called, in the frame before.
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
    const CALLED: [&str; 3] = ["internal/bytealg.", "type:.", "type.."];
    find::is_runtime(name)
        || !name.contains('.')
        || CALLED.iter().any(|begin| name.starts_with(begin))
}
