//! A key looked up in a Swiss map: `Map.getWithKey` in internal/runtime/maps/map.go and table.go.

use mapscope_target::{Addr, MemoryExt};

use super::header::{Header, Table};
use super::{DELETED, EMPTY, Swiss, slots_of};
use crate::maps::lookup::{Look, Lookup, LookupError, Seek, Verdict};
use crate::maps::{Block, Damage, MapAt, Reader, SLOTS, entries};
use crate::types::SlotLayout;

/// The bits of a hash that a control byte holds; the others lead to a group.
pub(super) const H2_BITS: u32 = 7;
const H2_MASK: u64 = (1 << H2_BITS) - 1;

/// Where in a directory the table of `hash` stands. With one table there is no bit to go by, and
/// a shift by all 64.
pub(super) fn directory_index(h: &Header, hash: u64) -> u64 {
    if h.dir_len == 1 { 0 } else { hash.checked_shr(h.shift.into()).unwrap_or(0) }
}

/// The groups that a probe visits, in order: each step is one longer than the last, and as many
/// steps as there are groups visit each once.
pub(crate) fn probe(hash: u64, group_count: u64) -> impl Iterator<Item = u64> {
    let mask = group_count.wrapping_sub(1);
    let first = (hash >> H2_BITS) & mask;
    (0..group_count).map(move |step| first.wrapping_add(step * (step + 1) / 2) & mask)
}

impl Swiss {
    pub(super) fn find(
        &self,
        reader: Reader<'_>,
        map: &MapAt,
        key: &dyn Seek,
    ) -> Result<Lookup, LookupError> {
        let h = self.header(reader.memory, map.addr)?;
        let mut lookup = Lookup { seed: h.seed, ..Lookup::default() };
        lookup.hash = key.hash(h.seed)?;
        if h.used == 0 || h.dir_ptr.is_null() {
            lookup.ended = "the map is empty: nothing is looked at";
            return Ok(lookup);
        }
        let slots = slots_of(map)?;
        lookup.fact(("h1", "H1"), lookup.hash >> H2_BITS, "leads to the group");
        lookup.fact(("h2", "H2"), lookup.hash & H2_MASK, "the control byte to look for");
        let search = Search { reader, slots, key };
        if h.dir_len == 0 {
            search.group(h.dir_ptr, 0, &mut lookup)?;
            if lookup.found.is_none() {
                lookup.ended = "a small map has one group";
            }
            return Ok(lookup);
        }
        let table = self.table_of(reader, &h, &mut lookup)?;
        search.table(&table, &mut lookup)?;
        Ok(lookup)
    }

    fn table_of(
        &self,
        reader: Reader<'_>,
        h: &Header,
        lookup: &mut Lookup,
    ) -> Result<Table, LookupError> {
        let index = directory_index(h, lookup.hash);
        lookup.fact(("directory_index", "directory index"), index, "the top bits of the hash");
        let entry = h.dir_ptr.index(index, 8).filter(|_| index < h.dir_len);
        let rule = "globalShift leads beyond the directory";
        let entry = entry.ok_or(Damage::Broken { at: h.dir_ptr, rule })?;
        let at = reader.memory.addr(entry).map_err(Damage::from)?;
        let table = self.table(reader.memory, at, index)?;
        lookup.fact(("table", "table"), at.0, "where the table is");
        lookup.fact(("groups", "groups"), table.group_count, "in the table");
        Ok(table)
    }
}

struct Search<'s> {
    reader: Reader<'s>,
    slots: SlotLayout,
    key: &'s dyn Seek,
}

impl Search<'_> {
    fn table(&self, table: &Table, lookup: &mut Lookup) -> Result<(), LookupError> {
        for group in probe(lookup.hash, table.group_count) {
            let at = table.groups.index(group, self.slots.block_size);
            let rule = "a table's groups leave the address space";
            let at = at.ok_or(Damage::Broken { at: table.addr, rule })?;
            if self.group(at, group, lookup)? {
                return Ok(());
            }
        }
        lookup.ended = "all groups of the table were looked at";
        Ok(())
    }

    /// Whether the search ends in this group.
    fn group(&self, at: Addr, number: u64, lookup: &mut Lookup) -> Result<bool, LookupError> {
        let ctrls = self.reader.memory.array::<SLOTS>(at).map_err(Damage::from)?;
        let (h2, mut found, mut has_empty) = ((lookup.hash & H2_MASK) as u8, None, false);
        for (slot, ctrl) in ctrls.iter().enumerate() {
            let verdict = match *ctrl {
                EMPTY => Verdict::Empty,
                DELETED => Verdict::Deleted,
                ctrl if ctrl != h2 => Verdict::OtherHash,
                _ => {
                    let entry = self.entry(at, slot)?;
                    match self.key.is(entry.key)? {
                        true => {
                            found = Some(entry);
                            Verdict::Found
                        }
                        false => Verdict::OtherKey,
                    }
                }
            };
            has_empty |= *ctrl == EMPTY;
            let (mark, slot) = (*ctrl, slot as u8);
            lookup.look(Look { what: "group", number, block: at, slot, mark, verdict });
            if found.is_some() {
                break;
            }
        }
        lookup.ended = match found {
            Some(_) => "found",
            None => "a group with an empty slot ends the search",
        };
        lookup.found = found;
        Ok(found.is_some() || has_empty)
    }

    fn entry(&self, at: Addr, slot: usize) -> Result<crate::maps::Entry, LookupError> {
        let block = Block { addr: at, bytes: &[], full: 1 << slot, home: 0, step: 0, old: false };
        let entry = entries(&block, &self.slots, self.reader.memory).next();
        let rule = "a slot that is none";
        Ok(entry.ok_or(Damage::Broken { at, rule })?.map_err(Damage::from)?)
    }
}

#[cfg(test)]
mod tests {
    use super::probe;

    #[test]
    fn a_probe_visits_every_group_once() {
        for groups in [1, 2, 8, 128] {
            for hash in [0, 0x1234_5678_9abc, u64::MAX] {
                let mut visited: Vec<u64> = probe(hash, groups).collect();
                visited.sort_unstable();
                assert_eq!(visited, Vec::from_iter(0..groups));
            }
        }
        assert_eq!(Vec::from_iter(probe(5 << 7, 8)), [5, 6, 0, 3, 7, 4, 2, 1]);
    }
}
