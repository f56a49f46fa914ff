//! A core file.

pub(crate) mod bytes;
pub(crate) mod expand;
mod header;
mod notes;
pub(crate) mod open;
mod segments;
mod splice;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

pub use bytes::{DEFAULT_RESIDENT_BUDGET, Reads};
pub use expand::Packing;
pub use header::HeaderError;
pub use open::{FileKind, OpenCoreError};
pub use splice::FileBytes;

use crate::{Access, Addr, Crash, Fault, Kind, Mapping, Memory, MemoryExt, Target, Thread, Why};
use bytes::Bytes;
use notes::{Notes, PATH_MAX};
use segments::{Segment, Segments};
use splice::{Span, Splices};

/// `AT_PHDR` of `elf.h`: where the executable's program headers lie in memory.
const AT_PHDR: u64 = 3;
/// `AT_EXECFN`: where the path given to `execve` lies in memory.
const AT_EXECFN: u64 = 31;
/// How many bytes of paths the list of mappings may hold, lest many headers within one long-named
/// file make as many copies of its name. The mappings after that have none.
const MAX_PATHS: usize = 64 << 20;

/// A process as a core file has it. The file is mapped, never loaded.
pub struct Core {
    bytes: Bytes,
    segments: Segments,
    splices: Splices,
    notes: Notes,
    mappings: Vec<Mapping>,
    truncation: Option<Truncation>,
    /// Reads that failed for what the core lacks.
    lost: AtomicUsize,
}

/// Where bytes of the process are.
enum Place<'a> {
    /// In the core file.
    InCore { offset: usize, len: usize },
    /// In a file that was spliced in.
    Spliced(&'a [u8]),
}

/// How much of a core is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncation {
    /// How long the file should be by its own headers, in bytes.
    pub promised: u64,
    /// How long it is (after decompression), in bytes.
    pub present: u64,
    /// Program headers that are missing, so that it is not even known what they would promise.
    pub headers: u64,
    /// Whether a compressed core's stream broke off or was damaged.
    pub stream: bool,
}

/// A range of an executable's file as it was mapped, for [`Core::splice_at`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSegment {
    /// `p_vaddr`: its first address as linked.
    pub addr: u64,
    /// `p_offset`: where it lies in the file, in bytes.
    pub offset: u64,
    /// `p_filesz`, in bytes.
    pub size: u64,
    /// Whether the process could write to it: such a segment is never taken from the file.
    pub writable: bool,
}

impl Core {
    /// What the file lacks of what its headers promise.
    pub fn truncated(&self) -> Option<Truncation> {
        self.truncation
    }

    /// Makes ready for reads of this kind, and lets about `resident` bytes of the mapped file stay
    /// in memory at a time. By default it is read sparsely, within [`DEFAULT_RESIDENT_BUDGET`].
    pub fn expect_reads(&mut self, reads: Reads, resident: usize) {
        self.bytes.expect(reads, resident);
    }

    /// Serves pages that the core lacks, and that `NT_FILE` says were mapped from `path`, from the
    /// file's own `bytes`. Only pages that the process could not write to: the kernel leaves a
    /// private file mapping out of a core only while no page of it was modified
    /// (`vma_dump_size` of `fs/coredump.c`), but `coredump_filter` can make it leave out others.
    /// Returns how many bytes are so covered.
    pub fn splice(&mut self, path: &Path, bytes: FileBytes) -> u64 {
        let files = self.notes.files.iter().filter(|file| file.path == path);
        let spans: Vec<Span> =
            files.map(|f| Span { start: f.start, end: f.end, offset: f.offset, file: 0 }).collect();
        self.add_splice(bytes, &spans, Vec::new())
    }

