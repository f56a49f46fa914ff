//! A Go process as bytes: the memory, mappings, threads and registers of a live process, a core or a
//! recording.
//!
//! Everything above this crate reads a target through one method, [`Memory::read`], and never
//! knows whether the bytes come from a running process, a core file or a mapping of the
//! executable. Nothing here knows anything of Go.

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
compile_error!("mapscope reads processes of Linux on amd64, and runs there");

mod addr;
mod ahead;
mod dump;
mod elf_head;
mod facts;
mod fault;
mod keep;
mod live;
mod memory;
mod process;
mod procfs;
mod progress;
mod recording;
mod target;

pub use addr::Addr;
pub use ahead::Ahead;
pub use dump::{
    Core, DEFAULT_RESIDENT_BUDGET, FileBytes, FileKind, FileSegment, HeaderError, OpenCoreError,
    Packing, Reads, Truncation,
};
pub use facts::{
    Capabilities, CorePattern, CorePlace, Fact, FileIds, Host, Limit, Namespaces, ProcessFacts,
    Seccomp, Unknown,
};
pub use fault::{Fault, Why};
pub use keep::{KeepError, Kept, Snapshot, Why as KeptFor};
pub use live::{
    Freeze, FreezeError, Hold, LEAST_CACHE_LIMIT, Live, MOST_CACHE_LIMIT, Obstacle, OpenLiveError,
    Pause, PokeError, WhenFull,
};
pub use memory::{Memory, MemoryExt};
pub use process::{Access, Mapping, Registers, Thread, ThreadState};
pub use progress::Progress;
pub use recording::{
    ExePart, FormatError, OpenRecordingError, RECORDING_MAGIC, Recorder, Recording, Written,
};
pub use target::{Crash, Kind, Target};
