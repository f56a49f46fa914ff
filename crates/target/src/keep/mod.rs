//! A held process kept as an ordinary ELF core, which gdb and delve read as well.
//!
//! In two steps, so that it is held for the first only: [`Snapshot::take`] copies what a core has, and
//! has it written as it goes; what the disk was too slow for waits in memory. [`Snapshot::write`] waits
//! for that, and makes the file.

mod hurry;
mod notes;
mod pages;
mod plan;
mod store;
mod stream;
mod write;

use std::io;
use std::path::{Path, PathBuf};

use crate::{Addr, ThreadState, procfs};
use plan::Plan;
use store::Store;

/// A process as it stood, to be written as a core.
pub struct Snapshot {
    plan: Plan,
    notes: Vec<u8>,
    store: Store,
}

/// Why a core is kept: what it will say killed its first thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Why {
    /// The signal that the core is said to be written for.
    pub signal: i32,
    /// The instruction at which the first thread was stopped.
    pub at: Addr,
}

/// A core that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The file.
    pub path: PathBuf,
    /// What it takes of the disk, in bytes: less than its length, for what the process never touched
    /// is a hole.
    pub bytes: u64,
}

/// Why no core was kept. No part of one is left behind.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The process is gone.
    #[error("the process has ended before its memory was copied")]
    Gone,
    /// It would take too much.
    #[error("its core would take {wanted} bytes, of {left} that may still be used")]
    TooLarge {
        /// What it would take, in bytes.
        wanted: u64,
        /// What there is left, in bytes.
        left: u64,
    },
    /// A file of `/proc` cannot be read.
    #[error("cannot read what /proc tells of process {pid}")]
    Proc {
        /// The process.
        pid: u32,
        /// What failed.
        source: io::Error,
    },
    /// The core cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
}

impl Snapshot {
    /// Copies the memory of process `pid`, whose threads are held: the first of `threads` is the one
    /// that the core is for. At most `left` bytes; `path` is where [`Snapshot::write`] is going to
    /// leave the core: beside it the file grows.
    ///
    /// # Errors
    /// See [`KeepError`].
    pub fn take(
        pid: u32,
        threads: &[ThreadState],
        why: Why,
        left: u64,
        path: &Path,
    ) -> Result<Snapshot, KeepError> {
        let failed = |source| KeepError::Proc { pid, source };
        let mappings = procfs::maps(pid).map_err(failed)?;
        let mut plan = Plan::of(pid, mappings).map_err(failed)?;
        let notes = notes::of(pid, threads, why, &plan.mappings());
        plan.lay_out(notes.len() as u64);
        if plan.bytes() > left {
            return Err(KeepError::TooLarge { wanted: plan.bytes(), left });
        }
        let store = Store::fill(pid, &mut plan, path)?;
        Ok(Snapshot { plan, notes, store })
    }

    /// How much memory was copied, in bytes.
    pub fn bytes(&self) -> u64 {
        self.plan.bytes()
    }

    /// Writes the core to `path`: under another name first, so that no half of one is ever there.
    ///
    /// # Errors
    /// The disk is full, or the file cannot be written; nothing is left of it.
    pub fn write(self, path: &Path) -> Result<Kept, KeepError> {
        let failed = |source| KeepError::Write { path: path.to_owned(), source };
        let head = write::head(&self.plan, &self.notes);
        let bytes = self.store.finish(&head, path).map_err(failed)?;
        Ok(Kept { path: path.to_owned(), bytes })
    }
}
