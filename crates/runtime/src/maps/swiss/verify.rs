//! The rules of a Swiss map: internal/runtime/maps, map.go and table.go.

mod keys;

use std::ops::ControlFlow;

use mapscope_target::{Addr, MemoryExt};

use super::header::{Header, MAX_DEPTH, MAX_TABLE};
use super::{DELETED, EMPTY, Swiss, slots_of};
use crate::maps::SLOTS;
use crate::maps::lines::{self, byte, word};
use crate::types::SlotLayout;
use crate::verify::{self as rule, Expected, Outcome, Place, Site, Slots};
use keys::{Home, Keys, Wanted};

/// A table, read without a look at its rules.
#[derive(Clone, Copy)]
struct Raw {
    at: Addr,
    used: u64,
    capacity: u64,
    growth_left: u64,
    depth: u8,
    index: i64,
    groups: Addr,
    mask: u64,
}

/// What the groups of a table hold.
#[derive(Default)]
struct Tally {
    full: u64,
    deleted: u64,
    /// Bit `i`: group `i` has an empty slot, so that a probe ends there.
    ends: u128,
}

impl Swiss {
    pub(super) fn verify_map(&self, site: &Site<'_>, out: &mut Outcome) {
        let at = site.map.addr;
        let bytes = match lines::header(site.reader.memory, at, self.map.size) {
            Ok(bytes) => bytes,
            Err(fault) => return out.fault("the header", fault),
        };
        let h = self.raw(&bytes);
        let header = |out: &mut Outcome, holds, rule, offset, detail: String| {
            out.expect(holds, rule, Place::HEADER, Addr(at.0.wrapping_add(offset)), || detail)
        };
        let l = &self.map;
        out.writing = h.writing == 1;
        let mark = format!("writing is {}", h.writing);
        header(out, h.writing <= 1, rule::WRITING, l.writing, mark);
        let possible = h.tombstone_possible.unwrap_or(0);
        let offset = l.tombstone_possible.unwrap_or(0);
        let flag = format!("tombstonePossible is {possible}");
        header(out, possible <= 1, rule::FLAGS, offset, flag);
        if h.dir_len == 0 {
            return self.verify_small(site, &h, out);
        }
        let depth = h.depth <= MAX_DEPTH && h.dir_len == 1 << h.depth;
        let lens = format!("dirLen is {}, globalDepth {}", h.dir_len, h.depth);
        let sound = header(out, depth, rule::DIR_LEN, l.dir_len, lens)
            && header(
                out,
                h.shift == 64 - h.depth,
                rule::SHIFT,
                l.global_shift,
                format!("globalShift is {}, globalDepth {}", h.shift, h.depth),
            );
        if sound {
            self.verify_directory(site, &h, out);
        }
    }

    fn verify_small(&self, site: &Site<'_>, h: &Header, out: &mut Outcome) {
        let at = site.map.addr;
        if h.dir_ptr.is_null() {
            let detail = || format!("used is {}, but there is no group", h.used);
            out.expect(h.used == 0, rule::LAZY, Place::HEADER, at, detail);
            return;
        }
        let Ok(slots) = slots_of(&site.map) else { return };
        let (what, bytes) = ("the group", slots.block_size);
        let expected = Expected { what, at: h.dir_ptr, bytes, on_stack: true };
        if !site.array(&expected, Place::HEADER, out) {
            return;
        }
        let mut keys = Keys::new(site, h);
        let groups = Groups { site, slots: &slots, table: None, home: 0 };
        let tally = groups.walk(h.dir_ptr, 1, &mut keys, out);
        keys.homes.push(Home { index: None, run: 1, groups: 1, ends: tally.ends });
        keys.check(out);
        if !out.cut && tally.deleted > 0 {
            let detail = "a small map never leaves a deleted slot";
            out.found(rule::MARK, Place::of("group", 0), h.dir_ptr, detail);
        }
        count(site, h.used, tally.full, out);
    }

