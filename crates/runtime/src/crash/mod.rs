//! How a Go program died: which goroutine, of what, and in which operation of a map.

mod kind;
mod message;
mod suspects;

use mapscope_binary::CodeFrame;
use mapscope_target::{Fault, Thread};

use crate::goroutine::{Goroutine, Scheduler};
use crate::holders::{Op, Takes, operation};
use crate::stack::Frame;
use crate::{Go, OpenError};

pub use kind::{Advice, Kind};
pub use suspects::{Suspect, Work, suspects};

/// Frames looked into on one stack.
const MAX_FRAMES: usize = 10_000;

/// Functions of the runtime in which a goroutine dies, the outermost last.
const DEADLY: [&str; 6] = [
    "runtime.fatalpanic",
    "runtime.gopanic",
    "runtime.fatalthrow",
    "runtime.fatal",
    "runtime.throw",
    "runtime.sigpanic",
];

/// The death of a program.
pub struct Crash {
    /// The goroutine that died.
    pub goroutine: Goroutine,
    /// What the runtime said, or would have: `assignment to entry in nil map`. `None` where that
    /// could not be read.
    pub message: Option<String>,
    /// What kind of death that is.
    pub kind: Kind,
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
        let dying = goroutines.all.into_iter().filter(Goroutine::is_alive).find_map(|goroutine| {
            let frames: Vec<Frame<'_, '_>> =
                unwinder.goroutine(&goroutine).take(MAX_FRAMES).collect();
            let dies = frames.iter().any(|f| DEADLY[..3].contains(&f.func.name()));
            dies.then(|| (message::of(go, &scheduler.panics(go, &goroutine), &frames), goroutine))
        });
        let (message, goroutine) = dying.ok_or(CrashError::Alive)?;
        let kind = message.as_deref().map_or(Kind::Other, Kind::of);
        Ok(Crash { goroutine, message, kind })
    }
}

/// The frame of the program's own function that died, below what the runtime does while it dies.
pub fn culprit(frames: &[Frame<'_, '_>]) -> Option<Culprit> {
    let deadly = frames.iter().rposition(|f| DEADLY.contains(&f.func.name()))?;
    let below = frames.get(deadly + 1..)?;
    let user = below.iter().position(|f| !is_runtime(f.func.name()))?;
    let operation = below[..user].last().and_then(|f| operation(f.func.name()));
    Some(Culprit { user: deadly + 1 + user, operation })
}

/// Where a program died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Culprit {
    /// The number of the frame of the program's own function.
    pub user: usize,
    /// The map operation of the runtime that it called, in the frame before.
    pub operation: Option<(Op, Takes)>,
}

/// Where the goroutine with this number stands in the program itself: the innermost line of its stack
/// that is none of the runtime's.
pub fn stands<'a>(
    go: &Go<'a>,
    scheduler: &Scheduler,
    threads: &[Thread],
    goroutine: u64,
) -> Option<CodeFrame<'a>> {
    let goroutines = scheduler.goroutines(go).ok()?;
    let goroutine = goroutines.all.iter().find(|one| one.id == goroutine)?;
    let unwinder = scheduler.unwinder(go, threads)?;
    let lines = unwinder.goroutine(goroutine).take(MAX_FRAMES).flat_map(|frame| frame.lines());
    lines.into_iter().find(|line| !is_runtime(line.function))
}

/// Whether a function is none of the program's own: of the runtime, or what the runtime calls.
fn is_runtime(name: &str) -> bool {
    // The compiler's hash functions of key types are called by the runtime, and call it:
    // `type:.hash.T`, `type..hash.T` until 1.19. Assembly without a package (`memeqbody`) has no dot.
    const OTHERS: [&str; 5] =
        ["runtime.", "internal/runtime/", "internal/bytealg.", "type:.", "type.."];
    !name.contains('.') || OTHERS.iter().any(|begin| name.starts_with(begin))
}
