//! A piece of a real process: some bytes of its memory, and where its structures are.

use std::cell::Cell;
use std::collections::BTreeMap;

use mapscope_target::{Addr, Fault, Memory, Why};

use crate::facts::{Facts, Layouts};

/// Reads that one input may make: far more than any honest reading of a seed needs, which is
/// some thousands.
const READS: u64 = 4 << 20;

/// A piece of a process.
pub struct Fixture {
    /// Where its structures are.
    pub facts: Facts,
    /// How they are laid out.
    pub layouts: Layouts,
    ranges: Vec<Range>,
    bytes: Vec<u8>,
}

/// First address and place among all bytes of what is in one piece, and its length.
type Range = (u64, usize, usize);

/// Memory that has gaps.
pub struct Sparse {
    /// By address.
    ranges: Vec<Range>,
    bytes: Vec<u8>,
    /// Whether it lends what it has.
    pub lends: bool,
    reads: Cell<u64>,
}

impl Fixture {
    /// From the bytes that were read, by their address.
    pub fn new(facts: Facts, read: BTreeMap<u64, u8>) -> Fixture {
        let (_, layouts) = Facts::of_text(&facts.to_text());
        let mut memory = Sparse::empty();
        for (addr, byte) in read {
            memory.push(addr, byte);
        }
        let Sparse { ranges, bytes, .. } = memory;
        Fixture { facts, layouts, ranges, bytes }
    }

    /// As it is kept in a file: the facts with their length before them, then for each range its
    /// address, its length and its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let text = self.facts.to_text();
        let mut out = (text.len() as u32).to_le_bytes().to_vec();
        out.extend(text.as_bytes());
        for &(addr, at, len) in &self.ranges {
            out.extend(addr.to_le_bytes());
            out.extend((len as u32).to_le_bytes());
            out.extend(&self.bytes[at..at + len]);
        }
        out
    }

    /// The reverse of it.
    ///
    /// # Panics
    ///
    /// The file is none of ours.
    pub fn of_bytes(bytes: &[u8]) -> Fixture {
        let (len, rest) = bytes.split_first_chunk().expect("a seed");
        let (text, mut rest) = rest.split_at(u32::from_le_bytes(*len) as usize);
        let (facts, layouts) = Facts::of_text(std::str::from_utf8(text).expect("text"));
        let (mut ranges, mut all) = (Vec::new(), Vec::new());
        while let Some((addr, tail)) = rest.split_first_chunk() {
            let (len, tail) = tail.split_first_chunk().expect("a length");
            let (bytes, tail) = tail.split_at(u32::from_le_bytes(*len) as usize);
            ranges.push((u64::from_le_bytes(*addr), all.len(), bytes.len()));
            all.extend(bytes);
            rest = tail;
        }
        Fixture { facts, layouts, ranges, bytes: all }
    }

    /// A copy of its memory, to be changed.
    pub fn memory(&self) -> Sparse {
        Sparse { ranges: self.ranges.clone(), bytes: self.bytes.clone(), ..Sparse::empty() }
    }
}

impl Sparse {
    fn empty() -> Sparse {
        Sparse { ranges: Vec::new(), bytes: Vec::new(), lends: false, reads: Cell::new(0) }
    }

    fn push(&mut self, addr: u64, byte: u8) {
        match self.ranges.last_mut() {
            Some((start, _, len)) if *start + *len as u64 == addr => *len += 1,
            _ => self.ranges.push((addr, self.bytes.len(), 1)),
        }
        self.bytes.push(byte);
    }

    /// Every byte there is, in the order of memory.
    pub fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The address of the byte at `place` of [`Sparse::bytes`].
    pub fn addr_of(&self, place: usize) -> Addr {
        let after = self.ranges.partition_point(|range| range.1 <= place);
        let (addr, at, _) = self.ranges[after.saturating_sub(1)];
        Addr(addr + (place - at) as u64)
    }

    /// Memory of one range.
    pub fn of(addr: Addr, bytes: Vec<u8>) -> Sparse {
        Sparse { ranges: vec![(addr.0, 0, bytes.len())], bytes, ..Sparse::empty() }
    }

    fn find(&self, addr: Addr, len: usize) -> Result<&[u8], Fault> {
        let fault = |why| Fault::new(addr, why);
        self.reads.set(self.reads.get() + 1);
        assert!(self.reads.get() < READS, "more reads than any map needs");
        let after = self.ranges.partition_point(|range| range.0 <= addr.0);
        let range = after.checked_sub(1).and_then(|i| self.ranges.get(i));
        let (start, at, size) = *range.ok_or(fault(Why::Unmapped))?;
        let skip = (addr.0 - start) as usize;
        let end = skip.checked_add(len).filter(|end| *end <= size);
        let end = end.ok_or(fault(Why::Unmapped))?;
        Ok(&self.bytes[at + skip..at + end])
    }
}

impl Memory for Sparse {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        buf.copy_from_slice(self.find(addr, buf.len())?);
        Ok(())
    }

    fn borrow(&self, addr: Addr, len: usize) -> Option<&[u8]> {
        self.find(addr, len).ok().filter(|_| self.lends)
    }
}