    fn verify_directory(&self, site: &Site<'_>, h: &Header, out: &mut Outcome) {
        let bytes = h.dir_len.saturating_mul(8);
        let expected = Expected { what: "the directory", at: h.dir_ptr, bytes, on_stack: false };
        if !site.array(&expected, Place::HEADER, out) {
            return;
        }
        let (mut i, mut full, mut refused) = (0, 0, Addr::NULL);
        let mut keys = Keys::new(site, h);
        while i < h.dir_len {
            let Some(entry) = h.dir_ptr.index(i, 8) else { return };
            let table = match site.reader.memory.addr(entry) {
                Ok(table) => table,
                Err(fault) => return out.fault("the directory", fault),
            };
            // What is wrong with a table is said once, not for each of its entries.
            let known = table == refused && !table.is_null();
            let run = match known {
                true => None,
                false => self.verify_entry(&mut keys, i, (entry, table), &mut full, out),
            };
            out.cut |= run.is_none();
            refused = if run.is_none() { table } else { Addr::NULL };
            i += run.unwrap_or(1);
            if keys.waiting.is_full() {
                keys.check(out);
            }
        }
        keys.check(out);
        count(site, h.used, full, out);
    }

    /// Checks the table at entry `i` of the directory. How many entries are its own; `None` where
    /// it does not belong there.
    fn verify_entry(
        &self,
        keys: &mut Keys<'_>,
        i: u64,
        (entry, at): (Addr, Addr),
        full: &mut u64,
        out: &mut Outcome,
    ) -> Option<u64> {
        let (site, h) = (keys.site, keys.h);
        let place = Place::of("directory entry", i);
        let (what, bytes) = ("the table", self.table.size);
        if at.is_null() {
            out.found(rule::DIR_ENTRY, place, entry, "the entry is nil");
            return None;
        }
        if !site.array(&Expected { what, at, bytes, on_stack: false }, place, out) {
            return None;
        }
        let t = match lines::header(site.reader.memory, at, self.table.size) {
            Ok(bytes) => self.raw_table(&bytes, at),
            Err(fault) => {
                out.fault("a table", fault);
                return None;
            }
        };
        let detail = || format!("the table at {at} says that it is at {}", t.index);
        if !out.expect(t.index == i as i64, rule::DIR_INDEX, place, entry, detail) {
            return None;
        }
        let table = Place { table: Some(i), ..Place::of("table", i) };
        let detail = || format!("localDepth is {}, globalDepth {}", t.depth, h.depth);
        if !out.expect(t.depth <= h.depth, rule::DEPTH, table, at, detail) {
            return None;
        }
        let run = 1u64 << (h.depth - t.depth).min(MAX_DEPTH);
        let detail = || format!("entry {i} begins a run of {run}");
        if !out.expect(i.is_multiple_of(run), rule::DIR_RUN, place, entry, detail) {
            return None;
        }
        self.verify_run(site, h, i, run, at, out);
        *full += self.verify_table(keys, (i, run), &t, out);
        Some(run)
    }

    /// The entries after the first of a table must lead to it too.
    fn verify_run(
        &self,
        site: &Site<'_>,
        h: &Header,
        first: u64,
        run: u64,
        table: Addr,
        out: &mut Outcome,
    ) {
        for i in first + 1..first.saturating_add(run).min(h.dir_len) {
            let Some(entry) = h.dir_ptr.index(i, 8) else { return };
            match site.reader.memory.addr(entry) {
                Ok(found) if found == table => {}
                Ok(found) => {
                    let detail = format!("{found}, where the table of entry {first} is expected");
                    out.found(rule::DIR_RUN, Place::of("directory entry", i), entry, detail);
                }
                Err(fault) => return out.fault("the directory", fault),
            }
        }
    }

