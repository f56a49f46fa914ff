//! How far a long piece of work is, and whether it should stop.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Shared between the work, which counts, and whoever watches it: the command line draws a bar
/// from it, and sets [`Progress::cancel`] on Ctrl-C.
#[derive(Debug, Default)]
pub struct Progress {
    cancelled: AtomicBool,
    halted: AtomicBool,
    done: AtomicU64,
    total: AtomicU64,
    stage: Mutex<&'static str>,
}

impl Progress {
    /// Begins a stage of `total` steps (0 where the number is not known).
    pub fn begin(&self, stage: &'static str, total: u64) {
        *self.stage.lock().unwrap_or_else(|e| e.into_inner()) = stage;
        self.total.store(total, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
    }

    /// Counts `steps` more steps of the current stage.
    pub fn step(&self, steps: u64) {
        self.done.fetch_add(steps, Ordering::Relaxed);
    }

    /// Asks the work to stop where it is; it then reports what it has, marked as incomplete.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Asks the work at hand to stop, as [`Progress::cancel`] does, until [`Progress::resume`]: it
    /// takes too long, and what comes after it does not depend on its end.
    pub fn halt(&self) {
        self.halted.store(true, Ordering::Relaxed);
    }

    /// Takes [`Progress::halt`] back.
    pub fn resume(&self) {
        self.halted.store(false, Ordering::Relaxed);
    }

    /// Whether the work has been asked to stop. Loops over a target's data poll this.
    pub fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) || self.halted.load(Ordering::Relaxed)
    }

    /// The current stage, its steps done and its steps in all.
    pub fn now(&self) -> (&'static str, u64, u64) {
        let stage = *self.stage.lock().unwrap_or_else(|e| e.into_inner());
        (stage, self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }
}
