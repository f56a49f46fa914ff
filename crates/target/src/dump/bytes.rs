//! The bytes of a core file, mapped, with a bound on how much of the mapping stays resident.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use memmap2::{Mmap, UncheckedAdvice};

/// The kernel maps up to 64 KiB of cached file around the page that faulted
/// (`fault_around_bytes`), so that is the unit in which a mapping becomes resident.
const WINDOW: usize = 64 << 10;

/// What a core may keep resident unless `Core::set_resident_budget` says otherwise: 64 MiB.
pub const DEFAULT_RESIDENT_BUDGET: usize = 64 << 20;

/// The bytes of a file.
pub(super) struct Bytes {
    store: Store,
    /// A bit for each window that was touched since the mapping was last emptied.
    touched: Vec<AtomicU64>,
    /// How many bits are set.
    count: AtomicUsize,
    /// How many may be.
    budget: AtomicUsize,
}

enum Store {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

impl Bytes {
    /// Maps a whole file.
    pub(super) fn map(file: &File) -> io::Result<Bytes> {
        if file.metadata()?.len() == 0 {
            return Ok(Bytes::owned(Vec::new()));
        }
        // SAFETY: the mapping is private and read-only. Whoever changes the file while we look
        // changes what we read, as with any file; nothing we do relies on two reads agreeing. Who
        // shortens it makes us die by SIGBUS, which a tool that reads files it is given can bear.
        let map = unsafe { Mmap::map(file) }?;
        let words = map.len().div_ceil(WINDOW).div_ceil(64);
        Ok(Bytes {
            store: Store::Mapped(map),
            touched: std::iter::repeat_with(AtomicU64::default).take(words).collect(),
            count: AtomicUsize::new(0),
            budget: AtomicUsize::new(DEFAULT_RESIDENT_BUDGET / WINDOW),
        })
    }

    /// Bytes that are in memory anyway.
    pub(super) fn owned(bytes: Vec<u8>) -> Bytes {
        Bytes {
            store: Store::Owned(bytes),
            touched: Vec::new(),
            count: AtomicUsize::new(0),
            budget: AtomicUsize::new(usize::MAX),
        }
    }

    /// All of them; what is read of these is not counted as resident.
    pub(super) fn all(&self) -> &[u8] {
        match &self.store {
            Store::Mapped(map) => map,
            Store::Owned(bytes) => bytes,
        }
    }

    /// `len` bytes at `offset`.
    #[inline]
    pub(super) fn get(&self, offset: usize, len: usize) -> Option<&[u8]> {
        let bytes = self.all().get(offset..offset.checked_add(len)?)?;
        self.touch(offset, len);
        Some(bytes)
    }

    /// Allows about `bytes` of the mapping to be resident.
    pub(super) fn set_budget(&self, bytes: usize) {
        self.budget.store((bytes / WINDOW).max(1), Ordering::Relaxed);
    }

    #[inline]
    fn touch(&self, offset: usize, len: usize) {
        let first = offset / WINDOW;
        self.touch_window(first);
        for window in first + 1..(offset + len).div_ceil(WINDOW) {
            self.touch_window(window);
        }
    }

    #[inline]
    fn touch_window(&self, window: usize) {
        let Some(word) = self.touched.get(window / 64) else { return };
        let bit = 1 << (window % 64);
        if word.load(Ordering::Relaxed) & bit == 0 {
            self.count_window(word, bit);
        }
    }

    #[cold]
    fn count_window(&self, word: &AtomicU64, bit: u64) {
        word.fetch_or(bit, Ordering::Relaxed);
        if self.count.fetch_add(1, Ordering::Relaxed) >= self.budget.load(Ordering::Relaxed) {
            self.empty();
        }
    }

    /// Gives the mapping's pages back; they stay in the kernel's page cache, uncounted.
    fn empty(&self) {
        let Store::Mapped(map) = &self.store else { return };
        for word in &self.touched {
            word.store(0, Ordering::Relaxed);
        }
        self.count.store(0, Ordering::Relaxed);
        // SAFETY: MADV_DONTNEED only drops this mapping's page table entries. The mapping is of a
        // file, is never written and so has no pages of its own to lose: the next access finds the
        // same bytes in the file again. Slices that are lent out thus stay valid and unchanged.
        // It cannot fail for a mapping that exists, and if it did nothing would be lost.
        let _ = unsafe { map.unchecked_advise(UncheckedAdvice::DontNeed) };
    }
}
