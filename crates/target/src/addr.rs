//! Addresses in the inspected process.

use std::fmt;

/// An address in the inspected process, as its own code would use it.
///
/// Not an address in the ELF file (`mapscope_binary::FileVa`) and not an offset in it. Arithmetic
/// on what a target says is checked: an overflow is `None`, never a wrapped address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Addr(pub u64);

impl Addr {
    /// Go's `nil`.
    pub const NULL: Addr = Addr(0);

    /// Whether this is Go's `nil`.
    pub fn is_null(self) -> bool {
        self.0 == 0
    }

    /// The address `bytes` further on, or `None` where the address space ends before.
    pub fn checked_add(self, bytes: u64) -> Option<Addr> {
        self.0.checked_add(bytes).map(Addr)
    }

    /// The address of element `index` of an array of `size`-byte elements that starts here.
    pub fn index(self, index: u64, size: u64) -> Option<Addr> {
        self.checked_add(index.checked_mul(size)?)
    }

    /// How many bytes `self` lies above `base`, or `None` where it lies below.
    pub fn offset_from(self, base: Addr) -> Option<u64> {
        self.0.checked_sub(base.0)
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
