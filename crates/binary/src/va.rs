//! Places in an executable: as linked, and as stored.

use std::fmt;

/// An address in the executable as its linker laid it out.
///
/// Not an address in a process: a position-independent executable is loaded elsewhere, and the
/// difference is the load bias.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileVa(pub u64);

/// An offset in the executable's file, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileOff(pub u64);

impl FileVa {
    /// The address `bytes` further on, or `None` where the address space ends before.
    pub fn checked_add(self, bytes: u64) -> Option<FileVa> {
        self.0.checked_add(bytes).map(FileVa)
    }

    /// How many bytes `self` lies above `base`, or `None` where it lies below.
    pub fn offset_from(self, base: FileVa) -> Option<u64> {
        self.0.checked_sub(base.0)
    }
}

impl FileOff {
    /// The offset `bytes` further on, or `None` where it overflows.
    pub fn checked_add(self, bytes: u64) -> Option<FileOff> {
        self.0.checked_add(bytes).map(FileOff)
    }
}

impl fmt::Display for FileVa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for FileVa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for FileOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{:#x}", self.0)
    }
}

impl fmt::Debug for FileOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
