//! `internal/runtime/maps.Map`: groups of eight slots under control bytes, in tables under an
//! extendible directory.
//!
//! Go since 1.24 (internal/runtime/maps). Whether keys and elems stand side by side or in split
//! groups (1.27, `GOEXPERIMENT=mapsplitgroup`) is in [`SlotLayout`] and makes no difference here.

mod lookup;
mod placed;
mod verify;

use std::ops::{ControlFlow, Range};

use mapscope_target::{Addr, Fault, Memory, MemoryExt};
use rustc_hash::FxHashSet;

use super::lines::{self, byte, word};
use super::lookup::{Lookup, LookupError, Seek};
use super::placed::{HashOf, Placement};
use super::survey::{Array, State, Survey};
use super::{Block, Care, Damage, HeaderField, MapAt, MapShape, Reader, SLOTS, Visit, WriteMark};
use crate::evidence::{Missing, Source, SwissMap, SwissTable};
use crate::types::SlotLayout;
use crate::verify::{Outcome, Site};
pub(crate) use lookup::probe;

/// Control bytes: an entry's is below 0x80, its H2 (internal/runtime/maps/group.go).
const EMPTY: u8 = 0x80;
const DELETED: u8 = 0xfe;

/// `maxTableCapacity` (internal/runtime/maps/table.go).
const MAX_TABLE: u64 = 1024;
/// Deeper directories than memory can hold.
const MAX_DEPTH: u8 = 40;

/// The Swiss implementation, with its layouts in this target.
#[derive(Clone, Debug)]
pub struct Swiss {
    map: SwissMap,
    table: SwissTable,
}

/// A header, read.
#[derive(Clone, Copy, Debug)]
struct Header {
    used: u64,
    seed: u64,
    dir_ptr: Addr,
    dir_len: u64,
    depth: u8,
    shift: u8,
    writing: u8,
    tombstone_possible: Option<u8>,
    clear_seq: u64,
}

/// One table, read.
#[derive(Clone, Copy, Debug)]
struct Table {
    addr: Addr,
    number: u64,
    used: u64,
    capacity: u64,
    growth_left: u64,
    groups: Addr,
    group_count: u64,
    depth: u8,
    index: u64,
}

impl Table {
    /// `capacity*7/8 - used - growthLeft`: exact in every state a map can be seen in.
    fn tombstones(&self) -> u64 {
        (self.capacity / 8 * 7).saturating_sub(self.used).saturating_sub(self.growth_left)
    }
}

impl Swiss {
    pub(super) fn load(source: &dyn Source) -> Result<Swiss, Missing> {
        Ok(Swiss { map: SwissMap::load(source)?, table: SwissTable::load(source)? })
    }

    fn header(&self, memory: &dyn Memory, at: Addr) -> Result<Header, Damage> {
        self.parse(&lines::header(memory, at, self.map.size)?, at)
    }

    /// A header as it lies in memory, whatever it says.
    fn raw(&self, bytes: &[u8]) -> Header {
        let l = &self.map;
        Header {
            used: word(bytes, l.used),
            seed: word(bytes, l.seed),
            dir_ptr: Addr(word(bytes, l.dir_ptr)),
            dir_len: word(bytes, l.dir_len),
            depth: byte(bytes, l.global_depth),
            shift: byte(bytes, l.global_shift),
            writing: byte(bytes, l.writing),
            tombstone_possible: l.tombstone_possible.map(|offset| byte(bytes, offset)),
            clear_seq: word(bytes, l.clear_seq),
        }
    }

    fn parse(&self, bytes: &[u8], at: Addr) -> Result<Header, Damage> {
        let header = self.raw(bytes);
        let depth = header.depth <= MAX_DEPTH;
        Damage::unless(depth, at, "globalDepth is larger than memory")?;
        let lens = header.dir_len == 0 || header.dir_len == 1 << header.depth;
        Damage::unless(lens, at, "dirLen is not 2^globalDepth")?;
        Ok(header)
    }

