//! What is needed to read goroutines and their stacks, gathered once per process.

use mapscope_binary::FileVa;
use mapscope_target::{Addr, Fault, MemoryExt, Thread};

use super::{Goroutine, Goroutines, OnThread, Panic, Processor, Status, WaitReasons, processor};
use crate::evidence::{self, G, M, P};
use crate::stack::{Code, Unwinder};
use crate::{Go, OpenError};

/// Panics in panics are followed so deep.
const MAX_PANICS: usize = 100;

/// The layouts and variables of the runtime's scheduler.
#[derive(Clone, Debug)]
pub struct Scheduler {
    g: G,
    m: M,
    p: Option<P>,
    allgs: Addr,
    allp: Option<Addr>,
    reasons: WaitReasons,
}

impl Scheduler {
    /// Gathers them from the executable's DWARF, or from what stands in for it.
    ///
    /// # Errors
    /// No evidence for a layout, or no variable `runtime.allgs`.
    pub fn open(go: &Go<'_>) -> Result<Scheduler, OpenError> {
        let source = go.layouts().source();
        let allgs = go.variable("runtime.allgs").ok_or(OpenError::NoVariable("runtime.allgs"))?;
        let reasons = match go.image.variable("runtime.waitReasonStrings") {
            Some(reasons) => {
                WaitReasons::read(go.memory(), go.addr_of(reasons.at), reasons.size).ok()
            }
            None => go.layouts().table().map(|table| WaitReasons::new(&table.layouts.reasons)),
        };
        Ok(Scheduler {
            g: G::load(source)?,
            m: M::load(source)?,
            p: P::load(source).ok(),
            allgs,
            allp: go.variable("runtime.allp"),
            reasons: reasons.unwrap_or_default(),
        })
    }

    /// Reads every goroutine, the dead included.
    ///
    /// # Errors
    /// The list of them cannot be read.
    pub fn goroutines(&self, go: &Go<'_>) -> Result<Goroutines, Fault> {
        Goroutines::read(go.memory(), &self.g, self.allgs)
    }

    /// Every processor; none where nothing tells where they are.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn processors(&self, go: &Go<'_>) -> Result<Vec<Processor>, Fault> {
        match (&self.p, self.allp) {
            (Some(layout), Some(allp)) => processor::all(go.memory(), layout, allp),
            _ => Ok(Vec::new()),
        }
    }

    /// The thread that runs a goroutine, and the processor it does so on.
    ///
    /// # Errors
    /// The thread's `runtime.m` cannot be read.
    pub fn thread(&self, go: &Go<'_>, goroutine: &Goroutine) -> Result<Option<OnThread>, Fault> {
        processor::thread(go.memory(), &self.m, self.p.as_ref(), goroutine)
    }

    /// The panics that the goroutine is in, the innermost first: their `runtime._panic`.
    pub fn panics(&self, go: &Go<'_>, goroutine: &Goroutine) -> Vec<Panic> {
        let Ok(layout) = evidence::Panic::load(go.layouts().source()) else { return Vec::new() };
        let memory = go.memory();
        let first = self.g.panic.and_then(|at| memory.addr(goroutine.addr.checked_add(at)?).ok());
        let mut next = first.filter(|at| !at.is_null());
        let mut panics = Vec::new();
        while let Some(at) = next.filter(|_| panics.len() < MAX_PANICS) {
            let Ok(panic) = Panic::read(memory, &layout, at) else { break };
            next = Some(panic.link).filter(|link| !link.is_null());
            panics.push(panic);
        }
        panics
    }

    /// Why a goroutine waits, in the runtime's words; `None` unless it does.
    pub fn wait_reason(&self, goroutine: &Goroutine) -> Option<&str> {
        let waits = matches!(goroutine.status, Status::Waiting | Status::Leaked);
        self.reasons.get(goroutine.wait_reason).filter(|_| waits)
    }

    /// An unwinder for the stacks of a process whose threads are `threads`; `None` for an
    /// executable whose pclntab could not be read.
    pub fn unwinder<'s, 'a>(
        &'s self,
        go: &'s Go<'a>,
        threads: &'s [Thread],
    ) -> Option<Unwinder<'s, 'a>> {
        let table = go.pclntab()?;
        let code = Code::new(table, go.addr_of(FileVa(0)).0);
        Some(Unwinder::new(go.memory(), code, &self.g, &self.m, threads))
    }
}
