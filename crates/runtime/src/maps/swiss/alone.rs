//! Whether what may be a Swiss map can be nothing else, whatever its type.

use std::ops::ControlFlow;

use mapscope_target::{Addr, MemoryExt};

use super::header::Table;
use super::{DELETED, EMPTY, Swiss, full};
use crate::maps::lines::each;
use crate::maps::strides::strides;
use crate::maps::{Damage, Reader, SLOTS};

impl Swiss {
    pub(super) fn is_alone(&self, reader: Reader<'_>, at: Addr) -> Result<bool, Damage> {
        let h = self.header(reader.memory, at)?;
        if h.writing != 0 || h.dir_ptr.is_null() {
            return Ok(false);
        }
        if h.dir_len == 0 {
            let own = reader.heap.object(h.dir_ptr).is_some_and(|o| o.value == h.dir_ptr);
            let ctrls = reader.memory.array::<SLOTS>(h.dir_ptr)?;
            let count = u64::from(full(&ctrls).count_ones());
            return Ok(own && legal(&ctrls) && count == h.used && count < SLOTS as u64);
        }
        let mut alone = true;
        self.tables(reader.memory, &h, |table| {
            alone = self.is_table(reader, &table);
            Ok(if alone { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(alone)
    }

    /// Whether for some size of its groups these hold what the table says.
    fn is_table(&self, reader: Reader<'_>, table: &Table) -> bool {
        strides(reader.heap, table.groups, table.group_count).any(|stride| {
            let mut used = 0;
            let walked =
                each(reader.memory, table.groups, stride, table.group_count, |_, group| {
                    used += u64::from(full(group).count_ones());
                    match legal(group) {
                        true => ControlFlow::Continue(()),
                        false => ControlFlow::Break(()),
                    }
                });
            walked == Ok(ControlFlow::Continue(())) && used == table.used && used < table.capacity
        })
    }
}

/// Whether the control bytes of a group are ones that there are.
fn legal(group: &[u8]) -> bool {
    let ctrls = group.get(..SLOTS);
    ctrls.is_some_and(|c| c.iter().all(|c| c & 0x80 == 0 || *c == EMPTY || *c == DELETED))
}