    fn table(&self, memory: &dyn Memory, addr: Addr, number: u64) -> Result<Table, Damage> {
        let l = &self.table;
        let bytes = lines::header(memory, addr, l.size)?;
        let half = |offset| word(&bytes, offset) & 0xffff;
        let table = Table {
            addr,
            number,
            used: half(l.used),
            capacity: half(l.capacity),
            growth_left: half(l.growth_left),
            groups: Addr(word(&bytes, l.groups_data)),
            group_count: word(&bytes, l.groups_length_mask).wrapping_add(1),
            depth: byte(&bytes, l.local_depth),
            index: word(&bytes, l.index),
        };
        let cap = table.capacity;
        let sane = cap.is_power_of_two() && (SLOTS as u64..=MAX_TABLE).contains(&cap);
        Damage::unless(sane, addr, "a table's capacity is no power of two from 8 to 1024")?;
        let groups = table.group_count == cap / SLOTS as u64;
        Damage::unless(groups, addr, "a table's lengthMask does not fit its capacity")?;
        Ok(table)
    }

    /// Every distinct table: one may fill several neighbouring entries of the directory.
    fn tables(
        &self,
        memory: &dyn Memory,
        h: &Header,
        mut visit: impl FnMut(Table) -> Result<ControlFlow<()>, Damage>,
    ) -> Result<(), Damage> {
        let (mut last, mut number) = (Addr::NULL, 0);
        let mut outcome = Ok(ControlFlow::Continue(()));
        let mut seen = FxHashSet::default();
        let _ = lines::each(memory, h.dir_ptr, 8, h.dir_len, |_, entry| {
            let addr = Addr(word(entry, 0));
            if addr == last {
                return ControlFlow::Continue(());
            }
            last = addr;
            // Of the entries of one table none lies apart from the others.
            outcome = Damage::unless(
                h.dir_len == 1 || seen.insert(addr),
                addr,
                "a table stands at two places of the directory",
            )
            .and_then(|()| self.table(memory, addr, number))
            .and_then(&mut visit);
            number += 1;
            match outcome {
                Ok(flow) => flow,
                Err(_) => ControlFlow::Break(()),
            }
        })?;
        outcome.map(|_| ())
    }

    fn check_directory(&self, reader: Reader<'_>, h: &Header) -> Result<(), Damage> {
        let Some(bytes) = reader.heap.allocated(h.dir_ptr) else { return Ok(()) };
        let fits = h.dir_len.saturating_mul(8) <= bytes;
        Damage::unless(fits, h.dir_ptr, "the directory is shorter than dirLen says")
    }

    fn survey_small(&self, reader: Reader<'_>, h: &Header, slots: Option<&SlotLayout>) -> Survey {
        let header = reader.heap.rounded(self.map.size, true);
        let state = if h.writing != 0 { State::Writing } else { State::Steady };
        if h.dir_ptr.is_null() {
            let state = if h.writing != 0 { State::Writing } else { State::Lazy };
            return Survey { len: h.used, bytes: header, room: 8, state, ..Survey::default() };
        }
        let group = reader.heap.allocated(h.dir_ptr).or(slots.map(|s| s.block_size)).unwrap_or(0);
        Survey {
            len: h.used,
            capacity: SLOTS as u64,
            bytes: header + group,
            room: (SLOTS as u64).saturating_sub(h.used),
            state,
            ..Survey::default()
        }
    }

