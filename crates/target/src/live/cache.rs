//! The pages of a live process that have been read.
//!
//! A page once read is kept. While the process runs this is a *rehearsal*: it tells which pages an
//! analysis needs. Right after the process was stopped all of them are read again in bulk, so that
//! the same analysis then finds nearly everything here and the stop is short.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use super::lines::{LINE, Lines};
use super::remote::Remote;
use crate::Addr;

/// The size of a page on amd64.
pub(super) const PAGE: usize = 4096;
/// Pages of one slab: 1 MiB, one `process_vm_readv` of at most 256 pieces (`IOV_MAX` is 1024).
const SLAB_PAGES: usize = 256;
/// A miss reads up to the end of its aligned window of 16 KiB.
const WINDOW_PAGES: u64 = 4;
/// Aligned windows of so many pages (256 KiB) are read to their end where a quarter is kept: all of
/// them will be wanted.
const WIDE_PAGES: u64 = 64;
/// Bits of a page number that each of the three levels of the tree takes: 48 address bits in all.
const LEVEL_BITS: u32 = 12;
/// The number of slots of each level.
const FANOUT: usize = 1 << LEVEL_BITS;
/// Slabs to read again for which another thread is worth its while.
const SLABS_A_READER: usize = 16;
/// More threads than this are limited by memory, and take processors from others.
const MAX_READERS: usize = 4;
/// Set in a leaf's slot when the page was asked for, and not only read with its neighbour.
const TOUCHED: u32 = 1 << 31;

/// A slot is 0 for a page that is not kept, else the page's index in the slabs + 1, and `TOUCHED`.
type Leaf = [AtomicU32; FANOUT];
type Middle = [Option<Box<Leaf>>; FANOUT];

/// What happens when as much of a process is kept as may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// What is kept stays, and further bytes are read each time anew.
    ReadPast,
    /// All is dropped, and keeping begins again: for a long way through memory that is not gone
    /// twice. What was dropped cannot be read after the process was let go.
    Recycle,
}

/// The kept pages: a tree by address over slabs of bytes.
pub(super) struct Cache {
    tree: Vec<Option<Box<Middle>>>,
    slabs: Vec<Box<[u8]>>,
    /// What is kept in smaller pieces than pages.
    lines: Lines,
    /// Pages of the slabs in use.
    used: usize,
    /// Bytes of slabs and of the tree.
    size: usize,
    /// The `size` at which the cache is full.
    limit: usize,
    when_full: WhenFull,
}

/// Of the kept pages, those that are read again when the process stops.
pub(super) struct Refresh {
    /// Page numbers by rising address; the page's place in the slabs is its place here.
    pages: Vec<u64>,
}

impl Cache {
    /// An empty cache that keeps at most about `limit` bytes.
    pub(super) fn new(limit: usize, when_full: WhenFull) -> Cache {
        let tree = std::iter::repeat_with(|| None).take(FANOUT).collect();
        Cache {
            tree,
            slabs: Vec::new(),
            lines: Lines::default(),
            used: 0,
            size: 0,
            limit,
            when_full,
        }
    }

    /// Changes how much is kept, and what happens then.
    pub(super) fn set_limit(&mut self, limit: usize, when_full: WhenFull) {
        self.limit = limit;
        self.when_full = when_full;
    }

    /// Keeps nothing any more.
    pub(super) fn forget(&mut self) {
        *self = Cache::new(self.limit, self.when_full);
    }

    /// Whether no more is kept.
    pub(super) fn is_full(&self) -> bool {
        self.size + self.lines.size() >= self.limit
    }

    /// The bytes that the kept pages take.
    pub(super) fn kept(&self) -> u64 {
        (self.used * PAGE) as u64
    }

    /// How many pages and lines are kept, or were until they were not read again in time: each is one
    /// piece of a system call.
    pub(super) fn pieces(&self) -> usize {
        self.used + self.lines.len()
    }

    /// Copies what is kept of the bytes at `addr` into `buf`, up to the first page that is not,
    /// and says how many bytes that was.
    pub(super) fn copy(&self, addr: u64, buf: &mut [u8]) -> usize {
        let mut done = 0;
        while done < buf.len() {
            let Some(at) = addr.checked_add(done as u64) else { break };
            let page = self.page(at / PAGE as u64).map(|page| &page[(at % PAGE as u64) as usize..]);
            let Some(from) = page.or_else(|| self.lines.get(at)) else { break };
            let len = from.len().min(buf.len() - done);
            buf[done..done + len].copy_from_slice(&from[..len]);
            done += len;
        }
        done
    }

