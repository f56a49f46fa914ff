//! Every goroutine there is (`runtime.allgs`).

use mapscope_target::{Addr, Fault, Memory, MemoryExt, Why};

use super::Goroutine;
use crate::evidence::G;

/// More goroutines than a machine's memory holds stacks for.
const MAX_COUNT: u64 = 1 << 28;
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
    /// Reads the slice `runtime.allgs` at `allgs` and every goroutine in it.
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
        let mut done = 0;
        while done < len {
            let count = CHUNK.min(len - done);
            let overflow = Fault::new(first, Why::Overflow);
            let at = first.index(done, POINTER).ok_or(overflow)?;
            match memory.bytes(at, count * POINTER, CHUNK * POINTER) {
                Ok(bytes) => found.add(memory, layout, &bytes),
                Err(fault) => found.unreadable.push(fault),
            }
            if found.all.is_empty() && !found.unreadable.is_empty() {
                // A length that lies must not be followed through an unmapped address space.
                break;
            }
            done += count;
        }
        Ok(found)
    }

    fn add(&mut self, memory: &dyn Memory, layout: &G, pointers: &[u8]) {
        let (pointers, _) = pointers.as_chunks::<8>();
        for &pointer in pointers {
            match Goroutine::read(memory, layout, Addr(u64::from_le_bytes(pointer))) {
                Ok(goroutine) => self.all.push(goroutine),
                Err(fault) => self.unreadable.push(fault),
            }
        }
    }
}