    /// The same by an executable's own `PT_LOAD`s and its load bias: for a core without `NT_FILE`,
    /// and for mappings that a core does not even have a header for. gdb's gcore writes none for
    /// what it does not dump (`linux_find_memory_regions_full` of gdb/linux-tdep.c), as a program's
    /// read-only data, where the kernel writes an empty one.
    pub fn splice_at(&mut self, bias: u64, segments: &[FileSegment], bytes: FileBytes) -> u64 {
        let fixed = segments.iter().filter(|segment| !segment.writable);
        let spans: Vec<Span> = fixed
            .filter_map(|segment| {
                let start = bias.wrapping_add(segment.addr);
                let end = start.checked_add(segment.size)?;
                Some(Span { start, end, offset: segment.offset, file: 0 })
            })
            .collect();
        let absent: Vec<Span> = spans.iter().flat_map(|s| gaps(s, &self.segments)).collect();
        self.add_splice(bytes, &spans, absent)
    }

    fn add_splice(&mut self, bytes: FileBytes, spans: &[Span], absent: Vec<Span>) -> u64 {
        let fixed = self.segments.iter().filter(|segment| !segment.access.write);
        let mut clipped = absent;
        for segment in fixed {
            clipped.extend(spans.iter().filter_map(|span| clip(span, segment)));
        }
        let covered = clipped.iter().map(|span| span.end - span.start).sum();
        self.splices.add(bytes, clipped.into_iter());
        covered
    }

    /// What there is in one piece from `addr` on: at least one byte, at most `len`.
    fn piece(&self, addr: u64, len: usize) -> Result<&[u8], Why> {
        match self.place(addr, len)? {
            Place::InCore { offset, len } => self.bytes.get(offset, len).ok_or(Why::Truncated),
            Place::Spliced(bytes) => Ok(bytes),
        }
    }

    /// Copies what there is in one piece from `addr` on, and says how much that was.
    #[inline]
    fn copy(&self, addr: u64, buf: &mut [u8]) -> Result<usize, Why> {
        match self.place(addr, buf.len())? {
            Place::InCore { offset, len } => {
                self.bytes.read(offset, &mut buf[..len]).then_some(len).ok_or(Why::Truncated)
            }
            Place::Spliced(bytes) => {
                buf[..bytes.len()].copy_from_slice(bytes);
                Ok(bytes.len())
            }
        }
    }

    /// Where the bytes at `addr` are: at least one, at most `len`.
    #[inline]
    fn place(&self, addr: u64, len: usize) -> Result<Place<'_>, Why> {
        let Some(segment) = self.segments.find(addr) else {
            return self.absent(addr, len).map(Place::Spliced);
        };
        let skip = addr - segment.start;
        if skip >= segment.present {
            return self.lacking(segment, addr, len).map(Place::Spliced);
        }
        let len = usize::try_from(segment.present - skip).unwrap_or(usize::MAX).min(len);
        let offset = segment.offset.checked_add(skip as usize).ok_or(Why::Truncated)?;
        Ok(Place::InCore { offset, len })
    }

    #[cold]
    fn absent(&self, addr: u64, len: usize) -> Result<&[u8], Why> {
        let bytes = self.splices.get(addr).ok_or(Why::Unmapped)?;
        Ok(bytes.get(..len).unwrap_or(bytes))
    }

    #[cold]
    fn lacking(&self, segment: &Segment, addr: u64, len: usize) -> Result<&[u8], Why> {
        if let Some(bytes) = self.splices.get(addr) {
            return Ok(bytes.get(..len).unwrap_or(bytes));
        }
        let promised = addr - segment.start < segment.promised;
        Err(match segment.access {
            _ if promised => Why::Truncated,
            // Reserved only: the process itself could not have read there.
            access if access == Access::default() => Why::Unmapped,
            _ => Why::NotInCore,
        })
    }

    #[cold]
    fn failed(&self, addr: Addr, why: Why) -> Fault {
        if why != Why::Unmapped {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Fault::new(addr, why)
    }

    /// The file whose mapping has `addr`.
    fn file_at(&self, addr: u64) -> Option<&Path> {
        let file = self.notes.files.iter().find(|f| f.start <= addr && addr < f.end)?;
        Some(&file.path)
    }

    fn auxiliary(&self, key: u64) -> Option<u64> {
        self.notes.auxv.iter().find(|pair| pair.0 == key).map(|pair| pair.1)
    }

    fn string(&self, addr: Addr) -> Option<Vec<u8>> {
        let mut string = Vec::new();
        while string.len() < PATH_MAX {
            match self.u8(addr.checked_add(string.len() as u64)?).ok()? {
                0 => return (!string.is_empty()).then_some(string),
                byte => string.push(byte),
            }
        }
        None
    }
}

