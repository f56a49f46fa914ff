//! A target of which one read fails.

use std::cell::Cell;

use mapscope_target::{Addr, Fault, Memory, Target, Why, delegate_target};

/// A target of which one read fails.
pub(crate) struct Failing<'t> {
    target: &'t dyn Target,
    /// Which.
    nth: Cell<Option<usize>>,
    /// How many there were.
    reads: Cell<usize>,
    /// After so many all fail.
    limit: Cell<usize>,
    /// Where the one failed.
    failed: Cell<Addr>,
}

impl<'t> Failing<'t> {
    /// `target`, of which no read fails yet.
    pub(crate) fn new(target: &'t dyn Target) -> Failing<'t> {
        let limit = Cell::new(usize::MAX);
        let (nth, reads, failed) = (Cell::default(), Cell::default(), Cell::default());
        Failing { target, nth, reads, limit, failed }
    }

    /// Lets the read with the number `nth` from now on fail, and all after `limit`.
    pub(crate) fn arm(&self, nth: Option<usize>, limit: usize) {
        self.nth.set(nth);
        self.limit.set(limit);
        self.reads.set(0);
        self.failed.set(Addr::NULL);
    }

    /// How many reads there were since.
    pub(crate) fn reads(&self) -> usize {
        self.reads.get()
    }

    /// Where the one failed.
    pub(crate) fn failed(&self) -> Addr {
        self.failed.get()
    }
}

impl Memory for Failing<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let n = self.reads.replace(self.reads.get() + 1);
        if n >= self.limit.get() {
            return Err(Fault::new(addr, Why::Gone));
        }
        if Some(n) == self.nth.get() {
            self.failed.set(addr);
            return Err(Fault::new(addr, Why::NotInCore));
        }
        self.target.read(addr, buf)
    }
}

impl Target for Failing<'_> {
    delegate_target!(self => self.target);

    fn lost(&self) -> usize {
        let failed = self.nth.get().is_some_and(|nth| nth < self.reads.get());
        self.target.lost() + usize::from(failed)
    }
}
