//! What a process has besides its bytes: mappings and threads.

use std::path::PathBuf;

use crate::Addr;

/// One mapping of the process's address space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The first byte.
    pub start: Addr,
    /// One past the last byte.
    pub end: Addr,
    /// What the process may do with it.
    pub access: Access,
    /// For a mapped file: where in the file `start` lies, in bytes.
    pub offset: u64,
    /// For a mapped file: its path as the process sees it.
    pub path: Option<PathBuf>,
}

impl Mapping {
    /// Whether `addr` lies in this mapping.
    pub fn contains(&self, addr: Addr) -> bool {
        self.start <= addr && addr < self.end
    }
}

/// What a process may do with a mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// It may read.
    pub read: bool,
    /// It may write.
    pub write: bool,
    /// It may execute.
    pub execute: bool,
}

/// One thread of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// The kernel's thread id, which the runtime keeps in `m.procid`.
    pub tid: u32,
    /// Its registers where they are known: from a core, or while the process is stopped.
    pub registers: Option<Registers>,
}

/// The amd64 registers of one thread, in DWARF's numbering order for the first sixteen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 … r15: the order of DWARF's register numbers
    /// (System V ABI, AMD64 supplement, figure 3.36).
    pub general: [u64; 16],
    /// The instruction pointer.
    pub rip: u64,
    /// The thread pointer, under which Go keeps `g` on amd64.
    pub fs_base: u64,
}

impl Registers {
    /// The stack pointer.
    pub fn rsp(&self) -> Addr {
        Addr(self.general[7])
    }
}
