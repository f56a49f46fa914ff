//! Why bytes of a target could not be read.

use crate::Addr;

/// A read that failed. A failed read is never a zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{addr}: {why}")]
pub struct Fault {
    /// The first byte that could not be read.
    pub addr: Addr,
    /// What stood in the way.
    pub why: Why,
}

impl Fault {
    /// A fault at `addr` for the reason `why`.
    pub fn new(addr: Addr, why: Why) -> Fault {
        Fault { addr, why }
    }
}

/// What stood in the way of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// No mapping of the process covers the address.
    #[error("not mapped in the process")]
    Unmapped,
    /// The process had a mapping there, but its pages were not written to this core.
    #[error("mapped in the process, but its pages are not in this core")]
    NotInCore,
    /// The core's headers promise the bytes, but the file ends before them.
    #[error("the core file ends before these bytes")]
    Truncated,
    /// The kernel refused the read.
    #[error("the kernel denies access")]
    Denied,
    /// The process is gone.
    #[error("the process is gone")]
    Gone,
    /// The process runs again, and these bytes were not read while it was frozen.
    #[error("not read while the process was frozen")]
    Thawed,
    /// The process had a mapping there, but what was recorded of it did not need these bytes.
    #[error("mapped in the process, but not in this recording")]
    NotRecorded,
    /// The bytes are there, but what they should be is not known, or they cannot be that.
    #[error("what lies there makes no sense")]
    Senseless,
    /// An address computed from the target's own data leaves the address space.
    #[error("the address overflows")]
    Overflow,
    /// What is there says that it belongs to something else.
    #[error("what is there does not belong to what leads to it")]
    Stray,
    /// A length read from the target is beyond what can be true.
    #[error("a length of {len} bytes there is beyond the limit of {limit}")]
    TooLong {
        /// The length the target states, in bytes.
        len: u64,
        /// The limit, in bytes.
        limit: u64,
    },
}

impl Why {
    /// Whether it speaks against what led to the address, and not of what this target lacks: no
    /// process could have read there.
    pub fn contradicts(self) -> bool {
        matches!(self, Why::Unmapped | Why::Overflow | Why::TooLong { .. } | Why::Stray)
    }
}