    /// Reads the page of `addr`, and those after it that `len` bytes or its window take, up to the
    /// first that is kept already. Returns the number of pages that are kept now: none where
    /// `expired` was set before they were read.
    pub(super) fn fill(
        &mut self,
        addr: u64,
        len: usize,
        remote: &Remote,
        expired: &AtomicBool,
    ) -> Result<usize, Full> {
        let first = addr / PAGE as u64;
        let last = addr.saturating_add(len as u64).saturating_sub(1) / PAGE as u64;
        let last = last.max(first | (self.window(first) - 1));
        if self.is_full() && self.when_full == WhenFull::Recycle {
            self.forget();
        }
        if self.is_full() || last >> (3 * LEVEL_BITS) != 0 {
            return Err(Full);
        }
        let room = self.room();
        let wanted = (first..=last).take(room).take_while(|&number| self.slot(number) == 0).count();
        let (slab, at) = (self.used / SLAB_PAGES, self.used % SLAB_PAGES);
        let bytes = &mut self.slabs[slab][at * PAGE..(at + wanted) * PAGE];
        let read = remote.read(first * PAGE as u64, bytes).unwrap_or(0) / PAGE;
        if expired.load(Ordering::Acquire) {
            return Ok(0);
        }
        for number in first..first + read as u64 {
            let index = self.used as u32;
            self.used += 1;
            self.set_slot(number, index + 1);
        }
        Ok(read)
    }

    /// Keeps these pieces without what lies around them: the lines that they touch and that are not
    /// kept yet.
    pub(super) fn expect(
        &mut self,
        pieces: &[(Addr, usize)],
        remote: &Remote,
        expired: &AtomicBool,
    ) {
        let line = LINE as u64;
        let touched = pieces
            .iter()
            .flat_map(|&(at, len)| at.0 / line..at.0.saturating_add(len as u64).div_ceil(line));
        let kept = |number: u64| {
            let at = number * line;
            self.slot(at / PAGE as u64) != 0 || self.lines.get(at).is_some()
        };
        let room = self.limit.saturating_sub(self.size + self.lines.size()) / LINE;
        let mut wanted: Vec<u64> = touched.filter(|&number| !kept(number)).take(room).collect();
        wanted.sort_unstable();
        wanted.dedup();
        self.lines.fill(&wanted, remote, expired);
    }

    /// The pages of the aligned window that is read for a miss of page `number`.
    fn window(&self, number: u64) -> u64 {
        let wide = number & !(WIDE_PAGES - 1);
        let kept = (wide..wide + WIDE_PAGES).filter(|&page| self.slot(page) != 0).count();
        if kept as u64 >= WIDE_PAGES / 4 { WIDE_PAGES } else { WINDOW_PAGES }
    }

    /// How many pages the slab in use still takes, after adding one where all are full.
    fn room(&mut self) -> usize {
        if self.used == self.slabs.len() * SLAB_PAGES {
            self.slabs.push(vec![0; SLAB_PAGES * PAGE].into_boxed_slice());
            self.size += SLAB_PAGES * PAGE;
        }
        SLAB_PAGES - self.used % SLAB_PAGES
    }

    fn page(&self, number: u64) -> Option<&[u8]> {
        let slot = self.leaf(number)?.get(number as usize % FANOUT)?;
        let value = slot.load(Ordering::Relaxed);
        if value & TOUCHED == 0 && value != 0 {
            slot.fetch_or(TOUCHED, Ordering::Relaxed);
        }
        let index = ((value & !TOUCHED) as usize).checked_sub(1)?;
        let at = index % SLAB_PAGES * PAGE;
        self.slabs.get(index / SLAB_PAGES)?.get(at..at + PAGE)
    }

    fn slot(&self, number: u64) -> u32 {
        self.leaf(number).map_or(0, |leaf| leaf[number as usize % FANOUT].load(Ordering::Relaxed))
    }

    fn leaf(&self, number: u64) -> Option<&Leaf> {
        let middle = self.tree.get((number >> (2 * LEVEL_BITS)) as usize)?.as_ref()?;
        middle[(number >> LEVEL_BITS) as usize % FANOUT].as_deref()
    }