    /// Checks one table. Its entries.
    fn verify_table(
        &self,
        keys: &mut Keys<'_>,
        (index, run): (u64, u64),
        t: &Raw,
        out: &mut Outcome,
    ) -> u64 {
        let site = keys.site;
        let place = Place { table: Some(index), ..Place::of("table", index) };
        let cap = t.capacity;
        let sane = cap.is_power_of_two() && (SLOTS as u64..=MAX_TABLE).contains(&cap);
        let detail = || format!("capacity is {cap}");
        let sane = out.expect(sane, rule::CAPACITY, place, t.at, detail);
        let detail = || format!("lengthMask is {:#x}, capacity {cap}", t.mask);
        let count = cap / SLOTS as u64;
        let sane =
            sane && out.expect(t.mask.wrapping_add(1) == count, rule::MASK, place, t.at, detail);
        let Ok(slots) = slots_of(&site.map) else {
            out.cut = true;
            return 0;
        };
        let bytes = count.saturating_mul(slots.block_size);
        let groups = Expected { what: "the groups", at: t.groups, bytes, on_stack: false };
        if !sane || !site.array(&groups, place, out) {
            out.cut = true;
            return 0;
        }
        let (home, faults) = (keys.homes.len() as u32, out.faults);
        let walk = Groups { site, slots: &slots, table: Some(index), home };
        let tally = walk.walk(t.groups, count, keys, out);
        keys.homes.push(Home { index: Some(index), run, groups: count, ends: tally.ends });
        if out.faults > faults {
            // What could not be read was not counted.
            return tally.full;
        }
        let detail = || format!("used is {}, but {} slots are full", t.used, tally.full);
        let used = out.expect(t.used == tally.full, rule::USED, place, t.at, detail);
        let most = if cap <= SLOTS as u64 { cap - 1 } else { cap / 8 * 7 };
        let sum = t.used + t.growth_left + tally.deleted;
        let detail = || {
            let (used, left, deleted) = (t.used, t.growth_left, tally.deleted);
            format!("used {used} + growthLeft {left} + deleted {deleted} is not {most}")
        };
        let left = !used || out.expect(sum == most, rule::GROWTH_LEFT, place, t.at, detail);
        out.cut |= !used || !left;
        tally.full
    }

    fn raw_table(&self, bytes: &[u8], at: Addr) -> Raw {
        let l = &self.table;
        let half = |offset| word(bytes, offset) & 0xffff;
        Raw {
            at,
            used: half(l.used),
            capacity: half(l.capacity),
            growth_left: half(l.growth_left),
            depth: byte(bytes, l.local_depth),
            index: word(bytes, l.index) as i64,
            groups: Addr(word(bytes, l.groups_data)),
            mask: word(bytes, l.groups_length_mask),
        }
    }
}

/// `len` against what was walked, unless the walk left something out.
fn count(site: &Site<'_>, used: u64, full: u64, out: &mut Outcome) {
    if !out.cut {
        let detail = || format!("used is {used}, but there are {full} entries");
        out.expect(used == full, rule::COUNT, Place::HEADER, site.map.addr, detail);
    }
}

/// The groups of one table, or the one of a small map.
struct Groups<'s> {
    site: &'s Site<'s>,
    slots: &'s SlotLayout,
    /// The number of the table; `None` in a small map.
    table: Option<u64>,
    /// Its number among those whose keys wait.
    home: u32,
}

impl Groups<'_> {
    fn walk(&self, at: Addr, count: u64, keys: &mut Keys<'_>, out: &mut Outcome) -> Tally {
        let (size, mut tally) = (self.slots.block_size, Tally::default());
        let walked = lines::each(self.site.reader.memory, at, size, count, |number, bytes| {
            let at = Addr(at.0.wrapping_add(number.wrapping_mul(size)));
            out.bytes += size;
            self.group(at, number, bytes, &mut tally, keys, out);
            ControlFlow::Continue(())
        });
        if let Err(fault) = walked {
            out.fault("the groups", fault);
        }
        tally
    }

    fn group(
        &self,
        at: Addr,
        number: u64,
        bytes: &[u8],
        tally: &mut Tally,
        keys: &mut Keys<'_>,
        out: &mut Outcome,
    ) {
        let place = Place { table: self.table, ..Place::of("group", number) };
        for (slot, ctrl) in bytes.iter().copied().take(SLOTS).enumerate() {
            let mark = Addr(at.0.wrapping_add(slot as u64));
            match ctrl {
                EMPTY => tally.ends |= 1 << (number & 127),
                DELETED => tally.deleted += 1,
                ctrl if ctrl & 0x80 != 0 => {
                    let detail = format!("the control byte is {ctrl:#04x}");
                    out.found(rule::MARK, place.slot(slot), mark, detail);
                    out.cut = true;
                }
                ctrl => {
                    tally.full += 1;
                    let slots = Slots { at, bytes, layout: self.slots, place };
                    let (home, group, slot) = (self.home, number as u8, slot as u8);
                    let wanted = Wanted { at: mark, home, group, slot, ctrl };
                    let push = |key: &[u8]| keys.waiting.push(key, wanted);
                    self.site.entry(&slots, slot.into(), out, push);
                }
            }
        }
    }
}
