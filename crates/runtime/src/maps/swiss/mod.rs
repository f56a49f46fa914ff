//! `internal/runtime/maps.Map`: groups of eight slots under control bytes, in tables under an
//! extendible directory.
//!
//! Go since 1.24 (internal/runtime/maps). Whether keys and elems stand side by side or in split
//! groups (1.27, `GOEXPERIMENT=mapsplitgroup`) is in [`SlotLayout`] and makes no difference here.

mod alone;
mod header;
mod lookup;
mod placed;
mod prove;
mod survey;
mod verify;
mod words;

use std::ops::{ControlFlow, Range};

use mapscope_target::{Addr, Fault, Memory, MemoryExt};

use super::lines;
use super::lookup::{Lookup, LookupError, Seek};
use super::placed::{HashOf, Placement};
use super::survey::{Array, Survey};
use super::{Block, Care, Damage, HeaderField, MapAt, MapShape, Reader, SLOTS, Visit, WriteMark};
use crate::evidence::{Missing, Source, SwissMap, SwissTable};
use crate::types::SlotLayout;
use crate::verify::{Outcome, Site};
pub(crate) use lookup::probe;

/// Control bytes: an entry's is below 0x80, its H2 (internal/runtime/maps/group.go).
const EMPTY: u8 = 0x80;
const DELETED: u8 = 0xfe;

/// The Swiss implementation, with its layouts in this target.
#[derive(Clone, Debug)]
pub struct Swiss {
    map: SwissMap,
    table: SwissTable,
}

impl Swiss {
    pub(super) fn load(source: &dyn Source) -> Result<Swiss, Missing> {
        Ok(Swiss { map: SwissMap::load(source)?, table: SwissTable::load(source)? })
    }
}

/// Which slots of a group hold an entry.
fn full(group: &[u8]) -> u8 {
    let live = |(i, ctrl): (usize, &u8)| u8::from(ctrl & 0x80 == 0) << i;
    group.iter().take(SLOTS).enumerate().map(live).sum()
}

fn slots_of(map: &MapAt) -> Result<SlotLayout, Damage> {
    let slots = map.slots.ok_or(Damage::Untyped)?;
    // Eight control bytes, keys and elems of at most 128 bytes each.
    let sane = (8..=8 + 8 * (2 * 128 + 16)).contains(&slots.block_size);
    Damage::unless(sane, map.addr, "the group size of its type is impossible")?;
    Ok(slots)
}

impl MapShape for Swiss {
    fn name(&self, slots: Option<&SlotLayout>) -> &'static str {
        if slots.is_some_and(|s| s.split) { "swiss-split" } else { "swiss" }
    }

    fn header_size(&self) -> u64 {
        self.map.size
    }

    fn has_chains(&self) -> bool {
        false
    }

    fn pointer_words(&self) -> u64 {
        1 << (self.map.dir_ptr / 8)
    }

    fn len(&self, memory: &dyn Memory, header: Addr) -> Result<u64, Fault> {
        memory.u64(Addr(header.0.wrapping_add(self.map.used)))
    }

    fn seed(&self, memory: &dyn Memory, header: Addr) -> Result<u64, Fault> {
        memory.u64(Addr(header.0.wrapping_add(self.map.seed)))
    }

    fn write_mark(&self, memory: &dyn Memory, header: Addr) -> Result<WriteMark, Fault> {
        let at = Addr(header.0.wrapping_add(self.map.writing));
        let writing = memory.u8(at)?;
        // `m.writing ^= 1` in internal/runtime/maps, at both ends of each write.
        Ok(WriteMark {
            set: writing != 0,
            at,
            bits: 1,
            what: "writing",
            manner: "toggled as a write begins and as it ends: after two at once it may read 0",
        })
    }

    fn survey(&self, reader: Reader<'_>, map: &MapAt, _: Care) -> Result<Survey, Damage> {
        self.survey_map(reader, map)
    }

    fn arrays(&self, reader: Reader<'_>, map: &MapAt) -> Result<Vec<Array>, Damage> {
        let h = self.header(reader.memory, map.addr)?;
        let block = map.slots.map_or(0, |s| s.block_size);
        let array = |what: &'static str, addr, count: u64, each: u64| {
            let in_heap = reader.heap.allocated(addr);
            let bytes = in_heap.unwrap_or(count.saturating_mul(each));
            let blocks = what.starts_with("group");
            Array { what, addr, bytes, count, blocks, on_stack: in_heap.is_none() }
        };
        if h.dir_ptr.is_null() {
            return Ok(Vec::new());
        }
        if h.dir_len == 0 {
            return Ok(vec![array("group", h.dir_ptr, 1, block)]);
        }
        self.check_directory(reader, &h)?;
        let mut arrays = vec![array("directory", h.dir_ptr, h.dir_len, 8)];
        self.tables(reader.memory, &h, |table| {
            arrays.push(array("table", table.addr, 1, self.table.size));
            arrays.push(array("groups", table.groups, table.group_count, block));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(arrays)
    }

    fn blocks(&self, reader: Reader<'_>, map: &MapAt, visit: Visit<'_>) -> Result<(), Damage> {
        let h = self.header(reader.memory, map.addr)?;
        if h.dir_ptr.is_null() {
            return Ok(());
        }
        let size = slots_of(map)?.block_size;
        let mut groups = |at: Addr, count: u64, home: u64| {
            lines::each(reader.memory, at, size, count, |step, bytes| {
                let addr = Addr(at.0.wrapping_add(step.wrapping_mul(size)));
                visit(Block { addr, bytes, full: full(bytes), home, step, old: false })
            })
            .map_err(Damage::from)
        };
        if h.dir_len == 0 {
            return groups(h.dir_ptr, 1, 0).map(|_| ());
        }
        self.check_directory(reader, &h)?;
        self.tables(reader.memory, &h, |t| groups(t.groups, t.group_count, t.number))
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
