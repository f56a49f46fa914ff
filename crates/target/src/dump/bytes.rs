//! The bytes of a core file, mapped, with a bound on how much of the mapping stays resident.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use memmap2::{Mmap, UncheckedAdvice};

/// The kernel maps up to 64 KiB of cached file around the page that faulted
/// (`fault_around_bytes`), so that is the unit in which a mapping becomes resident.
const WINDOW: usize = 64 << 10;

/// What a core may keep resident unless `Core::set_resident_budget` says otherwise: 104 MiB.
pub const DEFAULT_RESIDENT_BUDGET: usize = 104 << 20;

/// What is read of a window, beyond the budget, before it is mapped after all: mapping one and
/// giving it back costs as much as some ten reads of the file.
const READS: u8 = 16;
/// Reads of more bytes than this are copied from the file and never mapped: that costs less than a fault, and
/// leaves the budget to what is read in small pieces.
const BULK: usize = 4096;
/// How many windows have a state: those of the first TiB.
const MAX_WINDOWS: usize = 1 << 24;
/// The state of a window that is mapped; below it, how often it was read from the file instead.
const MAPPED: u8 = u8::MAX;

/// After so many windows the kernel is asked what they really took: where a file system keeps its
/// cache in large folios, one fault maps up to 2 MiB.
const CHECK: usize = 32;
/// The size of a page on amd64.
const PAGE: usize = 4096;

/// Pages of files that this process has mapped and resident, by the kernel's own count; 0 where it
/// does not tell.
fn resident_file_pages() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split_whitespace().nth(2).and_then(|pages| pages.parse().ok()).unwrap_or(0)
}

/// The bytes of a file.
pub(crate) struct Bytes {
    store: Store,
    /// The state of each window.
    windows: Vec<AtomicU8>,
    /// How many are mapped.
    count: AtomicUsize,
    /// How many may be.
    budget: AtomicUsize,
}

enum Store {
    Mapped(Mmap, File),
    Owned(Vec<u8>),
}

impl Bytes {
    /// Maps a whole file.
    pub(crate) fn map(file: File) -> io::Result<Bytes> {
        if file.metadata()?.len() == 0 {
            return Ok(Bytes::owned(Vec::new()));
        }
        // SAFETY: the mapping is private and read-only. Whoever changes the file while we look
        // changes what we read, as with any file; nothing we do relies on two reads agreeing. Who
        // shortens it makes us die by SIGBUS, which a tool that reads files it is given can bear.
        let map = unsafe { Mmap::map(&file) }?;
        let windows = map.len().div_ceil(WINDOW).min(MAX_WINDOWS);
        Ok(Bytes {
            store: Store::Mapped(map, file),
            windows: std::iter::repeat_with(AtomicU8::default).take(windows).collect(),
            count: AtomicUsize::new(0),
            budget: AtomicUsize::new(DEFAULT_RESIDENT_BUDGET / WINDOW),
        })
    }

    /// Bytes that are in memory anyway.
    pub(crate) fn owned(bytes: Vec<u8>) -> Bytes {
        Bytes {
            store: Store::Owned(bytes),
            windows: Vec::new(),
            count: AtomicUsize::new(0),
            budget: AtomicUsize::new(usize::MAX),
        }
    }

    /// All of them; what is read of these is not counted as resident.
    pub(crate) fn all(&self) -> &[u8] {
        match &self.store {
            Store::Mapped(map, _) => map,
            Store::Owned(bytes) => bytes,
        }
    }

    /// `len` bytes at `offset`.
    pub(crate) fn get(&self, offset: usize, len: usize) -> Option<&[u8]> {
        let bytes = self.all().get(offset..offset.checked_add(len)?)?;
        for window in offset / WINDOW..(offset + len).div_ceil(WINDOW) {
            if self.state(window) != MAPPED {
                self.count_window(window);
            }
        }
        Some(bytes)
    }

    /// Whether so many bytes are better lent than copied.
    pub(super) fn lends(&self, len: usize) -> bool {
        len <= BULK || matches!(self.store, Store::Owned(_))
    }

    /// Fills `buf` from `offset` on; false where that is not all in the file.
    #[inline]
    pub(crate) fn read(&self, offset: usize, buf: &mut [u8]) -> bool {
        let end = offset.saturating_add(buf.len());
        let Some(bytes) = self.all().get(offset..end) else { return false };
        let one = offset / WINDOW == end.saturating_sub(1) / WINDOW;
        if one && self.state(offset / WINDOW) == MAPPED || !self.read_file(offset, buf) {
            buf.copy_from_slice(bytes);
        }
        true
    }

    #[inline]
    fn state(&self, window: usize) -> u8 {
        self.windows.get(window).map_or(MAPPED, |state| state.load(Ordering::Relaxed))
    }

    /// Reads past the mapping: much at once, and what the budget is spent for and this window not
    /// yet worth an entry of it. False where the bytes are to be copied from the mapping, which is
    /// then counted.
    #[cold]
    fn read_file(&self, offset: usize, buf: &mut [u8]) -> bool {
        let window = offset / WINDOW;
        let reads = self.state(window);
        let spent = self.count.load(Ordering::Relaxed) >= self.budget.load(Ordering::Relaxed);
        let bulk = buf.len() > BULK;
        if let Store::Mapped(_, file) = &self.store
            && (bulk || spent && reads < READS)
            && file.read_exact_at(buf, offset as u64).is_ok()
        {
            if let Some(state) = self.windows.get(window).filter(|_| !bulk) {
                state.store(reads + 1, Ordering::Relaxed);
            }
            return true;
        }
        let _ = self.get(offset, buf.len());
        false
    }

    /// Allows about `bytes` of the mapping to be resident.
    pub(crate) fn set_budget(&self, bytes: usize) {
        self.budget.store((bytes / WINDOW).max(1), Ordering::Relaxed);
    }

    #[cold]
    fn count_window(&self, window: usize) {
        let counted = self.count.fetch_add(1, Ordering::Relaxed);
        let budget = self.budget.load(Ordering::Relaxed);
        let checked =
            counted % CHECK == CHECK - 1 && resident_file_pages() > budget * WINDOW / PAGE;
        if counted >= budget || checked {
            self.empty();
        }
        if let Some(state) = self.windows.get(window) {
            state.store(MAPPED, Ordering::Relaxed);
        }
    }

    /// Gives the mapping's pages back; they stay in the kernel's page cache, uncounted.
    fn empty(&self) {
        let Store::Mapped(map, _) = &self.store else { return };
        for state in &self.windows {
            state.store(0, Ordering::Relaxed);
        }
        self.count.store(1, Ordering::Relaxed);
        // SAFETY: MADV_DONTNEED only drops this mapping's page table entries. The mapping is of a
        // file, is never written and so has no pages of its own to lose: the next access finds the
        // same bytes in the file again. Slices that are lent out thus stay valid and unchanged.
        // It cannot fail for a mapping that exists, and if it did nothing would be lost.
        let _ = unsafe { map.unchecked_advise(UncheckedAdvice::DontNeed) };
    }
}
