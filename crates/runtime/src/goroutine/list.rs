//! Every goroutine there is (`runtime.allgs`).

use mapscope_target::{Addr, Fault, Memory, MemoryExt, Why};
use rustc_hash::FxHashSet;

use super::Goroutine;
use crate::evidence::G;

/// More goroutines than a machine's memory holds stacks for: 128 GiB, of the smallest there are.
const MAX_COUNT: u64 = 1 << 26;
/// A list with so many places that hold no goroutine is none.
const MAX_UNREADABLE: usize = 1 << 12;
/// How many pointers are read at once.
const CHUNK: u64 = 8192;
const POINTER: u64 = 8;

/// All goroutines of a process, the dead included, and those that could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Goroutines {
    /// Those that could be read, in the order they were first made.
    pub all: Vec<Goroutine>,
    /// Why others could not be.
    pub unreadable: Vec<Fault>,
}

impl Goroutines {
    /// Reads the slice `runtime.allgs` at `allgs` and every goroutine in it, each once: an entry that
    /// leads into a goroutine met before is none, and [`Why::Stray`].
    ///
    /// # Errors
    /// The slice itself cannot be read, or has a length that cannot be true.
    pub fn read(memory: &dyn Memory, layout: &G, allgs: Addr) -> Result<Goroutines, Fault> {
        let first = memory.addr(allgs)?;
        let len = memory.u64(allgs.checked_add(POINTER).unwrap_or(Addr::NULL))?;
        if len > MAX_COUNT {
            return Err(Fault::new(allgs, Why::TooLong { len, limit: MAX_COUNT }));
        }
        let mut found = Goroutines::default();
        let mut met = Met::of(layout);
        let mut done = 0;
        while done < len {
            let count = CHUNK.min(len - done);
            let overflow = Fault::new(first, Why::Overflow);
            let at = first.index(done, POINTER).ok_or(overflow)?;
            match memory.bytes(at, count * POINTER, CHUNK * POINTER) {
                Ok(bytes) => found.add(memory, layout, &bytes, &mut met),
                Err(fault) => found.unreadable.push(fault),
            }
            // A length that lies must not be followed through an unmapped address space.
            let nowhere = found.all.is_empty() && !found.unreadable.is_empty();
            if nowhere || found.unreadable.len() >= MAX_UNREADABLE {
                break;
            }
            done += count;
        }
        Ok(found)
    }

    fn add(&mut self, memory: &dyn Memory, layout: &G, pointers: &[u8], met: &mut Met) {
        for pointer in pointers.as_chunks::<8>().0 {
            let addr = Addr(u64::from_le_bytes(*pointer));
            let read = match met.is_new(addr) {
                true => Goroutine::read(memory, layout, addr),
                false => Err(Fault::new(addr, Why::Stray)),
            };
            match read {
                Ok(goroutine) => self.all.push(goroutine),
                Err(fault) => self.unreadable.push(fault),
            }
            if self.unreadable.len() >= MAX_UNREADABLE {
                return;
            }
        }
    }
}

/// Where goroutines were met, in blocks of which none holds the beginning of two: they cannot cost
/// more than the memory that they are in.
struct Met {
    block: u64,
    blocks: FxHashSet<u64>,
}

impl Met {
    fn of(layout: &G) -> Met {
        let block = 1 << layout.size.max(1).ilog2();
        Met { block, blocks: FxHashSet::default() }
    }

    /// Whether a goroutine can begin at `addr` beside all those met before.
    fn is_new(&mut self, addr: Addr) -> bool {
        self.blocks.insert(addr.0 / self.block)
    }
}
