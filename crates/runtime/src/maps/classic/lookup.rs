//! A key looked up in a classic map: `mapaccess1` in runtime/map.go.

use std::ops::ControlFlow;

use mapscope_target::Addr;

use super::Classic;
use super::buckets::{MAX_OVERFLOW, MIN_TOP_HASH, slots_of};
use super::header::Header;
use crate::maps::lookup::{Look, Lookup, LookupError, Seek, Verdict};
use crate::maps::{Block, Damage, Entry, MapAt, Reader, SLOTS, entries};
use crate::types::SlotLayout;

/// Marks of `tophash` that are no entry's: runtime/map.go.
const EMPTY_REST: u8 = 0;
const EMPTY_ONE: u8 = 1;

/// The mark of an entry with this hash: its top byte, above the marks that are none.
pub(super) fn top_hash(hash: u64) -> u8 {
    let top = (hash >> 56) as u8;
    if top < MIN_TOP_HASH { top + MIN_TOP_HASH } else { top }
}

impl Classic {
    pub(super) fn find(
        &self,
        reader: Reader<'_>,
        map: &MapAt,
        key: &dyn Seek,
    ) -> Result<Lookup, LookupError> {
        let h = self.header(reader.memory, map.addr)?;
        let mut lookup = Lookup { seed: h.hash0.into(), ..Lookup::default() };
        lookup.hash = key.hash(lookup.seed)?;
        if h.count == 0 || h.buckets.is_null() {
            lookup.ended = "the map is empty: nothing is looked at";
            return Ok(lookup);
        }
        let slots = slots_of(map)?;
        lookup.fact(("tophash", "tophash"), top_hash(lookup.hash).into(), "the mark to look for");
        let bucket = lookup.hash & (h.len() - 1);
        lookup.fact(("bucket", "bucket"), bucket, "the low bits of the hash");
        let search = Search { reader, slots, key };
        let (array, number, old) = self.where_to(reader, &h, &slots, &mut lookup)?;
        let rule = "the bucket array leaves the address space";
        let at = array.index(number, slots.block_size);
        let at = at.ok_or(Damage::Broken { at: array, rule })?;
        search.chain(self, at, number, old, &mut lookup)?;
        Ok(lookup)
    }

    /// The array and the bucket in it where the runtime looks: the old one, as long as the bucket
    /// there is not evacuated.
    fn where_to(
        &self,
        reader: Reader<'_>,
        h: &Header,
        slots: &SlotLayout,
        lookup: &mut Lookup,
    ) -> Result<(Addr, u64, bool), LookupError> {
        let bucket = lookup.hash & (h.len() - 1);
        if h.oldbuckets.is_null() {
            return Ok((h.buckets, bucket, false));
        }
        let old = lookup.hash & (h.old_len() - 1);
        lookup.fact(
            ("old_bucket", "old bucket"),
            old,
            "the same in the array that is being evacuated",
        );
        let rule = "the old bucket array leaves the address space";
        let at = h.oldbuckets.index(old, slots.block_size);
        let at = at.ok_or(Damage::Broken { at: h.oldbuckets, rule })?;
        let mut first = [0; SLOTS];
        reader.memory.read(at, &mut first).map_err(Damage::from)?;
        let evacuated = super::buckets::is_evacuated(&first);
        let meaning = "whether that bucket is evacuated already: then the new one is looked at";
        lookup.fact(("old_evacuated", "old evacuated"), evacuated.into(), meaning);
        Ok(if evacuated { (h.buckets, bucket, false) } else { (h.oldbuckets, old, true) })
    }
}

struct Search<'s> {
    reader: Reader<'s>,
    slots: SlotLayout,
    key: &'s dyn Seek,
}

impl Search<'_> {
    fn chain(
        &self,
        shape: &Classic,
        at: Addr,
        number: u64,
        old: bool,
        lookup: &mut Lookup,
    ) -> Result<(), LookupError> {
        let size = self.slots.block_size as usize;
        let mut bytes = vec![0; size];
        self.reader.memory.read(at, &mut bytes).map_err(Damage::from)?;
        let first = Block { addr: at, bytes: &bytes, full: 0, home: number, step: 0, old };
        let mut outcome = Ok(false);
        lookup.ended = "the chain ends";
        let mut left = MAX_OVERFLOW;
        let walked = shape.chain(self.reader.memory, &self.slots, first, &mut left, &mut |block| {
            outcome = self.bucket(&block, lookup);
            match outcome {
                Ok(false) => ControlFlow::Continue(()),
                _ => ControlFlow::Break(()),
            }
        });
        outcome?;
        let _ = walked?;
        Ok(())
    }

    /// Whether the search ends in this bucket.
    fn bucket(&self, block: &Block<'_>, lookup: &mut Lookup) -> Result<bool, LookupError> {
        let what = match (block.step, block.old) {
            (0, false) => "bucket",
            (0, true) => "old bucket",
            (_, false) => "overflow bucket",
            (_, true) => "old overflow bucket",
        };
        let top = top_hash(lookup.hash);
        for (slot, mark) in block.bytes.iter().copied().take(SLOTS).enumerate() {
            let mut found = None;
            let verdict = match mark {
                EMPTY_REST => Verdict::End,
                EMPTY_ONE => Verdict::Empty,
                mark if mark != top => Verdict::OtherHash,
                _ => {
                    let entry = self.entry(block, slot)?;
                    found = self.key.is(entry.key)?.then_some(entry);
                    if found.is_some() { Verdict::Found } else { Verdict::OtherKey }
                }
            };
            let (number, slot) = (block.home, slot as u8);
            lookup.look(Look { what, number, block: block.addr, slot, mark, verdict });
            if found.is_some() {
                (lookup.found, lookup.ended) = (found, "found");
                return Ok(true);
            }
            if verdict == Verdict::End {
                lookup.ended = "a slot whose mark says that nothing follows";
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn entry(&self, block: &Block<'_>, slot: usize) -> Result<Entry, LookupError> {
        let one = Block { full: 1 << slot, ..*block };
        let entry = entries(&one, &self.slots, self.reader.memory).next();
        let rule = "a slot that is none";
        Ok(entry.ok_or(Damage::Broken { at: block.addr, rule })?.map_err(Damage::from)?)
    }
}
