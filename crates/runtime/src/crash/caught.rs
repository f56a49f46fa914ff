//! A program that was stopped where it begins to die, before it said anything.

use mapscope_target::{Addr, Thread};

use super::message::{self, Message};
use super::{Crash, Kind, MAX_FRAMES, sites};
use crate::Go;
use crate::goroutine::{Goroutine, Scheduler};
use crate::stack::{Frame, Unwinder};

/// `SIGTRAP`: what a core of such a program says that it was written for.
const SIGTRAP: i32 = 5;

/// The death that the thread the core is for was about to die.
pub(super) fn find<'a>(
    go: &Go<'a>,
    scheduler: &Scheduler,
    unwinder: &Unwinder<'_, 'a>,
    threads: &[Thread],
    goroutines: &[Goroutine],
) -> Option<Crash> {
    let trap = go.target.crash().filter(|crash| crash.signal == SIGTRAP)?;
    let thread = threads.iter().find(|thread| thread.tid == trap.tid)?;
    let at = go.va_of(Addr(thread.registers?.rip));
    let all = sites(go.image.elf, go.pclntab()?, true);
    let site = all.iter().find(|site| site.at == at)?.clone();
    let goroutine = goroutines.iter().filter(|g| g.is_alive()).find(|g| {
        let on = scheduler.thread(go, g).ok().flatten();
        on.is_some_and(|on| on.tid == u64::from(trap.tid))
    })?;
    let frames: Vec<Frame<'_, 'a>> = unwinder.goroutine(goroutine).take(MAX_FRAMES).collect();
    let mut crash = match site.kind {
        // What is said is in the arguments of the function that it stands in.
        Kind::Other => {
            let message = message::at(go, &frames, thread.registers);
            let crash = Crash::of(Some(goroutine.clone()), message, false);
            Crash { again: all.iter().any(|site| site.kind == crash.kind), ..crash }
        }
        kind => {
            let text = site.message.or_else(|| kind.text().map(str::to_owned));
            Crash::of(Some(goroutine.clone()), Some(Message { text, kind, repeats: 0 }), false)
        }
    };
    crash.caught = true;
    Some(crash)
}
