//! A running process observed: probes at places in its code, and what comes of them.
//!
//! A probe is put where the caller says; which places those are is for `mapscope-runtime` to know.
//! Whatever becomes of mapscope, no process is left stopped: see [`Guardian`].

mod bpf;
mod guardian;
mod hit;
mod launch;
mod ledger;
mod many;
mod process;
mod traced;

pub use bpf::{Armed, Bpf, BpfError};
pub use guardian::{Guardian, GuardianError};
pub use hit::Hit;
pub use launch::Launched;
pub use process::Process;
pub use traced::{Event, Traced, TracedError};
