//! `maps.Map` and `maps.table` themselves.

use std::ops::ControlFlow;

use mapscope_target::{Addr, Memory};
use rustc_hash::FxHashSet;

use super::Swiss;
use crate::maps::lines::{self, byte, word};
use crate::maps::{Damage, SLOTS};

/// `maxTableCapacity` (internal/runtime/maps/table.go).
pub(super) const MAX_TABLE: u64 = 1024;
/// Deeper directories than memory can hold.
pub(super) const MAX_DEPTH: u8 = 40;

/// A header, read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) used: u64,
    pub(super) seed: u64,
    pub(super) dir_ptr: Addr,
    pub(super) dir_len: u64,
    pub(super) depth: u8,
    pub(super) shift: u8,
    pub(super) writing: u8,
    pub(super) tombstone_possible: Option<u8>,
    pub(super) clear_seq: u64,
}

/// One table, read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub(super) addr: Addr,
    pub(super) number: u64,
    pub(super) used: u64,
    pub(super) capacity: u64,
    pub(super) growth_left: u64,
    pub(super) groups: Addr,
    pub(super) group_count: u64,
    pub(super) depth: u8,
    pub(super) index: u64,
}

impl Table {
    /// `capacity*7/8 - used - growthLeft`: exact in every state a map can be seen in.
    pub(super) fn tombstones(&self) -> u64 {
        (self.capacity / 8 * 7).saturating_sub(self.used).saturating_sub(self.growth_left)
    }
}

impl Swiss {
    pub(super) fn header(&self, memory: &dyn Memory, at: Addr) -> Result<Header, Damage> {
        self.parse(&lines::header(memory, at, self.map.size)?, at)
    }

    /// A header as it lies in memory, whatever it says.
    pub(super) fn raw(&self, bytes: &[u8]) -> Header {
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

    pub(super) fn parse(&self, bytes: &[u8], at: Addr) -> Result<Header, Damage> {
        let header = self.raw(bytes);
        let depth = header.depth <= MAX_DEPTH;
        Damage::unless(depth, at, "globalDepth is larger than memory")?;
        let lens = header.dir_len == 0 || header.dir_len == 1 << header.depth;
        Damage::unless(lens, at, "dirLen is not 2^globalDepth")?;
        Ok(header)
    }

    pub(super) fn table(
        &self,
        memory: &dyn Memory,
        addr: Addr,
        number: u64,
    ) -> Result<Table, Damage> {
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
    pub(super) fn tables(
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
}
