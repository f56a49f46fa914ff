//! A running process observed: probes at places in its code, and what comes of them.
//!
//! A probe is put where the caller says; which places those are is for `mapscope-runtime` to know.
//! Whatever becomes of mapscope, no process is left stopped: see [`Guardian`].

mod bpf;
mod guardian;
mod hit;
mod process;

pub use bpf::{Armed, Bpf, BpfError};
pub use guardian::{Guardian, GuardianError};
pub use hit::Hit;
pub use process::Process;
