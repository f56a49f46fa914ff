//! `runtime.hmap`: buckets of eight entries with overflow chains, grown a bucket at a time.
//!
//! Go until 1.23, and 1.24 and 1.25 with `GOEXPERIMENT=noswissmap` (runtime/map.go,
//! runtime/map_noswiss.go). The layout and the meaning of every mark are the same in all of them.

mod alone;
mod buckets;
mod header;
mod lookup;
mod placed;
mod prove;
mod survey;
mod verify;
mod words;

use std::ops::Range;

use mapscope_target::{Addr, Fault, Memory, MemoryExt};

use super::lookup::{Lookup, LookupError, Seek};
use super::placed::{HashOf, Placement};
use super::survey::{Array, Survey};
use super::{Care, Damage, HeaderField, MapAt, MapShape, Reader, Visit, WriteMark};
use crate::evidence::{Hmap, MapExtra, Missing, Source};
use crate::types::SlotLayout;
use crate::verify::{Outcome, Site};
use buckets::slots_of;

/// The classic implementation, with its layouts in this target.
#[derive(Clone, Debug)]
pub struct Classic {
    hmap: Hmap,
    extra: MapExtra,
}

impl Classic {
    pub(super) fn load(source: &dyn Source) -> Result<Classic, Missing> {
        Ok(Classic { hmap: Hmap::load(source)?, extra: MapExtra::load(source)? })
    }
}

impl MapShape for Classic {
    fn name(&self, _: Option<&SlotLayout>) -> &'static str {
        "classic"
    }

    fn header_size(&self) -> u64 {
        self.hmap.size
    }

    fn has_chains(&self) -> bool {
        true
    }

    fn pointer_words(&self) -> u64 {
        let members = [self.hmap.buckets, self.hmap.oldbuckets, self.hmap.extra];
        members.iter().map(|offset| 1 << (offset / 8)).sum()
    }

    fn len(&self, memory: &dyn Memory, header: Addr) -> Result<u64, Fault> {
        memory.u64(Addr(header.0.wrapping_add(self.hmap.count)))
    }

    fn seed(&self, memory: &dyn Memory, header: Addr) -> Result<u64, Fault> {
        memory.u32(Addr(header.0.wrapping_add(self.hmap.hash0))).map(u64::from)
    }

    fn write_mark(&self, memory: &dyn Memory, header: Addr) -> Result<WriteMark, Fault> {
        let at = Addr(header.0.wrapping_add(self.hmap.flags));
        let flags = memory.u8(at)?;
        // `h.flags ^= hashWriting` and `h.flags &^= hashWriting` in runtime/map.go.
        Ok(WriteMark {
            set: flags & header::HASH_WRITING != 0,
            at,
            bits: header::HASH_WRITING,
            what: "flags, bit hashWriting (4)",
            manner: "toggled as a write begins, cleared as it ends: after two at once it may read 0",
        })
    }

    fn survey(&self, reader: Reader<'_>, map: &MapAt, care: Care) -> Result<Survey, Damage> {
        self.survey_of(reader, map, care)
    }

    fn arrays(&self, reader: Reader<'_>, map: &MapAt) -> Result<Vec<Array>, Damage> {
        let h = self.header(reader.memory, map.addr)?;
        let slots = slots_of(map)?;
        let mut arrays = Vec::new();
        for (what, addr, count) in [
            ("buckets", h.buckets, h.len() + h.spare()),
            ("oldbuckets", h.oldbuckets, h.old_len() + h.old_spare()),
        ] {
            if !addr.is_null() {
                let in_heap = reader.heap.allocated(addr);
                let bytes = in_heap.unwrap_or(count.saturating_mul(slots.block_size));
                let on_stack = in_heap.is_none();
                arrays.push(Array { what, addr, bytes, count, blocks: true, on_stack });
            }
        }
        Ok(arrays)
    }

    fn blocks(&self, reader: Reader<'_>, map: &MapAt, visit: Visit<'_>) -> Result<(), Damage> {
        let h = self.header(reader.memory, map.addr)?;
        if h.buckets.is_null() {
            return Ok(());
        }
        let slots = slots_of(map)?;
        self.check_array(reader, h.buckets, h.len(), slots.block_size)?;
        let flow = self.walk_array(reader.memory, &slots, (h.buckets, h.len(), false), visit)?;
        if flow.is_break() || h.oldbuckets.is_null() {
            return Ok(());
        }
        self.check_array(reader, h.oldbuckets, h.old_len(), slots.block_size)?;
        let _ = self.walk_array(reader.memory, &slots, (h.oldbuckets, h.old_len(), true), visit)?;
        Ok(())
    }

    fn lookup(
        &self,
        reader: Reader<'_>,
        map: &MapAt,
        key: &dyn Seek,
    ) -> Result<Lookup, LookupError> {
        self.find(reader, map, key)
    }

    fn place(
        &self,
        reader: Reader<'_>,
        map: &MapAt,
        hash: HashOf<'_>,
    ) -> Result<Placement, Damage> {
        self.placement(reader, map, hash)
    }

    fn verify(&self, site: &Site<'_>, outcome: &mut Outcome) {
        self.verify_map(site, outcome);
    }

    fn explain(&self, reader: Reader<'_>, map: &MapAt) -> Result<Vec<HeaderField>, Damage> {
        self.explain_header(reader, map)
    }

    fn prove(
        &self,
        reader: Reader<'_>,
        header: &[u8],
        at: Addr,
        stack: Option<&Range<Addr>>,
    ) -> Result<Option<Addr>, Damage> {
        self.prove_header(reader, header, at, stack)
    }

    fn stands_alone(&self, reader: Reader<'_>, at: Addr) -> Result<bool, Damage> {
        self.is_alone(reader, at)
    }
}
