//! How a recording lies in its file.
//!
//! Sixteen bytes of head ([`RECORDING_MAGIC`], then the version as a little-endian `u32`), then
//! zstd frames. What they hold, one after the other, is a sequence of chunks: a tag of one byte,
//! a length of eight, and so many bytes. All numbers are little-endian. The chunk [`Tag::END`] is
//! the last: a recording without one was cut short.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::{Access, Addr, Crash, Mapping, Registers, Thread, Why};

/// The first bytes of a recording.
pub const RECORDING_MAGIC: [u8; 12] = *b"\x7fmapscope-r\0";

/// The version of the format that is written, and the only one that is read.
pub(super) const VERSION: u32 = 1;
/// The magic and the version.
pub(super) const HEAD: usize = 16;

/// What a chunk holds.
pub(super) struct Tag;

impl Tag {
    /// The process: pid, executable, crash, auxiliary vector.
    pub(super) const PROCESS: u8 = 1;
    /// Its mappings.
    pub(super) const MAPPINGS: u8 = 2;
    /// Its threads.
    pub(super) const THREADS: u8 = 3;
    /// Where reads failed, and why.
    pub(super) const FAULTS: u8 = 4;
    /// Bytes of its memory: an address, then the bytes.
    pub(super) const MEMORY: u8 = 5;
    /// The length of the executable's file.
    pub(super) const EXE: u8 = 6;
    /// Bytes of that file: an offset, then the bytes.
    pub(super) const EXE_PART: u8 = 7;
    /// The end: how many chunks came before.
    pub(super) const END: u8 = 8;
}

/// What is wrong with a recording.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// It does not begin as one.
    #[error("it does not begin as a recording does")]
    NotOne,
    /// Another version of the format.
    #[error("it is of version {0} of the format, and only version {VERSION} is known")]
    Version(u32),
    /// It ends too early, or its compressed stream is damaged.
    #[error("it is cut short or damaged: {0}")]
    CutShort(&'static str),
    /// It contradicts itself.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
}

/// The process as the recording states it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: Option<u32>,
    pub(super) exe_path: Option<PathBuf>,
    pub(super) crash: Option<Crash>,
    pub(super) auxv: Vec<(u64, u64)>,
    /// Whether it ran on while it was recorded.
    pub(super) ran: bool,
}

/// Appends numbers and strings.
#[derive(Default)]
pub(super) struct Out(pub(super) Vec<u8>);

impl Out {
    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }

    fn option<T>(&mut self, value: Option<T>, one: impl FnOnce(&mut Out, T)) {
        self.u8(value.is_some().into());
        if let Some(value) = value {
            one(self, value);
        }
    }

    fn path(&mut self, path: &Path) {
        let bytes = path.as_os_str().as_bytes();
        self.u64(bytes.len() as u64);
        self.0.extend(bytes);
    }

    pub(super) fn process(&mut self, process: &Process) {
        self.option(process.pid, Out::u32);
        self.option(process.exe_path.as_deref(), Out::path);
        self.option(process.crash, |out, crash| {
            out.u32(crash.tid);
            out.u32(crash.signal as u32);
            out.option(crash.code, |out, code| out.u32(code as u32));
            out.option(crash.addr, |out, addr| out.u64(addr.0));
        });
        self.u64(process.auxv.len() as u64);
        for (kind, value) in &process.auxv {
            self.u64(*kind);
            self.u64(*value);
        }
        self.u8(process.ran.into());
    }

    pub(super) fn mappings(&mut self, mappings: &[Mapping]) {
        for m in mappings {
            self.u64(m.start.0);
            self.u64(m.end.0);
            let Access { read, write, execute } = m.access;
            self.u8(u8::from(read) | u8::from(write) << 1 | u8::from(execute) << 2);
            self.u64(m.offset);
            self.option(m.path.as_deref(), Out::path);
        }
    }

    pub(super) fn threads(&mut self, threads: &[Thread]) {
        for thread in threads {
            self.u32(thread.tid);
            self.option(thread.registers, |out, registers| {
                registers.general.iter().for_each(|word| out.u64(*word));
                out.u64(registers.rip);
                out.u64(registers.fs_base);
            });
        }
    }

    pub(super) fn fault(&mut self, addr: u64, why: Why) {
        let code = match why {
            Why::Unmapped => 1,
            Why::NotInCore => 2,
            Why::Truncated => 3,
            Why::Denied => 4,
            Why::Gone => 5,
            // These say nothing of the place, or are what a recording says of itself.
            Why::Thawed
            | Why::NotRecorded
            | Why::Senseless
            | Why::Stray
            | Why::Overflow
            | Why::TooLong { .. } => return,
        };
        self.u64(addr);
        self.u8(code);
    }
}