    fn set_slot(&mut self, number: u64, value: u32) {
        let Some(branch) = self.tree.get_mut((number >> (2 * LEVEL_BITS)) as usize) else { return };
        let size = &mut self.size;
        let middle = branch.get_or_insert_with(|| {
            *size += size_of::<Middle>();
            Box::new([const { None }; FANOUT])
        });
        let leaf = middle[(number >> LEVEL_BITS) as usize % FANOUT].get_or_insert_with(|| {
            *size += size_of::<Leaf>();
            Box::new([const { AtomicU32::new(0) }; FANOUT])
        });
        leaf[number as usize % FANOUT].store(value, Ordering::Relaxed);
    }

    /// Drops the pages that nobody asked for and gives the others new places in the slabs, by
    /// rising address. **Their bytes are garbage until [`Cache::refresh`]**: this is the part of
    /// the work that needs no stopped process.
    pub(super) fn plan(&mut self) -> Refresh {
        let mut pages = Vec::with_capacity(self.used);
        for (number, slot) in self.slots() {
            let touched = slot.load(Ordering::Relaxed) & TOUCHED != 0;
            let index = if touched { (pages.len() as u32 + 1) | TOUCHED } else { 0 };
            slot.store(index, Ordering::Relaxed);
            if touched {
                pages.push(number);
            }
        }
        self.used = pages.len();
        let slabs = self.slabs.len();
        self.slabs.truncate(pages.len().div_ceil(SLAB_PAGES));
        self.size -= (slabs - self.slabs.len()) * SLAB_PAGES * PAGE;
        self.lines.plan();
        Refresh { pages }
    }

    /// Every slot that holds a page, by rising page number.
    fn slots(&self) -> impl Iterator<Item = (u64, &AtomicU32)> {
        let middles = self.tree.iter().enumerate().filter_map(|(i, m)| Some((i, m.as_ref()?)));
        let leaves = middles.flat_map(|(i, middle)| {
            let leaves = middle.iter().enumerate();
            leaves.filter_map(move |(j, leaf)| Some((i * FANOUT + j, leaf.as_ref()?)))
        });
        leaves
            .flat_map(|(i, leaf)| {
                leaf.iter().enumerate().map(move |(j, slot)| ((i * FANOUT + j) as u64, slot))
            })
            .filter(|(_, slot)| slot.load(Ordering::Relaxed) != 0)
    }

    /// Reads every planned page again, on several processors where there is much. A page that is
    /// gone by now is no longer kept, nor is any that was not read before `expired` was set. Returns how
    /// many pieces are no longer kept.
    pub(super) fn refresh(
        &mut self,
        plan: &Refresh,
        remote: &Remote,
        expired: &AtomicBool,
    ) -> usize {
        let pieces = plan.pages.chunks(SLAB_PAGES).zip(&mut self.slabs);
        let readers = (pieces.len() / SLABS_A_READER).clamp(1, readers());
        let pieces = Mutex::new(pieces);
        let next = || pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
        let read = || {
            let pieces = std::iter::from_fn(next);
            pieces.flat_map(|(pages, slab)| reread(pages, slab, remote, expired)).collect()
        };
        let gone: Vec<Vec<u64>> = std::thread::scope(|scope| {
            let others: Vec<_> = (1..readers).map(|_| scope.spawn(read)).collect();
            let own = read();
            let others = others.into_iter().map(|other| match other.join() {
                Ok(gone) => gone,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            others.chain([own]).collect()
        });
        let lines = self.lines.refresh(remote, expired);
        let pages = gone.iter().map(Vec::len).sum::<usize>();
        for page in gone.into_iter().flatten() {
            self.set_slot(page, 0);
        }
        pages + lines
    }
}

/// Reads these pages into `slab` again, and returns those that could not be read before `expired`
/// was set.
fn reread(pages: &[u64], slab: &mut [u8], remote: &Remote, expired: &AtomicBool) -> Vec<u64> {
    let mut gone = Vec::new();
    let mut done = 0;
    while done < pages.len() {
        let read =
            remote.read_units(PAGE, &pages[done..], &mut slab[done * PAGE..pages.len() * PAGE]);
        if expired.load(Ordering::Acquire) {
            gone.extend_from_slice(&pages[done..]);
            return gone;
        }
        done += read;
        if let Some(page) = pages.get(done) {
            gone.push(*page);
            done += 1;
        }
    }
    gone
}

/// How many threads read at once.
fn readers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MAX_READERS)
}

/// The cache keeps no more: the bytes have to be read past it.
pub(super) struct Full;
