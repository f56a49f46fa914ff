//! A panic that a goroutine is in.

use mapscope_target::{Addr, Fault, Memory, MemoryExt};

use crate::evidence;

/// A panic under way (`runtime._panic`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panic {
    /// Where the `any` lies that it panics with.
    pub arg: Addr,
    /// The panic that it interrupted, or null.
    pub link: Addr,
    /// A deferred function has recovered it.
    pub recovered: bool,
    /// It is no panic but `runtime.Goexit`.
    pub goexit: bool,
}

impl Panic {
    /// Reads the `runtime._panic` at `addr`.
    ///
    /// # Errors
    /// Its bytes cannot be read.
    pub fn read(memory: &dyn Memory, layout: &evidence::Panic, addr: Addr) -> Result<Panic, Fault> {
        let at = |offset: u64| Addr(addr.0.wrapping_add(offset));
        Ok(Panic {
            arg: at(layout.arg),
            link: memory.addr(at(layout.link))?,
            recovered: memory.u8(at(layout.recovered))? != 0,
            goexit: memory.u8(at(layout.goexit))? != 0,
        })
    }
}
