//! Size, storage and state of a map.

use std::ops::ControlFlow;

use super::Swiss;
use super::header::Header;
use crate::maps::survey::{State, Survey};
use crate::maps::{Damage, MapAt, Reader, SLOTS};
use crate::types::SlotLayout;

impl Swiss {
    pub(super) fn survey_map(&self, reader: Reader<'_>, map: &MapAt) -> Result<Survey, Damage> {
        let h = self.header(reader.memory, map.addr)?;
        let mut survey = match h.dir_len {
            0 => self.survey_small(reader, &h, map.slots.as_ref()),
            _ => self.survey_full(reader, &h, map.slots.as_ref())?,
        };
        let header = reader.heap.rounded(self.map.size, true);
        if let Some(slots) = &map.slots {
            let slot =
                if slots.split { slots.key_stride + slots.elem_stride } else { slots.key_stride };
            let live = survey.len.saturating_mul(slot.saturating_add(1));
            survey.wasted = survey.bytes.saturating_sub(live.saturating_add(header));
        } else {
            // Directory and tables are small beside the groups.
            survey = survey.untyped(header, survey.bytes.saturating_sub(header));
        }
        survey.estimated |= reader.heap.is_unknown(h.dir_ptr);
        Ok(survey)
    }

    pub(super) fn check_directory(&self, reader: Reader<'_>, h: &Header) -> Result<(), Damage> {
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
