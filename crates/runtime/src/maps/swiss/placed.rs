//! Whether the keys of a Swiss map lie where hashes put them.

use std::ops::ControlFlow;

use mapscope_target::{Addr, MemoryExt};

use super::header::{Header, Table};
use super::lookup::{H2_BITS, directory_index, probe};
use super::{EMPTY, Swiss, full, slots_of};
use crate::maps::lines::{self, byte};
use crate::maps::placed::{HashOf, Placement};
use crate::maps::{Block, Damage, MapAt, Reader, SLOTS, entries};
use crate::types::SlotLayout;

/// The groups that are compared with hashes: a table's, or the one of a small map.
struct Groups<'p> {
    reader: Reader<'p>,
    slots: &'p SlotLayout,
    h: &'p Header,
    /// `None` in a small map.
    table: Option<&'p Table>,
}

impl Swiss {
    pub(super) fn placement(
        &self,
        reader: Reader<'_>,
        map: &MapAt,
        hash: HashOf<'_>,
    ) -> Result<Placement, Damage> {
        let h = self.header(reader.memory, map.addr)?;
        let mut placement = Placement { writing: h.writing != 0, ..Placement::default() };
        if h.dir_ptr.is_null() {
            return Ok(placement);
        }
        let slots = slots_of(map)?;
        if h.dir_len == 0 {
            let groups = Groups { reader, slots: &slots, h: &h, table: None };
            let _ = groups.compare(h.dir_ptr, 1, hash, &mut placement)?;
            return Ok(placement);
        }
        self.check_directory(reader, &h)?;
        self.tables(reader.memory, &h, |table| {
            let groups = Groups { reader, slots: &slots, h: &h, table: Some(&table) };
            groups.compare(table.groups, table.group_count, hash, &mut placement)
        })?;
        Ok(placement)
    }
}

impl Groups<'_> {
    fn compare(
        &self,
        at: Addr,
        count: u64,
        hash: HashOf<'_>,
        placement: &mut Placement,
    ) -> Result<ControlFlow<()>, Damage> {
        let (size, memory) = (self.slots.block_size, self.reader.memory);
        Ok(lines::each(memory, at, size, count, |step, bytes| {
            let addr = Addr(at.0.wrapping_add(step.wrapping_mul(size)));
            let block = Block { addr, bytes, full: full(bytes), home: 0, step, old: false };
            for entry in entries(&block, self.slots, memory) {
                let key = |entry: crate::maps::Entry| {
                    let ctrl = byte(bytes, entry.slot.into());
                    (hash(entry.key, self.h.seed), ctrl)
                };
                match entry.map(key) {
                    Ok((hash, ctrl)) => placement.count(hash, |hash| self.bits(step, ctrl, hash)),
                    Err(fault) => placement.count(Err(fault.into()), |_| None),
                }
                if placement.is_decided() {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?)
    }

    /// How many bits of `hash` say that a key in group `group` under this control byte lies right;
    /// `None` where a lookup would not find it there.
    fn bits(&self, group: u64, ctrl: u8, hash: u64) -> Option<u32> {
        if ctrl != hash as u8 & 0x7f {
            return None;
        }
        let Some(table) = self.table else { return Some(H2_BITS) };
        let depth = u32::from(table.depth.min(self.h.depth));
        let run = 1u64 << (u32::from(self.h.depth) - depth);
        let index = directory_index(self.h, hash);
        if !(table.index..table.index.saturating_add(run)).contains(&index) {
            return None;
        }
        let bits = H2_BITS + depth;
        match (hash >> H2_BITS) & table.group_count.wrapping_sub(1) == group {
            true => Some(bits + table.group_count.trailing_zeros()),
            false => self.is_probed(table, group, hash).then_some(bits),
        }
    }

    /// Whether the probe of `hash` comes to `group`: no group before it has an empty slot.
    fn is_probed(&self, table: &Table, group: u64, hash: u64) -> bool {
        let mut before = probe(hash, table.group_count).take_while(|other| *other != group);
        before.all(|other| {
            let at = table.groups.index(other, self.slots.block_size);
            let ctrls = at.map(|at| self.reader.memory.array::<SLOTS>(at));
            matches!(ctrls, Some(Ok(ctrls)) if !ctrls.contains(&EMPTY))
        })
    }
}
