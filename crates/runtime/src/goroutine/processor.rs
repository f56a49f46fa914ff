//! The runtime's processors (`runtime.p`), and which thread and processor run a goroutine.

use mapscope_target::{Addr, Fault, Memory, MemoryExt, Why};

use super::Goroutine;
use crate::evidence::{M, P};

/// More processors than a machine has.
const MAX_COUNT: u64 = 1 << 16;
const POINTER: u64 = 8;

/// A processor: what a thread must hold to run Go code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Processor {
    /// Its `runtime.p`.
    pub addr: Addr,
    /// Its number.
    pub id: u32,
    /// Its cache of spans (`runtime.mcache`), or null.
    pub mcache: Addr,
    /// When the runtime's monitor last saw it move on, in nanoseconds of `runtime.nanotime`.
    pub seen: u64,
}

/// The thread that runs a goroutine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnThread {
    /// The number of the `runtime.m`; `None` where its layout does not tell.
    pub m: Option<u64>,
    /// The kernel's thread id, in the PID namespace of the process.
    pub tid: u64,
    /// The processor the thread holds; `None` in a system call.
    pub p: Option<u32>,
}

/// Reads the processors of the slice `runtime.allp` at `allp`.
///
/// # Errors
///
/// The slice or one of them cannot be read, or it has a length that cannot be true.
pub(super) fn all(memory: &dyn Memory, layout: &P, allp: Addr) -> Result<Vec<Processor>, Fault> {
    let first = memory.addr(allp)?;
    let len = memory.u64(Addr(allp.0.wrapping_add(POINTER)))?;
    if len > MAX_COUNT {
        return Err(Fault::new(allp, Why::TooLong { len, limit: MAX_COUNT }));
    }
    let pointers = memory.bytes(first, len * POINTER, MAX_COUNT * POINTER)?;
    let (pointers, _) = pointers.as_chunks::<8>();
    pointers.iter().map(|p| one(memory, layout, Addr(u64::from_le_bytes(*p)))).collect()
}

fn one(memory: &dyn Memory, layout: &P, addr: Addr) -> Result<Processor, Fault> {
    let at = |offset: u64| Addr(addr.0.wrapping_add(offset));
    let time = |offset: Option<u64>| offset.map_or(Ok(0), |offset| memory.u64(at(offset)));
    Ok(Processor {
        addr,
        id: memory.u32(at(layout.id))?,
        mcache: memory.addr(at(layout.mcache))?,
        seen: time(layout.schedwhen)?.max(time(layout.syscallwhen)?),
    })
}

/// The thread that runs `goroutine`, if one does.
pub(super) fn thread(
    memory: &dyn Memory,
    m: &M,
    p: Option<&P>,
    goroutine: &Goroutine,
) -> Result<Option<OnThread>, Fault> {
    if goroutine.m.is_null() {
        return Ok(None);
    }
    let at = |offset: u64| Addr(goroutine.m.0.wrapping_add(offset));
    let tid = memory.u64(at(m.procid))?;
    let number = m.id.map(|offset| memory.u64(at(offset))).transpose()?;
    let holds = m.p.map(|offset| memory.addr(at(offset))).transpose()?;
    let processor = holds
        .filter(|p| !p.is_null())
        .zip(p)
        .map(|(addr, layout)| memory.u32(Addr(addr.0.wrapping_add(layout.id))));
    Ok(Some(OnThread { m: number, tid, p: processor.transpose()? }))
}

/// The latest moment, in nanoseconds of `runtime.nanotime`, that the process is known to have
/// reached: what waits since before has waited for as long as lies between, and longer.
pub fn moment(processors: &[Processor], goroutines: &[Goroutine]) -> u64 {
    let waiting = goroutines.iter().filter_map(|goroutine| goroutine.waits_since);
    processors.iter().map(|p| p.seen).chain(waiting).max().unwrap_or(0)
}
