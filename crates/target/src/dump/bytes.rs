//! The bytes of a core file, mapped, with a bound on how much of the mapping stays resident.
//!
//! What is wanted of a [`Reads::Sparse`] mapping is copied by the kernel, a page of Go's heap at a
//! time, as if it were to be written to. To read it from the file's own pages would be to map whole
//! folios of the kernel's cache around each (64 KiB a fault, `fault_around_bytes` of mm/memory.c; up to
//! 2 MiB since Linux 6.18): to map and to unmap those costs ten times as much, and they count as ours.
//! Where most of a file is read again and again it pays.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use memmap2::{Advice, MmapMut, MmapOptions, UncheckedAdvice};

/// How a core is going to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Here and there.
    Sparse,
    /// Nearly everywhere, again and again.
    Dense,
}

impl Reads {
    /// The unit in which a mapping becomes resident, in bytes.
    const fn window(self) -> usize {
        match self {
            // A page of Go's heap (`pageSize`, runtime/sizeclasses.go): its objects are of one size,
            // and often of one type.
            Reads::Sparse => 8 << 10,
            // What a fault maps of a cached file (`fault_around_bytes`, mm/memory.c).
            Reads::Dense => 64 << 10,
        }
    }

    /// How often a window is read from the file, beyond the budget, before it is resident after
    /// all: to make one resident and give it back costs as much as some such reads.
    const fn before_kept(self) -> u8 {
        match self {
            Reads::Sparse => 4,
            Reads::Dense => 16,
        }
    }
}

/// What a core may keep resident unless `Core::expect_reads` says otherwise: 104 MiB.
pub const DEFAULT_RESIDENT_BUDGET: usize = 104 << 20;

/// Reads of more bytes than this are copied from the file and never kept: that leaves the budget
/// to what is read in small pieces.
const BULK: usize = 4096;
/// How many windows have a state: those of the first 256 GiB, where they are small.
const MAX_WINDOWS: usize = 1 << 25;
/// The state of a window that is resident; below it, how often it was read from the file instead.
const RESIDENT: u8 = u8::MAX;

/// After so many large windows the kernel is asked what they really took: where a file system keeps
/// its cache in large folios, one fault maps up to 2 MiB.
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
    reads: Reads,
    /// The size of a window is two to the power of this.
    shift: u32,
    /// The state of each window.
    windows: Vec<AtomicU8>,
    /// How many are resident.
    count: AtomicUsize,
    /// How many may be.
    budget: usize,
}

enum Store {
    Mapped(MmapMut, File),
    Owned(Vec<u8>),
}

impl Bytes {
    /// Maps a whole file.
    pub(crate) fn map(file: File) -> io::Result<Bytes> {
        if file.metadata()?.len() == 0 {
            return Ok(Bytes::owned(Vec::new()));
        }
        // Without a reservation: of a core of any size little is copied.
        let mut options = MmapOptions::new();
        options.no_reserve_swap();
        // SAFETY: the mapping is private, and nobody writes to it. Whoever changes the file while we
        // look changes what we read, as with any file; nothing we do relies on two reads agreeing.
        // Who shortens it makes us die by SIGBUS, which a tool that reads files it is given can bear.
        let map = unsafe { options.map_copy(&file) }?;
        let mut bytes = Bytes {
            store: Store::Mapped(map, file),
            reads: Reads::Sparse,
            shift: 0,
            windows: Vec::new(),
            count: AtomicUsize::new(0),
            budget: 0,
        };
        bytes.expect(Reads::Sparse, DEFAULT_RESIDENT_BUDGET);
        Ok(bytes)
    }

    /// Makes ready for reads of this kind, of which about `budget` bytes may stay resident.
    pub(crate) fn expect(&mut self, reads: Reads, budget: usize) {
        self.empty();
        self.reads = reads;
        self.shift = reads.window().trailing_zeros();
        self.budget = (budget / reads.window()).max(1);
        if let Store::Mapped(map, _) = &self.store {
            let windows = map.len().div_ceil(reads.window()).min(MAX_WINDOWS);
            self.windows = std::iter::repeat_with(AtomicU8::default).take(windows).collect();
        }
    }

