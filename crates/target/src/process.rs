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

/// One thread, as the kernel gives it to its tracer and writes it into a core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadState {
    /// The kernel's thread id.
    pub tid: u32,
    /// `user_regs_struct` (sys/user.h of amd64): r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax,
    /// rcx, rdx, rsi, rdi, orig_rax, rip, cs, eflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs. The
    /// first 21 are the kernel's `pt_regs`, in its order.
    pub raw: [u64; 27],
    /// `user_fpregs_struct`, where it could be had.
    pub floating: Option<Box<[u8; 512]>>,
}

impl ThreadState {
    /// The registers by their names.
    pub fn registers(&self) -> Registers {
        Registers {
            general: GENERAL.map(|index| self.raw[index]),
            rip: self.raw[RIP],
            fs_base: self.raw[FS_BASE],
        }
    }
}

/// Where `user_regs_struct` has each of [`Registers::general`].
pub(crate) const GENERAL: [usize; 16] = [10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0];
pub(crate) const RIP: usize = 16;
pub(crate) const FS_BASE: usize = 21;
