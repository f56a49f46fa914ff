//! The seam that everything above reads a target through.

use crate::{Addr, Fault, Why};

/// The bytes of a process.
pub trait Memory {
    /// Fills `buf` with the bytes at `addr`: all of them, or none and a [`Fault`] that names the
    /// first byte that could not be read. What `buf` holds after a fault is unspecified.
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault>;

    /// The bytes at `addr` without a copy, where the target has them in one piece (a mapped core
    /// or executable). `None` says nothing about whether [`Memory::read`] would succeed.
    fn borrow(&self, addr: Addr, len: usize) -> Option<&[u8]> {
        let _ = (addr, len);
        None
    }

    /// Says that these small pieces, addresses with their lengths in bytes, are about to be read,
    /// and what lies around them is not. A target for which each read is dear may make them ready
    /// all at once; what a read returns does not depend on this.
    fn expect(&self, pieces: &[(Addr, usize)]) {
        let _ = pieces;
    }

    /// Whether each page that is read is dear, so that it pays to find out first which are needed: as
    /// of a live process, which stands still for them.
    fn is_dear(&self) -> bool {
        false
    }

    /// Reads these small pieces one after the other into `buf`, as they are now, without keeping any
    /// for when they are read again. `false` where the target does not offer this, or not all of
    /// them could be read: that says nothing about whether [`Memory::read`] would succeed.
    fn peek(&self, pieces: &[(Addr, usize)], buf: &mut Vec<u8>) -> bool {
        let _ = (pieces, buf);
        false
    }
}

/// Typed reads on top of [`Memory::read`]. Little-endian: amd64 is.
pub trait MemoryExt: Memory {
    /// One byte.
    fn u8(&self, addr: Addr) -> Result<u8, Fault> {
        self.array::<1>(addr).map(|b| b[0])
    }

    /// Two bytes.
    fn u16(&self, addr: Addr) -> Result<u16, Fault> {
        self.array(addr).map(u16::from_le_bytes)
    }

    /// Four bytes.
    fn u32(&self, addr: Addr) -> Result<u32, Fault> {
        self.array(addr).map(u32::from_le_bytes)
    }

    /// Eight bytes.
    fn u64(&self, addr: Addr) -> Result<u64, Fault> {
        self.array(addr).map(u64::from_le_bytes)
    }

    /// A pointer.
    fn addr(&self, addr: Addr) -> Result<Addr, Fault> {
        self.u64(addr).map(Addr)
    }

    /// A fixed number of bytes.
    fn array<const N: usize>(&self, addr: Addr) -> Result<[u8; N], Fault> {
        let mut buf = [0; N];
        self.read(addr, &mut buf)?;
        Ok(buf)
    }

    /// `len` bytes, or [`Why::TooLong`] where `len` is above `limit`: nothing that a target says
    /// is allocated unchecked.
    fn bytes(&self, addr: Addr, len: u64, limit: u64) -> Result<Vec<u8>, Fault> {
        if len > limit {
            return Err(Fault::new(addr, Why::TooLong { len, limit }));
        }
        let mut buf = vec![0; len as usize];
        self.read(addr, &mut buf)?;
        Ok(buf)
    }
}

impl<M: Memory + ?Sized> MemoryExt for M {}