    /// Bytes that are in memory anyway.
    pub(crate) fn owned(bytes: Vec<u8>) -> Bytes {
        Bytes {
            store: Store::Owned(bytes),
            reads: Reads::Dense,
            shift: 0,
            windows: Vec::new(),
            count: AtomicUsize::new(0),
            budget: usize::MAX,
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
        let end = offset.checked_add(len)?;
        let bytes = self.all().get(offset..end)?;
        let mut window = offset >> self.shift;
        let last = end.saturating_sub(1).max(offset) >> self.shift;
        while window <= last {
            let absent = (window..=last).take_while(|&w| self.state(w) != RESIDENT).count();
            if absent > 0 {
                self.keep(window, absent);
            }
            window += absent + 1;
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
        let (first, last) = (offset >> self.shift, end.saturating_sub(1) >> self.shift);
        if first == last && self.state(first) == RESIDENT || !self.read_file(offset, buf) {
            buf.copy_from_slice(bytes);
        }
        true
    }

    #[inline]
    fn state(&self, window: usize) -> u8 {
        self.windows.get(window).map_or(RESIDENT, |state| state.load(Ordering::Relaxed))
    }

    /// Reads past the mapping: much at once, and what the budget is spent for and this window not
    /// yet worth an entry of it. False where the bytes are to be copied from the mapping, which is
    /// then counted.
    #[cold]
    fn read_file(&self, offset: usize, buf: &mut [u8]) -> bool {
        let window = offset >> self.shift;
        let before = self.state(window);
        let spent = self.count.load(Ordering::Relaxed) >= self.budget;
        let bulk = buf.len() > BULK;
        if let Store::Mapped(_, file) = &self.store
            && (bulk || spent && before < self.reads.before_kept())
            && file.read_exact_at(buf, offset as u64).is_ok()
        {
            if let Some(state) = self.windows.get(window).filter(|_| !bulk) {
                state.store(before + 1, Ordering::Relaxed);
            }
            return true;
        }
        let _ = self.get(offset, buf.len());
        false
    }

    /// Makes `count` windows from `first` on resident.
    #[cold]
    fn keep(&self, first: usize, count: usize) {
        let before = self.count.fetch_add(count, Ordering::Relaxed);
        if before + count > self.budget || self.is_over(before, count) {
            self.empty();
            self.count.store(count, Ordering::Relaxed);
        }
        if let Store::Mapped(map, _) = &self.store
            && self.reads == Reads::Sparse
        {
            let from = first * self.reads.window();
            let len = (count * self.reads.window()).min(map.len().saturating_sub(from));
            // A kernel that cannot (before Linux 5.14) maps what is around instead, when the bytes
            // are looked at.
            let _ = map.advise_range(Advice::PopulateWrite, from, len);
        }
        for state in self.windows.iter().skip(first).take(count) {
            state.store(RESIDENT, Ordering::Relaxed);
        }
    }

    /// Whether what is dense took more than was counted; asked now and then.
    fn is_over(&self, before: usize, count: usize) -> bool {
        self.reads == Reads::Dense
            && before / CHECK != (before + count) / CHECK
            && resident_file_pages() > self.budget * self.reads.window() / PAGE
    }

    /// Gives the mapping's pages back; they stay in the kernel's page cache, uncounted.
    fn empty(&self) {
        let Store::Mapped(map, _) = &self.store else { return };
        for state in &self.windows {
            state.store(0, Ordering::Relaxed);
        }
        self.count.store(0, Ordering::Relaxed);
        // SAFETY: MADV_DONTNEED drops this mapping's pages and page table entries. The mapping is of
        // a file and its pages are unmodified copies: the next access finds the same bytes in the
        // file again. Slices that are lent out thus stay valid and unchanged.
        // It cannot fail for a mapping that exists, and if it did nothing would be lost.
        let _ = unsafe { map.unchecked_advise(UncheckedAdvice::DontNeed) };
    }
}