/// Takes numbers and strings off the front; `None` where nothing is left.
pub(super) struct In<'b>(pub(super) &'b [u8]);

impl<'b> In<'b> {
    pub(super) fn bytes(&mut self, len: u64) -> Option<&'b [u8]> {
        let (front, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(front)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*front)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|b| b[0])
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn option<T>(&mut self, one: impl FnOnce(&mut In<'b>) -> Option<T>) -> Option<Option<T>> {
        match self.u8()? {
            0 => Some(None),
            1 => one(self).map(Some),
            _ => None,
        }
    }

    fn path(&mut self) -> Option<PathBuf> {
        let len = self.u64()?;
        let bytes = self.bytes(len)?;
        Some(PathBuf::from(OsString::from_vec(bytes.to_vec())))
    }

    pub(super) fn process(&mut self) -> Option<Process> {
        let pid = self.option(In::u32)?;
        let exe_path = self.option(In::path)?;
        let crash = self.option(|from| {
            let (tid, signal) = (from.u32()?, from.u32()? as i32);
            let code = from.option(In::u32)?.map(|code| code as i32);
            let addr = from.option(In::u64)?.map(Addr);
            Some(Crash { tid, signal, code, addr })
        })?;
        let count = self.u64()?;
        let mut auxv = Vec::new();
        for _ in 0..count {
            auxv.push((self.u64()?, self.u64()?));
        }
        Some(Process { pid, exe_path, crash, auxv, ran: self.u8()? != 0 })
    }

    /// One mapping after the other, to the end.
    pub(super) fn mapping(&mut self) -> Option<Mapping> {
        let (start, end) = (Addr(self.u64()?), Addr(self.u64()?));
        let bits = self.u8()?;
        let access = Access { read: bits & 1 != 0, write: bits & 2 != 0, execute: bits & 4 != 0 };
        let (offset, path) = (self.u64()?, self.option(In::path)?);
        Some(Mapping { start, end, access, offset, path })
    }

    pub(super) fn thread(&mut self) -> Option<Thread> {
        let tid = self.u32()?;
        let registers = self.option(|from| {
            let mut registers = Registers::default();
            for word in &mut registers.general {
                *word = from.u64()?;
            }
            (registers.rip, registers.fs_base) = (from.u64()?, from.u64()?);
            Some(registers)
        })?;
        Some(Thread { tid, registers })
    }

    pub(super) fn fault(&mut self) -> Option<(u64, Why)> {
        let addr = self.u64()?;
        let why = match self.u8()? {
            1 => Why::Unmapped,
            2 => Why::NotInCore,
            3 => Why::Truncated,
            4 => Why::Denied,
            5 => Why::Gone,
            _ => return None,
        };
        Some((addr, why))
    }

    /// Takes one after the other until nothing is left.
    pub(super) fn all<T>(&mut self, one: fn(&mut In<'b>) -> Option<T>) -> Option<Vec<T>> {
        let mut list = Vec::new();
        while !self.0.is_empty() {
            list.push(one(self)?);
        }
        Some(list)
    }
}
