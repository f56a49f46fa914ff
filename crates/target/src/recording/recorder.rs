//! A target that notes what is read of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use crate::{Addr, Fault, Memory, Target, Why, delegate_target};

/// The unit in which is noted what was read: a page of amd64.
pub(super) const PAGE: u64 = 4096;
/// Failed reads remembered: more are not, and are read as not recorded.
const MAX_FAULTS: usize = 1 << 16;

/// Another target, and a note of the pages that were read of it. [`Recorder::write`] makes a
/// recording of them.
pub struct Recorder<'t> {
    pub(super) target: &'t dyn Target,
    noted: Mutex<Noted>,
}

/// What was read.
#[derive(Default)]
pub(super) struct Noted {
    /// The numbers of the pages.
    pub(super) pages: BTreeSet<u64>,
    /// By page number: where reads failed, and why.
    pub(super) faults: BTreeMap<u64, Fault>,
    /// The page noted last: reads come in clusters.
    last: Option<u64>,
}

impl<'t> Recorder<'t> {
    /// Notes from now on what is read of `target`.
    pub fn new(target: &'t dyn Target) -> Recorder<'t> {
        Recorder { target, noted: Mutex::default() }
    }

    pub(super) fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(|e| e.into_inner())
    }

    #[cold]
    fn note_fault(&self, addr: Addr, fault: Fault) {
        let mut noted = self.noted();
        if let Some(len) = fault.addr.offset_from(addr) {
            noted.pages(addr, len);
        }
        let lasting = !matches!(fault.why, Why::Thawed | Why::Overflow | Why::TooLong { .. });
        if lasting && noted.faults.len() < MAX_FAULTS {
            noted.faults.entry(fault.addr.0 / PAGE).or_insert(fault);
        }
    }
}

impl Noted {
    /// Notes the pages of `len` bytes at `addr`.
    fn pages(&mut self, addr: Addr, len: u64) {
        let Some(last) = len.checked_sub(1).and_then(|len| addr.0.checked_add(len)) else { return };
        let (first, last) = (addr.0 / PAGE, last / PAGE);
        if first == last && self.last == Some(first) {
            return;
        }
        self.pages.extend(first..=last);
        self.last = Some(last);
    }
}

impl Memory for Recorder<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        match self.target.read(addr, buf) {
            Ok(()) => {
                self.noted().pages(addr, buf.len() as u64);
                Ok(())
            }
            Err(fault) => {
                self.note_fault(addr, fault);
                Err(fault)
            }
        }
    }

    fn borrow(&self, addr: Addr, len: usize) -> Option<&[u8]> {
        let bytes = self.target.borrow(addr, len)?;
        self.noted().pages(addr, len as u64);
        Some(bytes)
    }
}

impl Target for Recorder<'_> {
    delegate_target!(self => self.target);

    fn missed(&self) -> usize {
        self.target.missed()
    }

    fn enough(&self) -> Option<Duration> {
        self.target.enough()
    }

    fn forget(&self) {
        self.target.forget();
    }

    fn lost(&self) -> usize {
        self.target.lost()
    }

    fn mixes_moments(&self) -> bool {
        self.target.mixes_moments()
    }
}
