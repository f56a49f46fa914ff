//! A Go process as bytes: the memory, mappings, threads and registers of a live process or a core.
//!
//! Everything above this crate reads a target through one method, [`Memory::read`], and never
//! knows whether the bytes come from a running process, a core file or a mapping of the
//! executable. Nothing here knows anything of Go.

mod addr;
mod fault;
mod memory;
mod process;
mod progress;

pub use addr::Addr;
pub use fault::{Fault, Why};
pub use memory::{Memory, MemoryExt};
pub use process::{Access, Mapping, Registers, Thread};
pub use progress::Progress;
