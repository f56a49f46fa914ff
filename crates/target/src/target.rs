//! A process as a whole: its memory and what is known beside it.

use std::path::PathBuf;
use std::time::Duration;

use crate::{Addr, Mapping, Memory, Thread};

/// A process, running or dumped.
pub trait Target: Memory {
    /// What the bytes come from.
    fn kind(&self) -> Kind;

    /// The process id, in our PID namespace for a live process, as the core states it for a core.
    fn pid(&self) -> Option<u32>;

    /// The mappings, by rising address, without overlaps. Of a live process: as they were when it
    /// was opened, or at its last freeze.
    fn mappings(&self) -> &[Mapping];

    /// The threads. Of a core: the first is the one that the core was written for. Of a live
    /// process: with registers while and after it was frozen.
    fn threads(&self) -> Vec<Thread>;

    /// The auxiliary vector: pairs of type (`AT_…` of `elf.h`) and value, without `AT_NULL`.
    fn auxv(&self) -> Vec<(u64, u64)>;

    /// The executable's path as the target states it: in the target's own mount namespace, on the
    /// machine the core was written on.
    fn exe_path(&self) -> Option<PathBuf>;

    /// The signal that made the kernel write the core.
    fn crash(&self) -> Option<Crash>;

    /// The target as mere memory.
    fn as_memory(&self) -> &dyn Memory;

    /// How many reads asked for what had not been kept when the process was let go
    /// ([`crate::Why::Thawed`]): an answer that needed them is to be had again.
    fn missed(&self) -> usize {
        0
    }

    /// How long a pause that was cut short would have had to be for all that was asked for, as far as
    /// what was read in it tells: an estimate.
    fn enough(&self) -> Option<Duration> {
        None
    }

    /// Forgets what was read of a target that runs: the next read is of the process as it is then.
    /// Must not be called while it is held.
    fn forget(&self) {}

    /// How many reads failed on bytes that the process had, and that this target should have:
    /// pages left out of a core or a recording, or cut off. An answer that came to lack something
    /// for it must not look whole.
    fn lost(&self) -> usize {
        0
    }

    /// Whether its bytes are of a process that ran on while they were taken, so that they may be
    /// of different moments. Of a live process itself that is for its caller to know.
    fn mixes_moments(&self) -> bool {
        false
    }
}

/// The methods of a [`Target`] around another one, which leave everything but memory to that:
/// `delegate_target!(self => self.inner)` in its implementation. Those that `Target` provides are not
/// among them.
#[macro_export]
macro_rules! delegate_target {
    ($this:ident => $inner:expr) => {
        fn kind(&$this) -> $crate::Kind {
            $crate::Target::kind($inner)
        }

        fn pid(&$this) -> Option<u32> {
            $crate::Target::pid($inner)
        }

        fn mappings(&$this) -> &[$crate::Mapping] {
            $crate::Target::mappings($inner)
        }

        fn threads(&$this) -> Vec<$crate::Thread> {
            $crate::Target::threads($inner)
        }

        fn auxv(&$this) -> Vec<(u64, u64)> {
            $crate::Target::auxv($inner)
        }

        fn exe_path(&$this) -> Option<std::path::PathBuf> {
            $crate::Target::exe_path($inner)
        }

        fn crash(&$this) -> Option<$crate::Crash> {
            $crate::Target::crash($inner)
        }

        fn as_memory(&$this) -> &dyn $crate::Memory {
            $this
        }
    };
}

/// What a target's bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A process that exists.
    Live,
    /// A core file.
    Core,
    /// What an analysis read of either, kept in a file.
    Recording,
    /// An executable that does not run: what a process of it begins with.
    Executable,
}

/// Why a core was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    /// The thread that took the signal.
    pub tid: u32,
    /// The signal's number.
    pub signal: i32,
    /// `si_code` of its `siginfo`, where the core has one.
    pub code: Option<i32>,
    /// `si_addr`, of the signals that a memory access or an instruction raises.
    pub addr: Option<Addr>,
}
