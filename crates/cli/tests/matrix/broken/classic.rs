//! What can be broken in a classic map.

use mapscope_runtime::Go;
use mapscope_runtime::maps::SLOTS;
use mapscope_target::{Addr, MemoryExt};

use super::plant::{Block, Plant, RACING, Victim, freed};

/// Every way to break a classic map.
pub(crate) fn plants(go: &Go<'_>, victim: &Victim) -> Result<Vec<Plant>, String> {
    let mut plants = vec![
        victim.plant("count", "count", "header", vec![victim.changed(go, "count", |n| n + 1)?]),
        victim.plant(
            "flags",
            "header.flags",
            "header",
            vec![victim.changed(go, "flags", |n| n | 0x40)?],
        ),
    ];
    let writing =
        vec![victim.changed(go, "flags", |n| n | 4)?, victim.changed(go, "count", |n| n + 1)?];
    plants.push(victim.plant("writing", RACING, "", writing));
    if victim.blocks.iter().any(|block| block.old) {
        let most = |_| u64::MAX >> 8;
        let write = vec![victim.changed(go, "nevacuate", most)?];
        plants.push(victim.plant("nevacuate", "growth.nevacuate", "header", write));
    } else {
        plants.push(early(victim)?);
        plants.extend(moved(victim));
    }
    plants.push(mark(victim)?);
    plants.extend(spare(go, victim)?);
    plants.extend(chains(go, victim)?);
    plants.extend(victim.strings(go, "bucket", |block| block.home)?);
    Ok(plants)
}

fn new(victim: &Victim) -> impl Iterator<Item = &Block> {
    victim.blocks.iter().filter(|block| !block.old)
}

/// A tophash that is not the key's.
fn mark(victim: &Victim) -> Result<Plant, String> {
    let block = new(victim).find(|block| block.full != 0).ok_or("no entry")?;
    let slot = block.first().ok_or("no entry")?;
    let other = if block.bytes[slot] == 77 { 78 } else { 77 };
    let write = (Addr(block.addr.0 + slot as u64), vec![other]);
    let place = block.slot_name("bucket", block.home, slot);
    Ok(victim.plant("tophash", "key.hash", place, vec![write]))
}

/// A mark of evacuation where nothing is evacuated.
fn early(victim: &Victim) -> Result<Plant, String> {
    let block = new(victim).find(|block| block.full != 0xff).ok_or("all full")?;
    let slot = (0..SLOTS).find(|slot| block.full >> slot & 1 == 0).ok_or("full")?;
    let write = (Addr(block.addr.0 + slot as u64), vec![2]);
    let place = block.slot_name("bucket", block.home, slot);
    Ok(victim.plant("evacuated", "mark.evacuated", place, vec![write]))
}

/// The last entry of one bucket moved behind the last of another.
fn moved(victim: &Victim) -> Option<Plant> {
    let free = |block: &Block| (1..SLOTS).find(|slot| block.bytes[*slot] == 0);
    let mut single = new(victim).filter(|block| {
        let alone = block.step == 0 && block.bytes[block.bytes.len() - 8..] == [0; 8];
        alone && block.full & 1 != 0 && free(block).is_some()
    });
    let (from, to) = (single.next()?, single.next()?);
    let (last, into) = (free(from)? - 1, free(to)?);
    let mut writes = victim.copied(from, last, to, into);
    writes.push((Addr(to.addr.0 + into as u64), vec![from.bytes[last]]));
    writes.push((Addr(from.addr.0 + last as u64), vec![0]));
    let place = to.slot_name("bucket", to.home, into);
    Some(victim.plant("moved key", "key.bucket", place, writes))
}

/// The sentinel of the last spare bucket.
fn spare(go: &Go<'_>, victim: &Victim) -> Result<Option<Plant>, String> {
    let buckets = go.memory().addr(victim.member(go, "buckets")?).map_err(|e| e.to_string())?;
    let object = go.heap.object(buckets).ok_or("no array")?;
    let size = victim.slots.block_size;
    let count = (object.base.0 + object.size - buckets.0) / size;
    let at = Addr(buckets.0 + count * size - 8);
    let sentinel = go.memory().addr(at).map_err(|e| e.to_string())? == buckets;
    let plant = || victim.plant("spare", "spare.sentinel", "spare bucket", vec![(at, vec![0; 8])]);
    Ok(sentinel.then(plant))
}

/// Overflow pointers that lead to what is freed, to themselves, and to nothing at all.
fn chains(go: &Go<'_>, victim: &Victim) -> Result<Vec<Plant>, String> {
    let size = victim.slots.block_size;
    let Some(overflow) = new(victim).find(|block| block.step == 1) else { return Ok(Vec::new()) };
    let first = new(victim).find(|block| block.home == overflow.home).ok_or("no bucket")?;
    let pointer = Addr(first.addr.0 + size - 8);
    let word = |addr: Addr| addr.0.to_le_bytes().to_vec();
    let of_first = format!("bucket {}", first.home);
    let of_overflow = format!("bucket {}, overflow bucket 1", first.home);
    let again = Addr(overflow.addr.0 + size - 8);
    Ok(vec![
        victim.plant(
            "freed bucket",
            "chain.freed",
            &*of_first,
            vec![(pointer, word(freed(go, size)?))],
        ),
        victim.plant("cycle", "chain.twice", &*of_overflow, vec![(again, word(overflow.addr))]),
        victim.plant(
            "cycle to the first",
            "chain.twice",
            of_overflow,
            vec![(again, word(first.addr))],
        ),
        victim.plant("stray", "chain.stray", of_first, vec![(pointer, word(victim.at.addr))]),
    ])
}