/// The part of a span that lies in what the core lacks of a segment.
fn clip(span: &Span, segment: &Segment) -> Option<Span> {
    let start = span.start.max(segment.start.saturating_add(segment.present));
    let end = span.end.min(segment.end);
    let offset = span.offset.checked_add(start.checked_sub(span.start)?)?;
    (start < end).then_some(Span { start, end, offset, file: 0 })
}

/// The parts of `span` that lie in no segment.
fn gaps(span: &Span, segments: &Segments) -> Vec<Span> {
    let mut gaps = Vec::new();
    let mut from = span.start;
    let mut gap = |start: u64, end: u64| {
        if let Some(offset) = span.offset.checked_add(start - span.start)
            && start < end
        {
            gaps.push(Span { start, end, offset, file: 0 });
        }
    };
    for segment in segments.iter().filter(|s| s.start < span.end && span.start < s.end) {
        gap(from, segment.start);
        from = from.max(segment.end);
    }
    gap(from, span.end);
    gaps
}

/// The mappings: the segments, with the file that `NT_FILE` names for their first byte.
fn mappings(segments: &Segments, notes: &Notes) -> Vec<Mapping> {
    let mut files: Vec<_> = notes.files.iter().collect();
    files.sort_by_key(|file| file.start);
    let with_file = |segment: &Segment| {
        let index = files.partition_point(|f| f.start <= segment.start).checked_sub(1)?;
        files.get(index).filter(|f| segment.start < f.end).copied()
    };
    let mut room = MAX_PATHS;
    let mapping = |segment: &Segment| {
        let file = with_file(segment).filter(|f| f.path.as_os_str().len() <= room);
        room -= file.map_or(0, |f| f.path.as_os_str().len());
        Mapping {
            start: Addr(segment.start),
            end: Addr(segment.end),
            access: segment.access,
            offset: file.map_or(0, |f| f.offset.saturating_add(segment.start - f.start)),
            path: file.map(|f| f.path.clone()),
        }
    };
    segments.iter().map(mapping).collect()
}

impl Memory for Core {
    #[inline]
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let mut done = 0;
        while done < buf.len() {
            let at = addr.checked_add(done as u64).ok_or(Fault::new(addr, Why::Overflow))?;
            let rest = &mut buf[done..];
            done += self.copy(at.0, rest).map_err(|why| self.failed(at, why))?;
        }
        Ok(())
    }

    fn borrow(&self, addr: Addr, len: usize) -> Option<&[u8]> {
        if !self.bytes.lends(len) {
            return None;
        }
        self.piece(addr.0, len).ok().filter(|piece| piece.len() == len)
    }
}

impl Target for Core {
    fn kind(&self) -> Kind {
        Kind::Core
    }

    fn pid(&self) -> Option<u32> {
        self.notes.pid.or_else(|| self.notes.threads.first().map(|thread| thread.tid))
    }

    fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    fn threads(&self) -> Vec<Thread> {
        self.notes.threads.clone()
    }

    fn auxv(&self) -> Vec<(u64, u64)> {
        self.notes.auxv.clone()
    }

    /// The file that has the program headers of the auxiliary vector, else the path that was given
    /// to `execve`, else the first file.
    fn exe_path(&self) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStringExt;
        if let Some(path) = self.auxiliary(AT_PHDR).and_then(|addr| self.file_at(addr)) {
            return Some(path.to_owned());
        }
        let given = self.auxiliary(AT_EXECFN).and_then(|addr| self.string(Addr(addr)));
        given
            .map(|path| PathBuf::from(OsString::from_vec(path)))
            .or_else(|| self.notes.files.first().map(|file| file.path.clone()))
    }

    fn crash(&self) -> Option<Crash> {
        self.notes.crash
    }

    fn as_memory(&self) -> &dyn Memory {
        self
    }

    fn lost(&self) -> usize {
        self.lost.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("truncation", &self.truncation).finish_non_exhaustive()
    }
}
