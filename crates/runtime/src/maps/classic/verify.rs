//! The rules of a classic map: runtime/map.go, map_noswiss.go.

mod buckets;
mod overflow;

use mapscope_target::Addr;

use super::Classic;
use super::buckets::slots_of;
use super::header::{HASH_WRITING, Header, ITERATOR, OLD_ITERATOR, SAME_SIZE_GROW, SAMPLED_B};
use crate::maps::lines;
use crate::types::SlotLayout;
use crate::verify::{self as rule, Expected, Outcome, Place, Site, Waiting};
use buckets::Walk;
use overflow::Overflow;

impl Classic {
    pub(super) fn verify_map(&self, site: &Site<'_>, out: &mut Outcome) {
        let at = site.map.addr;
        let bytes = match lines::header(site.reader.memory, at, self.hmap.size) {
            Ok(bytes) => bytes,
            Err(fault) => return out.fault("the header", fault),
        };
        let l = &self.hmap;
        let header = |out: &mut Outcome, holds, rule, offset, detail: String| {
            out.expect(holds, rule, Place::HEADER, Addr(at.0.wrapping_add(offset)), || detail)
        };
        let Ok(h) = self.parse(&bytes, at) else {
            let b = lines::byte(&bytes, l.b);
            header(out, false, rule::B, l.b, format!("B is {b}"));
            return;
        };
        out.writing = h.flags & HASH_WRITING != 0;
        let known = ITERATOR | OLD_ITERATOR | HASH_WRITING | SAME_SIZE_GROW;
        let flags = h.flags & !known == 0 && (!h.same_size() || !h.oldbuckets.is_null());
        header(out, flags, rule::FLAGS, l.flags, format!("flags are {:#x}", h.flags));
        if h.buckets.is_null() {
            let lazy = h.count == 0 && h.oldbuckets.is_null();
            let detail = format!("count is {}, but there are no buckets", h.count);
            header(out, lazy, rule::LAZY, l.buckets, detail);
            return;
        }
        if let Ok(slots) = slots_of(&site.map) {
            self.verify_arrays(site, &h, &slots, out);
        }
    }

    fn verify_arrays(&self, site: &Site<'_>, h: &Header, slots: &SlotLayout, out: &mut Outcome) {
        let size = slots.block_size;
        let bytes = (h.len() + h.spare()).saturating_mul(size);
        let (what, on_stack) = ("the bucket array", h.b == 0);
        let buckets = Expected { what, at: h.buckets, bytes, on_stack };
        if !site.array(&buckets, Place::HEADER, out) {
            return;
        }
        let bytes = (h.old_len() + h.old_spare()).saturating_mul(size);
        let (what, at) = ("the old bucket array", h.oldbuckets);
        let old = Expected { what, at, bytes, on_stack: h.old_len() == 1 };
        let growing = !h.oldbuckets.is_null();
        if growing && !site.array(&old, Place::HEADER, out) {
            return;
        }
        let mut overflow = Overflow::new(self, site, h, slots, out);
        let waiting = Waiting::new(site).into();
        let mut walk = Walk { site, h, slots, evacuated: Vec::new(), waiting };
        if growing {
            walk.old(&mut overflow, out);
            self.verify_progress(site, h, &walk.evacuated, out);
        }
        let in_chains = walk.current(&mut overflow, out);
        overflow.spare(site, h, out);
        self.verify_counts(site, h, in_chains, out);
    }

    fn verify_progress(&self, site: &Site<'_>, h: &Header, evacuated: &[bool], out: &mut Outcome) {
        let done = evacuated.iter().take_while(|evacuated| **evacuated).count() as u64;
        let at = Addr(site.map.addr.0.wrapping_add(self.hmap.nevacuate));
        let detail = || {
            let (next, old) = (h.nevacuate, h.old_len());
            format!("nevacuate is {next} of {old}, but old bucket {done} is not evacuated")
        };
        // The step that evacuates the last bucket drops the old array.
        let sound = h.nevacuate <= done && h.nevacuate < h.old_len();
        out.expect(sound, rule::GROWTH_PROGRESS, Place::HEADER, at, detail);
    }

    fn verify_counts(&self, site: &Site<'_>, h: &Header, overflow: u64, out: &mut Outcome) {
        if out.cut {
            return;
        }
        let (at, entries) = (site.map.addr, out.entries);
        let detail = || format!("count is {}, but there are {entries} entries", h.count);
        out.expect(h.count == entries, rule::COUNT, Place::HEADER, at, detail);
        let exact = h.b < SAMPLED_B;
        let at = Addr(at.0.wrapping_add(self.hmap.noverflow));
        let detail = || format!("noverflow is {}, but there are {overflow}", h.noverflow);
        let holds = !exact || u64::from(h.noverflow) == overflow;
        out.expect(holds, rule::NOVERFLOW, Place::HEADER, at, detail);
    }
}