    fn survey_full(
        &self,
        reader: Reader<'_>,
        h: &Header,
        slots: Option<&SlotLayout>,
    ) -> Result<Survey, Damage> {
        self.check_directory(reader, h)?;
        let heap = reader.heap;
        let directory = heap.allocated(h.dir_ptr).unwrap_or(h.dir_len * 8);
        let mut survey = Survey {
            len: h.used,
            bytes: heap.rounded(self.map.size, true) + directory,
            ..Survey::default()
        };
        let each = heap.rounded(self.table.size, true);
        self.tables(reader.memory, h, |table| {
            survey.tables += 1;
            survey.capacity += table.capacity;
            survey.room += table.growth_left;
            survey.tombstones += table.tombstones();
            let groups = match (heap.allocated(table.groups), slots) {
                (Some(bytes), _) => bytes,
                (None, Some(slots)) => table.group_count.saturating_mul(slots.block_size),
                (None, None) => {
                    survey.estimated = true;
                    0
                }
            };
            // There may be as many tables as a directory has entries.
            survey.bytes = survey.bytes.saturating_add(each).saturating_add(groups);
            survey.estimated |= heap.is_unknown(table.groups);
            Ok(ControlFlow::Continue(()))
        })?;
        survey.state = match () {
            () if h.writing != 0 => State::Writing,
            () if survey.tombstones > 0 => State::Tombstones,
            () => State::Steady,
        };
        Ok(survey)
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
        let writing = memory.u8(Addr(header.0.wrapping_add(self.map.writing)))?;
        // `m.writing ^= 1` in internal/runtime/maps, at both ends of each write.
        Ok(WriteMark {
            set: writing != 0,
            what: "writing",
            manner: "toggled as a write begins and as it ends: after two at once it may read 0",
        })
    }

    fn survey(&self, reader: Reader<'_>, map: &MapAt, _: Care) -> Result<Survey, Damage> {
        let h = self.header(reader.memory, map.addr)?;
        let mut survey = match h.dir_len {
            0 => self.survey_small(reader, &h, map.slots.as_ref()),
            _ => self.survey_full(reader, &h, map.slots.as_ref())?,
        };
        if let Some(slots) = &map.slots {
            let slot =
                if slots.split { slots.key_stride + slots.elem_stride } else { slots.key_stride };
            let live = survey.len.saturating_mul(slot.saturating_add(1));
            let header = reader.heap.rounded(self.map.size, true);
            survey.wasted = survey.bytes.saturating_sub(live.saturating_add(header));
        } else {
            survey.estimated = true;
        }
        survey.estimated |= reader.heap.is_unknown(h.dir_ptr);
        Ok(survey)
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
        let h = self.header(reader.memory, map.addr)?;
        let l = &self.map;
        let field = |name, offset, value: String, meaning: String| HeaderField {
            name,
            offset,
            value,
            meaning,
        };
        let mut fields = vec![
            field("used", l.used, h.used.to_string(), "live entries: what len returns".into()),
            field("seed", l.seed, format!("{:#x}", h.seed), "seed of the hash".into()),
            field("dirPtr", l.dir_ptr, h.dir_ptr.to_string(), dir_words(&h)),
            field("dirLen", l.dir_len, h.dir_len.to_string(), dir_len_words(&h)),
            field("globalDepth", l.global_depth, h.depth.to_string(), depth_words(&h)),
            field("globalShift", l.global_shift, h.shift.to_string(), shift_words(&h)),
            field("writing", l.writing, h.writing.to_string(), writing_words(&h)),
        ];
        if let (Some(offset), Some(possible)) = (l.tombstone_possible, h.tombstone_possible) {
            let meaning = match possible {
                0 => "no delete has left a tombstone since the last rehash",
                _ => "a delete may have left a tombstone",
            };
            fields.push(field("tombstonePossible", offset, possible.to_string(), meaning.into()));
        }
        let cleared = format!("cleared {} times", h.clear_seq);
        fields.push(field("clearSeq", l.clear_seq, h.clear_seq.to_string(), cleared));
        Ok(fields)
    }

