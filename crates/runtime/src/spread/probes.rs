//! Swiss maps: groups that are probed one after the other. Where a key would lie if nobody were in
//! its way tells only its hash.

use std::ops::ControlFlow;

use mapscope_target::Addr;

use super::odds::Random;
use super::{BLOCK, Spread};
use crate::Go;
use crate::maps::{Damage, MapAt, SLOTS, entries, probe};

/// Tables of which keys are hashed: of more, as many evenly chosen ones.
const MOST_TABLES: u64 = 256;
/// Groups of the largest table there can be, and more.
const MOST_GROUPS: usize = 1 << 12;
/// How often the throwing of keys into a table is simulated, in all.
const SIMULATIONS: u64 = 512;
/// A control byte of a deleted slot (internal/runtime/maps/group.go).
const DELETED: u8 = 0xfe;

/// One table, as far as it was read.
#[derive(Default)]
struct Table {
    number: u64,
    /// The control bytes of its groups.
    ctrls: Vec<[u8; SLOTS]>,
    /// Group, slot and hash of each key.
    keys: Vec<(u64, u8, u64)>,
}

pub(super) fn spread(
    go: &Go<'_>,
    at: &MapAt,
    hash: &dyn Fn(Addr) -> Option<u64>,
) -> Result<Spread, Damage> {
    let mut spread = Spread::default();
    let Some(slots) = at.slots else { return Err(Damage::Untyped) };
    let tables = go.survey(at, crate::maps::Care::Quick)?.tables;
    let stride = tables.div_ceil(MOST_TABLES).max(1);
    let looked = tables.div_ceil(stride);
    let rounds = (SIMULATIONS / looked.max(1)).clamp(2, 64);
    let (mut table, mut random) = (Table::default(), Random(tables));
    go.shape.blocks(go.reader(), at, &mut |block| {
        if block.home % stride != 0 {
            return go.flow();
        }
        if block.home != table.number {
            let full = std::mem::take(&mut table);
            full.finish(&mut spread, rounds, &mut random);
            table.number = block.home;
        }
        if table.ctrls.len() >= MOST_GROUPS {
            return ControlFlow::Break(());
        }
        table.ctrls.push(block.bytes.first_chunk().copied().unwrap_or_default());
        for entry in entries(&block, &slots, go.memory()) {
            match entry.ok().and_then(|entry| Some((entry.slot, hash(entry.key)?))) {
                Some((slot, hash)) => table.keys.push((block.step, slot, hash)),
                None => spread.left_out += 1,
            }
        }
        go.flow()
    })?;
    table.finish(&mut spread, rounds, &mut random);
    if stride > 1 {
        spread.tables = Some((looked, tables));
    }
    Ok(spread)
}

impl Table {
    /// Adds what is seen of a whole table.
    fn finish(self, spread: &mut Spread, rounds: u64, random: &mut Random) {
        let groups = self.ctrls.len() as u64;
        if groups < 2 {
            return;
        }
        spread.cells += groups;
        let mut homes = vec![0u32; self.ctrls.len()];
        let mut placed = 0;
        for (group, slot, hash) in &self.keys {
            let Some(step) = probe(*hash, groups).position(|other| other == *group) else {
                spread.left_out += 1;
                continue;
            };
            let home = probe(*hash, groups).next().unwrap_or(0);
            if let Some(count) = homes.get_mut(home as usize) {
                *count += 1;
            }
            placed += 1;
            spread.count(step);
            self.marks(spread, (*group, *slot, *hash));
        }
        spread.evenness.add(homes.iter().copied());
        let ctrls = self.ctrls.iter().flatten();
        let tombstones = ctrls.filter(|ctrl| **ctrl == DELETED).count() as u64;
        simulate(spread, groups, (placed, tombstones), rounds, random);
    }

    /// Counts the keys before this one on its way that have the same mark.
    fn marks(&self, spread: &mut Spread, (group, slot, hash): (u64, u8, u64)) {
        let mark = hash as u8 & 0x7f;
        for other in probe(hash, self.ctrls.len() as u64) {
            let Some(ctrls) = self.ctrls.get(other as usize) else { return };
            let before = if other == group { usize::from(slot) } else { SLOTS };
            for ctrl in ctrls.iter().take(before) {
                spread.false_marks += u64::from(*ctrl == mark);
                spread.expected_false += f64::from(u8::from(ctrl & 0x80 == 0)) / 128.0;
            }
            if other == group {
                return;
            }
        }
    }
}

/// Adds how many keys a good hash finds after how many groups: by throwing as many into a table of
/// the same size, and as many more as were deleted since and left a tombstone.
fn simulate(
    spread: &mut Spread,
    groups: u64,
    (keys, tombstones): (u64, u64),
    rounds: u64,
    random: &mut Random,
) {
    let all = (keys + tombstones).min(groups * BLOCK);
    if all == 0 {
        return;
    }
    let share = keys as f64 / all as f64 / rounds as f64;
    for _ in 0..rounds {
        let mut free = vec![SLOTS as u8; groups as usize];
        for _ in 0..all {
            let free_at = |group: &u64| free.get(*group as usize).is_some_and(|free| *free > 0);
            let found = probe(random.next(), groups).enumerate().find(|(_, group)| free_at(group));
            let Some((step, group)) = found else { continue };
            spread.length(step).expected += share;
            if let Some(free) = free.get_mut(group as usize) {
                *free -= 1;
            }
        }
    }
}
