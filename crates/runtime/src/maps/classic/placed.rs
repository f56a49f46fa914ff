//! Whether the keys of a classic map lie where hashes put them.

use std::ops::ControlFlow;

use super::Classic;
use super::header::HASH_WRITING;
use super::lookup::top_hash;
use crate::maps::lines::byte;
use crate::maps::placed::{HashOf, Placement};
use crate::maps::{Damage, Entry, MapAt, MapShape, Reader, entries};

/// Bits of a hash in a mark.
const MARK_BITS: u32 = 8;

impl Classic {
    pub(super) fn placement(
        &self,
        reader: Reader<'_>,
        map: &MapAt,
        hash: HashOf<'_>,
    ) -> Result<Placement, Damage> {
        let h = self.header(reader.memory, map.addr)?;
        let writing = h.flags & HASH_WRITING != 0;
        let mut placement = Placement { writing, ..Placement::default() };
        if h.buckets.is_null() {
            return Ok(placement);
        }
        let slots = super::buckets::slots_of(map)?;
        let seed = h.hash0.into();
        self.blocks(reader, map, &mut |block| {
            let len = if block.old { h.old_len() } else { h.len() };
            let bits = |hash: u64, mark: u8| {
                let right = top_hash(hash) == mark && hash & (len - 1) == block.home;
                right.then(|| MARK_BITS + len.trailing_zeros())
            };
            for entry in entries(&block, &slots, reader.memory) {
                let key = |entry: Entry| {
                    let mark = byte(block.bytes, entry.slot.into());
                    (hash(entry.key, seed), mark)
                };
                match entry.map(key) {
                    Ok((hash, mark)) => placement.count(hash, |hash| bits(hash, mark)),
                    Err(fault) => placement.count(Err(fault.into()), |_| None),
                }
                if placement.is_decided() {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        Ok(placement)
    }
}
