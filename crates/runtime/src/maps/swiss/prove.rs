//! Whether a candidate is a Swiss map.

use std::ops::{ControlFlow, Range};

use mapscope_target::{Addr, MemoryExt};

use super::header::Header;
use super::{DELETED, EMPTY, Swiss, full};
use crate::maps::{Damage, Reader, SLOTS};

impl Swiss {
    pub(super) fn prove_header(
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
