//! What breakpoints stand in a process, where its guardian sees it too.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::libc;

/// The most breakpoints in one process. The runtime has fewer than a hundred sites.
pub(crate) const MOST: usize = 510;

/// Words of shared memory: the process, how many breakpoints, then the address of each with the byte
/// that belongs there in its highest 8 bits, which no address of a process uses.
const WORDS: usize = MOST + 2;

/// The list, in memory that a child of ours shares.
pub(crate) struct Ledger(NonNull<AtomicU64>);

// SAFETY: the memory is written and read by atomic operations only, and stays until we end.
unsafe impl Send for Ledger {}
// SAFETY: as above.
unsafe impl Sync for Ledger {}

impl Ledger {
    /// An empty one. It is never given back: its guardian may need it until the last.
    pub(crate) fn new() -> Result<Ledger, Errno> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping, of no file, at an address of the kernel's choice.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), WORDS * 8, access, flags, -1, 0) };
        match at {
            libc::MAP_FAILED => Err(Errno::last()),
            at => NonNull::new(at.cast()).map(Ledger).ok_or(Errno::ENOMEM),
        }
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping has so many words, all zero at first, and is never unmapped.
        unsafe { slice::from_raw_parts(self.0.as_ptr(), WORDS) }
    }

    /// Notes what is about to be put into `pid`: addresses, and the bytes that belong there.
    pub(crate) fn note(&self, pid: u32, places: &[(u64, u8)]) {
        let [process, count, entries @ ..] = self.words() else { return };
        for (entry, (at, byte)) in entries.iter().zip(places) {
            entry.store(*at | u64::from(*byte) << 56, Ordering::Relaxed);
        }
        count.store(places.len().min(MOST) as u64, Ordering::Relaxed);
        process.store(pid.into(), Ordering::Release);
    }

    /// Notes that there are none any more.
    pub(crate) fn clear(&self) {
        if let [process, ..] = self.words() {
            process.store(0, Ordering::Release);
        }
    }

    /// Takes out what stands there still.
    pub(crate) fn undo(&self) {
        let [process, count, entries @ ..] = self.words() else { return };
        let pid = process.load(Ordering::Acquire) as u32;
        if pid == 0 {
            return;
        }
        let Ok(memory) = OpenOptions::new().write(true).open(format!("/proc/{pid}/mem")) else {
            return;
        };
        let count = count.load(Ordering::Relaxed) as usize;
        for entry in entries.iter().take(count) {
            let entry = entry.load(Ordering::Relaxed);
            // It fails where the process has ended, or is another program by now.
            let _ = memory.write_all_at(&[(entry >> 56) as u8], entry & (u64::MAX >> 8));
        }
    }
}