    fn prove(
        &self,
        reader: Reader<'_>,
        header: &[u8],
        at: Addr,
        stack: Option<&Range<Addr>>,
    ) -> Result<Option<Addr>, Damage> {
        let h = self.parse(header, at)?;
        Damage::unless(h.writing <= 1, at, "writing is neither 0 nor 1")?;
        Damage::unless(h.tombstone_possible.unwrap_or(0) <= 1, at, "a flag is neither 0 nor 1")?;
        Damage::unless(h.seed != 0, at, "the hash has no seed")?;
        if h.dir_len == 0 {
            return self.prove_small(reader, &h, at, stack);
        }
        let shift = h.shift == 64 - h.depth;
        Damage::unless(shift, at, "globalShift is not 64 - globalDepth")?;
        let directory = reader.heap.object(h.dir_ptr).filter(|o| o.in_use);
        let fits = directory.is_some_and(|o| o.size >= h.dir_len.saturating_mul(8));
        Damage::unless(fits, at, "the directory is no heap object, or too short")?;
        let (mut used, mut first) = (0u64, None);
        self.tables(reader.memory, &h, |table| {
            let cap = table.capacity;
            let full = table.used + table.growth_left <= cap;
            Damage::unless(full, table.addr, "a table is fuller than its capacity")?;
            used += table.used;
            first.get_or_insert(table.groups);
            Ok(ControlFlow::Continue(()))
        })?;
        Damage::unless(used == h.used || h.writing != 0, at, "used is not the sum of its tables'")?;
        Ok(first)
    }
}

impl Swiss {
    fn prove_small(
        &self,
        reader: Reader<'_>,
        h: &Header,
        at: Addr,
        stack: Option<&Range<Addr>>,
    ) -> Result<Option<Addr>, Damage> {
        Damage::unless(h.used <= SLOTS as u64, at, "more than 8 entries in a small map")?;
        // `NewEmptyMap` leaves depth and shift alone; a map that shrank never returns to small.
        let shift = h.depth == 0 && (h.shift == 0 || h.shift == 64);
        Damage::unless(shift, at, "a small map with a depth")?;
        if h.dir_ptr.is_null() {
            Damage::unless(h.used == 0, at, "entries, but no group")?;
            return Ok(None);
        }
        let in_heap = || reader.heap.object(h.dir_ptr).is_some_and(|o| o.in_use);
        let somewhere = stack.is_some_and(|s| s.contains(&h.dir_ptr)) || in_heap();
        Damage::unless(somewhere, at, "the group is no heap object")?;
        let ctrls = reader.memory.array::<SLOTS>(h.dir_ptr)?;
        let legal = ctrls.iter().all(|c| c & 0x80 == 0 || *c == EMPTY || *c == DELETED);
        Damage::unless(legal, at, "the group has impossible control bytes")?;
        let count = u64::from(full(&ctrls).count_ones());
        Damage::unless(count == h.used || h.writing != 0, at, "used is not what the group holds")?;
        Ok(Some(h.dir_ptr))
    }
}

fn dir_words(h: &Header) -> String {
    match (h.dir_ptr.is_null(), h.dir_len) {
        (true, _) => "nothing yet: the group is made at the first insert".into(),
        (_, 0) => "the one group of a small map, though declared **table".into(),
        (_, len) => format!("directory of {len} tables"),
    }
}

fn dir_len_words(h: &Header) -> String {
    match h.dir_len {
        0 => "0: a small map, no directory".into(),
        len => format!("{len} = 2^{} directory entries; one table may fill several", h.depth),
    }
}

fn depth_words(h: &Header) -> String {
    format!("the top {} bits of a hash choose the table", h.depth)
}

fn shift_words(h: &Header) -> String {
    match h.dir_len {
        0 => "not used by a small map".into(),
        _ => format!("a hash is shifted right by {} to index the directory", h.shift),
    }
}

fn writing_words(h: &Header) -> String {
    match h.writing {
        0 => "no writer has its mark set (it is toggled: two writers can leave 0)".into(),
        _ => "a goroutine is writing, or died writing".into(),
    }
}
