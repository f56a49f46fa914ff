//! Deaths outside of any goroutine's own stack: what the scheduler, the allocator and signal handlers
//! die of, they die of on the stack of their thread.

use mapscope_target::Thread;

use super::message::{self, Message};
use super::{Crash, Kind, MAX_FRAMES};
use crate::Go;
use crate::goroutine::{Goroutine, Scheduler};

/// Threads looked at.
const MAX_THREADS: usize = 1 << 10;

/// What the thread that took the signal died of, and the goroutine it ran.
pub(super) fn crash(
    go: &Go<'_>,
    scheduler: &Scheduler,
    threads: &[Thread],
    goroutines: &[Goroutine],
) -> Option<Crash> {
    let first = go.target.crash()?.tid;
    let unwinder = scheduler.unwinder(go, threads)?;
    let mut threads: Vec<&Thread> = threads.iter().collect();
    threads.sort_by_key(|thread| thread.tid != first);
    let told = threads.iter().take(MAX_THREADS).filter_map(|thread| {
        let frames = unwinder.thread(&thread.registers?, MAX_FRAMES);
        Some((thread.tid, message::of(go, &[], &frames)?))
    });
    let (tid, message) = told.min_by_key(|(_, message)| is_relay(message))?;
    let runs = |goroutine: &&Goroutine| {
        let on = scheduler.thread(go, goroutine).ok().flatten();
        goroutine.is_alive() && on.is_some_and(|on| on.tid == u64::from(tid))
    };
    // Where all are asleep the thread runs none of them.
    let asleep = message.kind == Kind::Deadlock;
    let goroutine = goroutines.iter().find(runs).filter(|_| !asleep).cloned();
    Some(Crash::of(goroutine, Some(message), false))
}

/// Whether it is what a dying program sends its own threads to have them print their stacks
/// (`sighandler` in runtime/signal_unix.go, with GOTRACEBACK=crash).
fn is_relay(message: &Message) -> bool {
    message.kind == Kind::Signal && message.text.as_deref() == Some("SIGQUIT")
}

/// Of a program that the kernel ended by a signal. Where not `all` of its stacks could be read it may have
/// sent that to itself, for a reason that is not known.
pub(super) fn killed(go: &Go<'_>, all: bool) -> Option<Crash> {
    let signal = go.target.crash().map(|crash| crash.signal).filter(|signal| *signal > 0)?;
    let message =
        || Message { text: Some(message::signal_name(signal)), kind: Kind::Signal, repeats: 0 };
    Some(Crash::of(None, all.then(message), false))
}
