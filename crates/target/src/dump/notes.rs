//! The notes of a core: threads, signal, mapped files, auxiliary vector.
//!
//! Layouts: `elf_core_dump` and `struct elf_prstatus`, `elf_prpsinfo` of the kernel
//! (`fs/binfmt_elf.c`, `include/linux/elfcore.h`) for x86-64; gdb's gcore writes the same.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::header::{u16_at, u32_at, u64_at};
use crate::process::{FS_BASE, GENERAL, RIP};
use crate::{Addr, Crash, Registers, Thread, procfs};

const NT_PRSTATUS: u32 = 1;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_FILE: u32 = 0x4649_4c45;
const NT_SIGINFO: u32 = 0x5349_4749;

/// The most threads and mapped files that are taken from a core. A process has at most as many
/// threads as there are pids (4194304), and more than a million of either has not been seen.
const MAX_ENTRIES: usize = 1 << 20;
/// The longest path that `execve` and `open` take, the kernel's `PATH_MAX`.
pub(super) const PATH_MAX: usize = 4096;

/// Where the notes of an `elf_prstatus` keep `pr_reg`.
const PR_REG: usize = 112;

/// What the notes say.
#[derive(Default)]
pub(super) struct Notes {
    /// In the order of the file: the thread that the core was written for is the first.
    pub(super) threads: Vec<Thread>,
    pub(super) crash: Option<Crash>,
    pub(super) files: Vec<MappedFile>,
    pub(super) auxv: Vec<(u64, u64)>,
    pub(super) pid: Option<u32>,
}

/// An entry of `NT_FILE`.
pub(super) struct MappedFile {
    pub(super) start: u64,
    pub(super) end: u64,
    /// In the file, in bytes.
    pub(super) offset: u64,
    pub(super) path: PathBuf,
}

impl Notes {
    /// Adds the notes of one `PT_NOTE`, up to the first that does not fit into `bytes`.
    pub(super) fn add(&mut self, mut bytes: &[u8]) {
        while let Some((kind, body, rest)) = next(bytes) {
            match kind {
                NT_PRSTATUS => self.add_thread(body),
                NT_PRPSINFO => self.add_process(body),
                NT_AUXV => self.auxv = procfs::parse_auxv(body),
                NT_FILE => self.files = files(body).unwrap_or_default(),
                NT_SIGINFO => self.add_siginfo(body),
                _ => {}
            }
            bytes = rest;
        }
    }

    fn add_thread(&mut self, body: &[u8]) {
        let Some(tid) = u32_at(body, 32) else { return };
        if self.threads.len() == MAX_ENTRIES {
            return;
        }
        let signal = u16_at(body, 12).unwrap_or(0);
        if self.threads.is_empty() && signal != 0 {
            let signal = i32::from(signal);
            self.crash = Some(Crash { tid, signal, code: None, addr: None });
        }
        self.threads.push(Thread { tid, registers: registers(body) });
    }

    fn add_process(&mut self, body: &[u8]) {
        self.pid = u32_at(body, 24);
    }

    /// The siginfo belongs to the thread whose prstatus comes before it. Only the first thread's
    /// is the core's reason; gcore writes one for each.
    fn add_siginfo(&mut self, body: &[u8]) {
        let (Some(signal), Some(code)) = (u32_at(body, 0), u32_at(body, 8)) else { return };
        let Some(crash) = self.crash.as_mut().filter(|_| self.threads.len() == 1) else { return };
        if signal as i32 == crash.signal && crash.code.is_none() {
            crash.code = Some(code as i32);
            // SIGILL, SIGTRAP, SIGBUS, SIGFPE and SIGSEGV that the kernel raised (code > 0) have
            // an si_addr.
            let faulted = matches!(signal, 4 | 5 | 7 | 8 | 11) && code as i32 > 0;
            crash.addr = u64_at(body, 16).filter(|_| faulted).map(Addr);
        }
    }
}

/// Type and contents of the note at the beginning of `bytes`, and what comes after it. The name is
/// not looked at: the types above are of `CORE`, and no other name of a core reuses them.
fn next(bytes: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let (name, body) = (u32_at(bytes, 0)? as usize, u32_at(bytes, 4)? as usize);
    let kind = u32_at(bytes, 8)?;
    let start = 12 + name.next_multiple_of(4);
    let end = start.checked_add(body)?;
    let rest = bytes.get(end.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, bytes.get(start..end)?, rest))
}

fn registers(body: &[u8]) -> Option<Registers> {
    let register = |index: usize| u64_at(body, PR_REG + index * 8);
    let mut general = [0; 16];
    for (place, index) in general.iter_mut().zip(GENERAL) {
        *place = register(index)?;
    }
    Some(Registers { general, rip: register(RIP)?, fs_base: register(FS_BASE)? })
}

/// `NT_FILE`: the number of entries, the unit of their file offsets, for each start, end and
/// offset, then for each its path with a NUL.
fn files(body: &[u8]) -> Option<Vec<MappedFile>> {
    let (count, unit) = (usize::try_from(u64_at(body, 0)?).ok()?, u64_at(body, 8)?);
    let table = body.get(16..)?.get(..count.checked_mul(24)?)?;
    let paths = body.get(16 + table.len()..)?.split(|&b| b == 0);
    let entries = table.chunks_exact(24).zip(paths);
    let entries = entries.take(MAX_ENTRIES).filter(|(_, path)| path.len() < PATH_MAX);
    let files = entries.filter_map(|(entry, path)| {
        Some(MappedFile {
            start: u64_at(entry, 0)?,
            end: u64_at(entry, 8)?,
            offset: u64_at(entry, 16)?.checked_mul(unit)?,
            path: PathBuf::from(OsString::from_vec(path.to_vec())),
        })
    });
    Some(files.filter(|file| file.start < file.end).collect())
}
