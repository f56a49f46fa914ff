//! Memory that is written by the model and read by the reader.

use mapscope_target::{Addr, Fault, Memory, Why};

/// Where it begins: far from nil.
const BASE: u64 = 0xc0_0000_0000;
/// Nothing lies between two blocks, so that a read across their ends fails.
const GAP: u64 = 64;

#[derive(Default)]
pub(crate) struct Space {
    /// By address.
    blocks: Vec<(u64, Vec<u8>)>,
}

impl Space {
    /// A block of zeros.
    pub(crate) fn alloc(&mut self, size: u64) -> u64 {
        let end = self.blocks.last().map_or(BASE, |(at, bytes)| at + bytes.len() as u64);
        let at = (end + GAP).next_multiple_of(16);
        self.blocks.push((at, vec![0; size as usize]));
        at
    }

    fn place(&self, at: u64, len: usize) -> Option<(usize, usize)> {
        let block = self.blocks.partition_point(|(start, _)| *start <= at).checked_sub(1)?;
        let (start, bytes) = &self.blocks[block];
        let skip = (at - start) as usize;
        (skip + len <= bytes.len()).then_some((block, skip))
    }

    pub(crate) fn bytes(&self, at: u64, len: u64) -> &[u8] {
        let (block, skip) = self.place(at, len as usize).expect("the model reads what it wrote");
        &self.blocks[block].1[skip..skip + len as usize]
    }

    pub(crate) fn put(&mut self, at: u64, bytes: &[u8]) {
        let (block, skip) = self.place(at, bytes.len()).expect("the model writes what it has");
        self.blocks[block].1[skip..skip + bytes.len()].copy_from_slice(bytes);
    }

    pub(crate) fn clear(&mut self, at: u64, len: u64) {
        self.put(at, &vec![0; len as usize]);
    }

    pub(crate) fn word(&self, at: u64) -> u64 {
        u64::from_le_bytes(self.bytes(at, 8).try_into().expect("eight bytes"))
    }

    pub(crate) fn put_word(&mut self, at: u64, word: u64) {
        self.put(at, &word.to_le_bytes());
    }

    pub(crate) fn byte(&self, at: u64) -> u8 {
        self.bytes(at, 1)[0]
    }

    pub(crate) fn put_byte(&mut self, at: u64, byte: u8) {
        self.put(at, &[byte]);
    }
}

impl Memory for Space {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let (block, skip) = self.place(addr.0, buf.len()).ok_or(Fault::new(addr, Why::Unmapped))?;
        buf.copy_from_slice(&self.blocks[block].1[skip..skip + buf.len()]);
        Ok(())
    }
}
