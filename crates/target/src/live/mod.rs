//! A process that runs.

mod cache;
mod freeze;
mod hold;
mod lines;
mod obstacle;
mod open;
mod poke;
pub(crate) mod remote;
mod tracer;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock, RwLockWriteGuard};
use std::time::Duration;

pub use cache::WhenFull;
pub use freeze::{Freeze, FreezeError, Pause};
pub use hold::Hold;
pub use obstacle::Obstacle;
pub(crate) use obstacle::undumpable;
pub use open::OpenLiveError;
pub use poke::PokeError;

use crate::{Addr, Crash, Fault, Kind, Mapping, Memory, Target, Thread, Why, procfs};
use cache::{Cache, PAGE};
use remote::Remote;

/// What may be kept of a process's memory in any case, unless [`Live::set_cache_limit`] says
/// otherwise, and then [`WhenFull::ReadPast`]: 256 MiB.
pub const LEAST_CACHE_LIMIT: usize = 256 << 20;

/// And what may be kept at most, where a quarter of the memory that is available is so much: 4 GiB.
pub const MOST_CACHE_LIMIT: usize = 4 << 30;

/// Missed reads remembered: more are only counted as so many.
const MAX_MISSED: usize = 1 << 16;

/// A live process.
pub struct Live {
    pid: u32,
    remote: Remote,
    cache: RwLock<Cache>,
    mode: AtomicU8,
    /// The longest that it may be held at a time.
    max_pause: Mutex<Option<Duration>>,
    /// Pieces that were kept before the last freeze and could not be read again in it.
    dropped: AtomicUsize,
    /// It was held for so long, and goes on: set by the tracer *before* it lets go, so that what
    /// was read before this was seen to be unset is of the pause.
    expired: Arc<AtomicBool>,
    mappings: Maps,
    threads: Mutex<Option<Vec<Thread>>>,
    /// Where reads after the process was let go found nothing kept.
    missed: Mutex<Vec<Addr>>,
}

/// What a read that finds nothing kept may do.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Mode {
    /// The process runs: read it, whatever it does meanwhile.
    Running,
    /// The process is held: read it.
    Stopped,
    /// The process runs again: what is kept is of the past, and nothing may be mixed into it.
    Thawed,
}

/// The mappings, and after a freeze that found others, those: references to the first stay valid.
#[derive(Default)]
struct Maps {
    list: Vec<Mapping>,
    next: OnceLock<Box<Maps>>,
}

impl Maps {
    fn newest(&self) -> &Maps {
        let mut maps = self;
        while let Some(next) = maps.next.get() {
            maps = next;
        }
        maps
    }
}

impl Live {
    /// Sets how many bytes are kept at most, tables included, and what happens then.
    pub fn set_cache_limit(&self, bytes: usize, when_full: WhenFull) {
        self.cache_mut().set_limit(bytes, when_full);
    }

    /// Whether so much is kept that further bytes are read each time anew.
    pub fn is_full(&self) -> bool {
        self.cache.read().unwrap_or_else(|e| e.into_inner()).is_full()
    }

    /// Sets for how long the process may be held at a time, from the first interrupt on; `None`
    /// for as long as the [`Pause`] lives. When the time is over it is let go, whatever we are
    /// doing: what was read by then stays readable, what was not is [`Why::Thawed`].
    pub fn set_max_pause(&self, longest: Option<Duration>) {
        *self.max_pause.lock().unwrap_or_else(|e| e.into_inner()) = longest;
    }

    /// How many bytes of the process are kept.
    pub fn kept(&self) -> u64 {
        self.cache.read().unwrap_or_else(|e| e.into_inner()).kept()
    }

    /// Forgets all that was read, and what a past freeze found: the next read is of the process as
    /// it is then. Must not be called while the process is held.
    pub fn forget(&self) {
        self.cache_mut().forget();
        if self.mode() == Mode::Thawed as u8 {
            self.set_mode(Mode::Running);
        }
    }

    /// Makes ready for another freeze after reads were missed ([`Target::missed`]): what was kept
    /// is kept, and what was missed is read now, so that the next freeze reads both again.
    pub fn learn(&self) {
        self.set_mode(Mode::Running);
        let missed = std::mem::take(&mut *self.missed.lock().unwrap_or_else(|e| e.into_inner()));
        for addr in missed {
            // What cannot be read is not missed at the next freeze either.
            let _ = self.read(addr, &mut [0]);
        }
    }

    /// For how long it would have had to be held at the last freeze, if that was too short: as what was
    /// read in time took so long, what was not read would have taken its share. An estimate, and rather
    /// too low: what would have been read of what was not read is not known.
    fn lacking(&self) -> Option<Duration> {
        let longest = *self.max_pause.lock().unwrap_or_else(|e| e.into_inner());
        let longest = longest.filter(|_| self.expired.load(Ordering::Acquire))?;
        let pieces = self.cache.read().unwrap_or_else(|e| e.into_inner()).pieces();
        let dropped = self.dropped.load(Ordering::Relaxed);
        let missed = self.missed.lock().unwrap_or_else(|e| e.into_inner());
        let mut missed: Vec<u64> = missed.iter().map(|at| at.0 / PAGE as u64).collect();
        missed.sort_unstable();
        missed.dedup();
        let read = pieces.checked_sub(dropped).filter(|read| *read > 0)? as f64;
        let share = dropped.max(missed.len()) as f64 / read;
        Duration::try_from_secs_f64(longest.as_secs_f64() * (1.0 + share)).ok()
    }

