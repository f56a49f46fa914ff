//! What can be broken in a Swiss map.

use mapscope_runtime::Go;
use mapscope_runtime::maps::SLOTS;
use mapscope_target::{Addr, MemoryExt};

use super::plant::{Block, Plant, RACING, Victim, freed};

const EMPTY: u8 = 0x80;

/// Every way to break a Swiss map.
pub(crate) fn plants(go: &Go<'_>, victim: &Victim) -> Result<Vec<Plant>, String> {
    let mut plants = vec![
        victim.plant("used", "count", "header", vec![victim.changed(go, "used", |n| n + 1)?]),
        victim.plant(
            "globalShift",
            "header.globalShift",
            "header",
            vec![(victim.member(go, "globalShift")?, vec![1])],
        ),
        victim.plant(
            "dirLen",
            "header.dirLen",
            "header",
            vec![victim.changed(go, "dirLen", |n| n - 1)?],
        ),
        control(victim)?,
        illegal(victim)?,
        moved(victim)?,
    ];
    let used = victim.changed(go, "used", |n| n + 1)?;
    let writing = vec![used, (victim.member(go, "writing")?, vec![1])];
    plants.push(victim.plant("writing", RACING, "", writing));
    plants.extend(directory(go, victim)?);
    plants.extend(table(go, victim)?);
    plants.extend(victim.strings(go, "group", |block| block.step)?);
    Ok(plants)
}

/// A control byte that is not the key's.
fn control(victim: &Victim) -> Result<Plant, String> {
    let block = victim.blocks.iter().find(|block| block.full != 0).ok_or("no entry")?;
    let slot = block.first().ok_or("no entry")?;
    let write = (Addr(block.addr.0 + slot as u64), vec![block.bytes[slot] ^ 1]);
    let place = block.slot_name("group", block.step, slot);
    Ok(victim.plant("control byte", "key.hash", place, vec![write]))
}

/// A control byte that the runtime never writes.
fn illegal(victim: &Victim) -> Result<Plant, String> {
    let (block, slot) = empty(victim.blocks.iter(), 1).ok_or("no empty slot")?;
    let write = (Addr(block.addr.0 + slot as u64), vec![0xc3]);
    let place = block.slot_name("group", block.step, slot);
    Ok(victim.plant("illegal byte", "mark.illegal", place, vec![write]))
}

/// A block with at least so many empty slots, and the last of these.
fn empty<'b>(
    mut blocks: impl Iterator<Item = &'b Block>,
    least: usize,
) -> Option<(&'b Block, usize)> {
    let free = |block: &Block| block.bytes[..SLOTS].iter().filter(|c| **c == EMPTY).count();
    let block = blocks.find(|block| free(block) >= least)?;
    Some((block, (0..SLOTS).rfind(|slot| block.bytes[*slot] == EMPTY)?))
}

/// A key moved to a group that its probe does not reach.
fn moved(victim: &Victim) -> Result<Plant, String> {
    // A group with an empty slot, even before: whatever begins there ends there.
    let from = victim.blocks.iter().find(|block| {
        block.full != 0 && block.bytes[..SLOTS].iter().filter(|c| **c == EMPTY).count() > 1
    });
    let from = from.ok_or("no group with empty slots")?;
    let slot = from.first().ok_or("no entry")?;
    let others = victim.blocks.iter().filter(|b| b.home == from.home && b.step != from.step);
    let (to, into) = empty(others, 2).ok_or("no other group")?;
    let mut writes = victim.copied(from, slot, to, into);
    writes.push((Addr(to.addr.0 + into as u64), vec![from.bytes[slot]]));
    writes.push((Addr(from.addr.0 + slot as u64), vec![EMPTY]));
    let place = to.slot_name("group", to.step, into);
    Ok(victim.plant("moved key", "key.probe", place, writes))
}

/// Directory entries that lead to another table, to nothing, and to what is freed.
fn directory(go: &Go<'_>, victim: &Victim) -> Result<Vec<Plant>, String> {
    let read = |at: Addr| go.memory().u64(at).map_err(|e| e.to_string());
    let (at, len) = (read(victim.member(go, "dirPtr")?)?, read(victim.member(go, "dirLen")?)?);
    let entry = |i: u64| Addr(at + i * 8);
    let first = read(entry(0))?.to_le_bytes().to_vec();
    // The last entry may be one of a run, or the only one of its table.
    let alone = len < 2 || read(entry(len - 2))? != read(entry(len - 1))?;
    let rule = if alone { "table.index" } else { "directory.run" };
    let place = format!("directory entry {}", len - 1);
    let mut foreign = victim.plant("directory entry", rule, &*place, vec![(entry(len - 1), first)]);
    foreign.several = true;
    let place = "directory entry 0";
    let mut nil = victim.plant("nil entry", "directory.entry", place, vec![(entry(0), vec![0; 8])]);
    // Without its first entry, the others of a run are a table's that begins elsewhere.
    nil.several = true;
    let runs = len > 1 && read(entry(0))? == read(entry(1))?;
    Ok(if runs { vec![foreign] } else { vec![foreign, nil] })
}

/// Counters and pointers of the first table.
fn table(go: &Go<'_>, victim: &Victim) -> Result<Vec<Plant>, String> {
    let arrays = go.shape.arrays(go.reader(), &victim.at).map_err(|e| e.to_string())?;
    let find = |what| arrays.iter().find(|array| array.what == what).map(|array| array.addr);
    let (table, groups) = (find("table").ok_or("no table")?, find("groups").ok_or("no groups")?);
    let bytes = go.memory().array::<32>(table).map_err(|e| e.to_string())?;
    let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    // used, capacity, growthLeft: three halves; localDepth behind them.
    let write = |at: u64, value: u16| vec![(Addr(table.0 + at), value.to_le_bytes().to_vec())];
    let data = bytes.as_chunks::<8>().0.iter().position(|w| *w == groups.0.to_le_bytes());
    let data = Addr(table.0 + 8 * data.ok_or("no pointer to the groups")? as u64);
    let gone = freed(go, 8)?.0.to_le_bytes().to_vec();
    Ok(vec![
        victim.plant("table.used", "table.used", "table 0", write(0, half(0) + 1)),
        victim.plant("capacity", "table.capacity", "table 0", write(2, 100)),
        victim.plant("growthLeft", "table.growthLeft", "table 0", write(4, half(4) + 1)),
        victim.plant(
            "localDepth",
            "table.localDepth",
            "table 0",
            vec![(Addr(table.0 + 6), vec![60])],
        ),
        victim.plant("freed groups", "array.freed", "table 0", vec![(data, gone)]),
    ])
}
