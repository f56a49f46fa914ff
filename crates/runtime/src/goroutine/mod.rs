//! Goroutines: what the runtime keeps of each, and the list of them all.

mod list;
mod panic;
mod processor;
mod scheduler;
mod status;
mod wait;

use std::ops::Range;

use mapscope_target::{Addr, Fault, Memory, MemoryExt, Why};

use crate::evidence::G;

pub use list::Goroutines;
pub use panic::Panic;
pub use processor::{OnThread, Processor, moment};
pub use scheduler::Scheduler;
pub use status::Status;
pub use wait::WaitReasons;

/// `runtime.g` is far smaller than this in every release.
const MAX_SIZE: u64 = 64 << 10;

/// One goroutine, as read at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goroutine {
    /// Its `runtime.g`.
    pub addr: Addr,
    /// Its number.
    pub id: u64,
    /// What it does.
    pub status: Status,
    /// The garbage collector scans its stack at this moment.
    pub scanning: bool,
    /// Why it waits: an index into [`WaitReasons`]. Of meaning while it waits only.
    pub wait_reason: u8,
    /// The `go` statement that made it; null for the first.
    pub created_by: Addr,
    /// The function it began with.
    pub start: Addr,
    /// The goroutine that made it; `None` before Go 1.21, which did not keep it.
    pub parent: Option<u64>,
    /// Its stack: the lowest address and one past the highest.
    pub stack: Range<Addr>,
    /// The thread (`runtime.m`) that runs it, or null.
    pub m: Addr,
    /// Where it goes on when it is scheduled. Stale while it runs.
    pub sched: Point,
    /// Where it entered a system call; a null stack pointer outside of one.
    pub syscall: Point,
    /// When the first garbage collection after it began to wait saw it wait, in nanoseconds of
    /// `runtime.nanotime`; `None` where none has. Of meaning while it waits only: it is cleared as
    /// it goes on (`casgstatus`, `scanstack` in the runtime).
    pub waits_since: Option<u64>,
    /// What `runtime/pprof` keeps of its labels, or null.
    pub labels: Addr,
}

/// A place in the code together with its stack pointer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// The program counter: a return address, unless said otherwise.
    pub pc: Addr,
    /// The stack pointer.
    pub sp: Addr,
}

impl Goroutine {
    /// Reads the `runtime.g` at `addr`.
    ///
    /// # Errors
    /// Its bytes cannot be read.
    pub fn read(memory: &dyn Memory, layout: &G, addr: Addr) -> Result<Goroutine, Fault> {
        let bytes = memory.bytes(addr, layout.size, MAX_SIZE)?;
        let record = Record { addr, bytes: &bytes };
        let (status, scanning) = Status::decode(record.u32(layout.atomicstatus)?);
        let parent = layout.parent_goid.map(|at| record.u64(at)).transpose()?;
        let since = layout.waitsince.map(|at| record.u64(at)).transpose()?;
        let labels = layout.labels.map(|at| record.addr(at)).transpose()?;
        Ok(Goroutine {
            addr,
            id: record.u64(layout.goid)?,
            status,
            scanning,
            wait_reason: record.u8(layout.waitreason)?,
            created_by: record.addr(layout.gopc)?,
            start: record.addr(layout.startpc)?,
            parent,
            stack: record.addr(layout.stack_lo)?..record.addr(layout.stack_hi)?,
            m: record.addr(layout.m)?,
            sched: Point { pc: record.addr(layout.sched_pc)?, sp: record.addr(layout.sched_sp)? },
            syscall: Point {
                pc: record.addr(layout.syscallpc)?,
                sp: record.addr(layout.syscallsp)?,
            },
            waits_since: since.filter(|since| *since != 0),
            labels: labels.unwrap_or_default(),
        })
    }

    /// Whether it has a stack with frames on it.
    pub fn is_alive(&self) -> bool {
        !matches!(self.status, Status::Idle | Status::Dead | Status::Extra)
    }
}

/// The bytes of one structure, read at once.
struct Record<'b> {
    addr: Addr,
    bytes: &'b [u8],
}

impl Record<'_> {
    fn array<const N: usize>(&self, offset: u64) -> Result<[u8; N], Fault> {
        let field = usize::try_from(offset).ok().and_then(|at| self.bytes.get(at..));
        let field = field.and_then(<[u8]>::first_chunk).copied();
        field.ok_or_else(|| Fault::new(self.addr, Why::Overflow))
    }

    fn u8(&self, offset: u64) -> Result<u8, Fault> {
        self.array(offset).map(u8::from_le_bytes)
    }

    fn u32(&self, offset: u64) -> Result<u32, Fault> {
        self.array(offset).map(u32::from_le_bytes)
    }

    fn u64(&self, offset: u64) -> Result<u64, Fault> {
        self.array(offset).map(u64::from_le_bytes)
    }

    fn addr(&self, offset: u64) -> Result<Addr, Fault> {
        self.u64(offset).map(Addr)
    }
}
