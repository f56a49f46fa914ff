//! Reads by rising address, a window at a time.

use crate::{Addr, Fault, Memory};

/// The size of a page on amd64.
const PAGE: usize = 4096;
/// The window of a read that does not follow the one before.
const LEAST: usize = 2 * PAGE;
/// The largest window: a second-level cache has room for several.
const MOST: usize = 64 << 10;

/// Reads many pieces that lie by rising address, more or less: one read of a target for all that
/// lie together. As with a kernel's readahead, the window doubles as long as one follows another, and
/// is small again after a jump, so that pieces far apart cost little more than themselves.
pub struct Ahead<'m> {
    memory: &'m dyn Memory,
    /// Where the bytes that are held come from.
    start: Addr,
    bytes: Vec<u8>,
    window: usize,
}

impl<'m> Ahead<'m> {
    /// A reader of `memory`.
    pub fn new(memory: &'m dyn Memory) -> Ahead<'m> {
        Ahead { memory, start: Addr::NULL, bytes: Vec::new(), window: LEAST }
    }

    /// The `len` bytes at `addr`. How many that may be is the caller's to bound: they are allocated.
    ///
    /// # Errors
    ///
    /// They cannot be read; what lies around them does not matter.
    #[inline]
    pub fn get(&mut self, addr: Addr, len: usize) -> Result<&[u8], Fault> {
        let mut from = self.offset(addr);
        if len > self.bytes.len().saturating_sub(from) {
            self.fill(addr, len)?;
            from = self.offset(addr);
        }
        // The bytes are there: either they were, or `fill` has read them.
        Ok(self.bytes.get(from..from + len).unwrap_or_default())
    }

    fn offset(&self, addr: Addr) -> usize {
        usize::try_from(addr.0.wrapping_sub(self.start.0)).unwrap_or(usize::MAX)
    }

    /// Reads the window that begins with the page of `addr`, or no more than what is asked for
    /// where that window cannot be read or is too small.
    fn fill(&mut self, addr: Addr, len: usize) -> Result<(), Fault> {
        let follows = self.offset(addr) <= self.bytes.len() + self.window;
        self.window = if follows { (2 * self.window).clamp(LEAST, MOST) } else { LEAST };
        let start = Addr(addr.0 & !(PAGE as u64 - 1));
        let skip = (addr.0 - start.0) as usize;
        // Where memory ends, a smaller window may still be within it.
        while self.window >= PAGE.max(skip.saturating_add(len)) {
            if self.read(start, self.window).is_ok() {
                return Ok(());
            }
            self.window /= 2;
        }
        self.read(addr, len)
    }

    fn read(&mut self, start: Addr, len: usize) -> Result<(), Fault> {
        self.start = start;
        self.bytes.resize(len, 0);
        let read = self.memory.read(start, &mut self.bytes);
        if read.is_err() {
            self.bytes.clear();
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::Why;

    /// Some bytes from 0x1000 on, and how often they were read.
    struct Piece(Vec<u8>, Cell<u32>);

    impl Memory for Piece {
        fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
            self.1.set(self.1.get() + 1);
            let from = addr.0.checked_sub(0x1000).map(|from| from as usize);
            let bytes = from.and_then(|from| self.0.get(from..from.checked_add(buf.len())?));
            buf.copy_from_slice(bytes.ok_or(Fault::new(addr, Why::Unmapped))?);
            Ok(())
        }
    }

    #[test]
    fn every_piece_is_what_memory_has_there() {
        let bytes: Vec<u8> = (0..1_000_001u32).map(|n| (n % 251) as u8).collect();
        let memory = Piece(bytes.clone(), Cell::new(0));
        let mut ahead = Ahead::new(&memory);
        let rising = (0..bytes.len() - 40).step_by(97).map(|at| (at, at % 40));
        let odd = [(999_990, 11), (0, 700_000), (5, 0), (999_999, 2), (70_000, 9)];
        for (at, len) in rising.chain(odd) {
            let got = ahead.get(Addr(0x1000 + at as u64), len).unwrap();
            assert_eq!(got, &bytes[at..at + len]);
        }
        assert!(memory.1.get() < 60, "{} reads", memory.1.get());
        assert!(ahead.get(Addr(0x1000 + 999_999), 3).is_err());
        assert!(ahead.get(Addr(0xfff), 1).is_err());
        assert!(ahead.get(Addr(u64::MAX), 2).is_err());
        assert_eq!(ahead.get(Addr(0x1001), 2).unwrap(), &bytes[1..3]);
    }
}