    fn note_missed(&self, addr: Addr) {
        let mut missed = self.missed.lock().unwrap_or_else(|e| e.into_inner());
        if missed.len() < MAX_MISSED {
            missed.push(addr);
        }
    }

    fn cache_mut(&self) -> RwLockWriteGuard<'_, Cache> {
        self.cache.write().unwrap_or_else(|e| e.into_inner())
    }

    fn mode(&self) -> u8 {
        let mode = self.mode.load(Ordering::Acquire);
        let over = mode == Mode::Stopped as u8 && self.expired.load(Ordering::Acquire);
        if over { Mode::Thawed as u8 } else { mode }
    }

    fn set_mode(&self, mode: Mode) {
        if mode == Mode::Running {
            self.expired.store(false, Ordering::Release);
        }
        self.mode.store(mode as u8, Ordering::Release);
    }

    /// Takes over what is known of a process that has just been stopped.
    fn note_frozen(&self, threads: Vec<Thread>) {
        self.set_mode(Mode::Stopped);
        *self.threads.lock().unwrap_or_else(|e| e.into_inner()) = Some(threads);
        let newest = self.mappings.newest();
        if let Ok(list) = procfs::maps(self.pid)
            && list != newest.list
        {
            newest.next.get_or_init(|| Box::new(Maps { list, next: OnceLock::new() }));
        }
    }

    /// The process is about to go on. A read that another thread has begun ends before.
    fn note_thawed(&self) {
        let _reads = self.cache_mut();
        self.set_mode(Mode::Thawed);
    }

    /// A read that was not, or not wholly, kept.
    fn read_on(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let mut cache = self.cache_mut();
        let mut done = 0;
        loop {
            done += cache.copy(addr.0.saturating_add(done as u64), &mut buf[done..]);
            if done == buf.len() {
                return Ok(());
            }
            let at = addr.checked_add(done as u64).ok_or(Fault::new(addr, Why::Overflow))?;
            if self.mode() == Mode::Thawed as u8 {
                let why = self.mapped_or(at, Why::Thawed);
                if why == Why::Thawed {
                    self.note_missed(at);
                }
                return Err(Fault::new(at, why));
            }
            // Nothing kept: too much is, or the page cannot be read, and reading it says why.
            let filled = cache.fill(at.0, buf.len() - done, &self.remote, &self.expired);
            if !matches!(filled, Ok(1..)) {
                return self.read_past(at, &mut buf[done..]);
            }
        }
    }

    fn read_past(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        self.remote.read_exact(addr.0, buf).map_err(|(done, why)| {
            let at = Addr(addr.0.saturating_add(done as u64));
            let why = if why == Why::Unmapped { self.mapped_or(at, Why::Denied) } else { why };
            Fault::new(at, why)
        })?;
        if self.expired.load(Ordering::Acquire) {
            self.note_missed(addr);
            return Err(Fault::new(addr, Why::Thawed));
        }
        Ok(())
    }

    /// `why` where a mapping covers `addr`, else [`Why::Unmapped`].
    fn mapped_or(&self, addr: Addr, why: Why) -> Why {
        let list = self.mappings();
        let after = list.partition_point(|mapping| mapping.start <= addr);
        let mapped = after > 0 && list[after - 1].contains(addr);
        if mapped { why } else { Why::Unmapped }
    }
}

impl Memory for Live {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let cache = self.cache.read().unwrap_or_else(|e| e.into_inner());
        if cache.copy(addr.0, buf) == buf.len() {
            return Ok(());
        }
        drop(cache);
        self.read_on(addr, buf)
    }

    fn expect(&self, pieces: &[(Addr, usize)]) {
        let mut cache = self.cache_mut();
        if self.mode() != Mode::Thawed as u8 {
            cache.expect(pieces, &self.remote, &self.expired);
        }
    }

    fn is_dear(&self) -> bool {
        true
    }

    fn peek(&self, pieces: &[(Addr, usize)], buf: &mut Vec<u8>) -> bool {
        self.mode() == Mode::Running as u8 && self.remote.read_pieces(pieces, buf)
    }
}

impl Target for Live {
    fn forget(&self) {
        Live::forget(self);
    }

    fn kind(&self) -> Kind {
        Kind::Live
    }

    fn pid(&self) -> Option<u32> {
        Some(self.pid)
    }

    fn mappings(&self) -> &[Mapping] {
        &self.mappings.newest().list
    }

    fn threads(&self) -> Vec<Thread> {
        if let Some(threads) = &*self.threads.lock().unwrap_or_else(|e| e.into_inner()) {
            return threads.clone();
        }
        let tids = procfs::tasks(self.pid).unwrap_or_default();
        tids.into_iter().map(|tid| Thread { tid, registers: None }).collect()
    }

    fn auxv(&self) -> Vec<(u64, u64)> {
        procfs::read(self.pid, "auxv").map(|b| procfs::parse_auxv(&b)).unwrap_or_default()
    }

    fn exe_path(&self) -> Option<PathBuf> {
        std::fs::read_link(procfs::path(self.pid, "exe")).ok()
    }

    fn crash(&self) -> Option<Crash> {
        None
    }

    fn as_memory(&self) -> &dyn Memory {
        self
    }

    fn missed(&self) -> usize {
        self.missed.lock().unwrap_or_else(|e| e.into_inner()).len()
    }

    fn enough(&self) -> Option<Duration> {
        self.lacking()
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("pid", &self.pid).finish_non_exhaustive()
    }
}
