//! A recording: what an analysis read of a target, kept in a file.

mod format;
mod open;
mod recorder;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use format::{FormatError, RECORDING_MAGIC};
pub use open::OpenRecordingError;
pub use recorder::Recorder;
pub use write::{ExePart, Written};

use crate::dump::bytes::Bytes;
use crate::{Access, Addr, Crash, Fault, Kind, Mapping, Memory, Target, Thread, Why};
use format::Process;
use recorder::PAGE;

/// What an analysis read of a process, and of its executable's file.
pub struct Recording {
    /// The chunks, decompressed.
    bytes: Bytes,
    process: Process,
    mappings: Vec<Mapping>,
    threads: Vec<Thread>,
    /// By rising address, without overlaps.
    runs: Vec<Run>,
    /// The run found last: reads come in clusters.
    last: AtomicUsize,
    /// By page number.
    faults: BTreeMap<u64, Fault>,
    exe_len: u64,
    /// By rising offset in the executable's file, without overlaps.
    exe_parts: Vec<Run>,
    lost: AtomicUsize,
}

/// A range of addresses, or of offsets in a file, whose bytes the recording has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    /// The first of the range.
    start: u64,
    /// One past the last.
    end: u64,
    /// Where in the recording its bytes begin.
    at: usize,
}

impl Recording {
    /// The length of the executable's file, in bytes.
    pub fn exe_len(&self) -> u64 {
        self.exe_len
    }

    /// What the recording has of the executable's file, by rising offset, without overlaps.
    pub fn exe_parts(&self) -> Vec<ExePart<'_>> {
        let part = |run: &Run| {
            let bytes = self.bytes.get(run.at, (run.end - run.start) as usize)?;
            Some(ExePart { offset: run.start, bytes })
        };
        self.exe_parts.iter().filter_map(part).collect()
    }

    /// The executable's file, with zeros where nothing was kept of it: what was kept is told by
    /// [`Recording::exe_ranges`].
    pub fn exe_bytes(&self) -> Vec<u8> {
        let mut file = vec![0; usize::try_from(self.exe_len).unwrap_or(0)];
        for part in self.exe_parts() {
            let from = usize::try_from(part.offset).unwrap_or(usize::MAX);
            let to = from.saturating_add(part.bytes.len());
            if let Some(place) = file.get_mut(from..to) {
                place.copy_from_slice(part.bytes);
            }
        }
        file
    }

    /// Which ranges of the executable's file were kept, by rising offset, without overlaps.
    pub fn exe_ranges(&self) -> Vec<Range<u64>> {
        self.exe_parts.iter().map(|run| run.start..run.end).collect()
    }

    fn run(&self, addr: u64) -> Option<&Run> {
        let within = |run: &&Run| run.start <= addr && addr < run.end;
        if let Some(run) = self.runs.get(self.last.load(Ordering::Relaxed)).filter(within) {
            return Some(run);
        }
        let index = self.runs.partition_point(|run| run.start <= addr).checked_sub(1)?;
        let run = self.runs.get(index).filter(within)?;
        self.last.store(index, Ordering::Relaxed);
        Some(run)
    }

    /// What there is in one piece from `addr` on, at least one byte, at most `len`: where in the
    /// recording, and how much.
    fn piece(&self, addr: u64, len: usize) -> Option<(usize, usize)> {
        let run = self.run(addr)?;
        let skip = (addr - run.start) as usize;
        let there = usize::try_from(run.end - addr).unwrap_or(usize::MAX);
        Some((run.at.checked_add(skip)?, there.min(len)))
    }

    #[cold]
    fn absent(&self, addr: Addr) -> Fault {
        let why = match self.faults.get(&(addr.0 / PAGE)) {
            Some(fault) if fault.addr <= addr => fault.why,
            _ if self.is_mapped(addr) => Why::NotRecorded,
            _ => Why::Unmapped,
        };
        if why != Why::Unmapped {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Fault::new(addr, why)
    }

    /// Whether the process could have read there.
    fn is_mapped(&self, addr: Addr) -> bool {
        let after = self.mappings.partition_point(|mapping| mapping.start <= addr);
        let mapping = after.checked_sub(1).and_then(|i| self.mappings.get(i));
        mapping.is_some_and(|m| m.contains(addr) && m.access != Access::default())
    }
}

impl Memory for Recording {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let mut done = 0;
        while done < buf.len() {
            let at = addr.checked_add(done as u64).ok_or(Fault::new(addr, Why::Overflow))?;
            let rest = &mut buf[done..];
            let Some((from, len)) = self.piece(at.0, rest.len()) else {
                return Err(self.absent(at));
            };
            if !self.bytes.read(from, &mut rest[..len]) {
                return Err(self.absent(at));
            }
            done += len;
        }
        Ok(())
    }

    fn borrow(&self, addr: Addr, len: usize) -> Option<&[u8]> {
        let (from, there) = self.piece(addr.0, len)?;
        (there == len).then(|| self.bytes.get(from, len)).flatten()
    }
}

impl Target for Recording {
    fn kind(&self) -> Kind {
        Kind::Recording
    }

    fn pid(&self) -> Option<u32> {
        self.process.pid
    }

    fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    fn threads(&self) -> Vec<Thread> {
        self.threads.clone()
    }

    fn auxv(&self) -> Vec<(u64, u64)> {
        self.process.auxv.clone()
    }

    fn exe_path(&self) -> Option<PathBuf> {
        self.process.exe_path.clone()
    }

    fn crash(&self) -> Option<Crash> {
        self.process.crash
    }

    fn as_memory(&self) -> &dyn Memory {
        self
    }

    fn lost(&self) -> usize {
        self.lost.load(Ordering::Relaxed)
    }

    fn mixes_moments(&self) -> bool {
        self.process.ran
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Recording");
        f.field("runs", &self.runs.len()).field("exe_parts", &self.exe_parts.len());
        f.finish_non_exhaustive()
    }
}
