//! Overflow buckets: where they may lie, what keeps them alive, and that none is used twice.

use mapscope_target::{Addr, Fault, Memory, MemoryExt};
use rustc_hash::FxHashSet;

use super::super::Classic;
use super::super::header::Header;
use crate::heap::Ground;
use crate::types::SlotLayout;
use crate::verify::{self as rule, Outcome, Place, Site};

/// What is known of a map's overflow buckets.
pub(super) struct Overflow {
    size: u64,
    current: Spares,
    old: Spares,
    arrays: [(Addr, u64); 2],
    /// The first unused spare bucket.
    next: Option<Addr>,
    /// Those in chains already met.
    met: FxHashSet<Addr>,
    /// Those that the header keeps alive, where buckets hold no pointers.
    kept: Option<FxHashSet<Addr>>,
}

/// The spare buckets that come with an array.
#[derive(Clone, Copy, Default)]
struct Spares {
    first: u64,
    end: u64,
}

/// More overflow buckets than fit in memory are damage.
const MAX_KEPT: u64 = 1 << 28;

impl Overflow {
    pub(super) fn new(
        shape: &Classic,
        site: &Site<'_>,
        h: &Header,
        slots: &SlotLayout,
        out: &mut Outcome,
    ) -> Overflow {
        let size = slots.block_size;
        let spares = |array: Addr, len: u64, spare: u64| match spare {
            0 => Spares::default(),
            _ => Spares {
                first: array.0.wrapping_add(len.wrapping_mul(size)),
                end: end_of(site, array, size),
            },
        };
        let extra = Extra { shape, memory: site.reader.memory, at: h.extra };
        let mut kept = None;
        if slots.pointer_free {
            match extra.kept() {
                Ok(list) => kept = Some(list),
                Err(fault) => out.fault("the lists of overflow buckets", fault),
            }
        }
        Overflow {
            size,
            current: spares(h.buckets, h.len(), h.spare()),
            old: spares(h.oldbuckets, h.old_len(), h.old_spare()),
            arrays: [(h.buckets, h.len()), (h.oldbuckets, h.old_len())],
            next: extra.next().ok().flatten(),
            met: FxHashSet::default(),
            kept,
        }
    }

    /// Whether the overflow bucket at `at`, to which a bucket at `from` leads, may be one.
    pub(super) fn accept(
        &mut self,
        site: &Site<'_>,
        at: Addr,
        old: bool,
        (place, from): (Place, Addr),
        out: &mut Outcome,
    ) -> bool {
        let wrong = self.refuse(site, at, old);
        let (rule, detail) = match wrong {
            Some(wrong) => wrong,
            None if !self.met.insert(at) => {
                (rule::CHAIN_TWICE, format!("the overflow bucket at {at} was met before"))
            }
            None => {
                if self.kept.as_ref().is_some_and(|kept| !kept.contains(&at)) {
                    let detail = format!("the overflow bucket at {at} is in no list of the header");
                    out.found(rule::CHAIN_UNLISTED, place, from, detail);
                }
                return true;
            }
        };
        out.cut = true;
        out.found(rule, place, from, detail);
        false
    }

    fn refuse(&self, site: &Site<'_>, at: Addr, old: bool) -> Option<(rule::Rule, String)> {
        let spares = if old { self.old } else { self.current };
        if (spares.first..spares.end).contains(&at.0) {
            let aligned = (at.0 - spares.first).is_multiple_of(self.size);
            let unused = !old && self.next.is_some_and(|next| at >= next);
            return match (aligned, unused) {
                (true, false) => None,
                (false, _) => Some((rule::CHAIN_STRAY, format!("{at} is inside a spare bucket"))),
                (_, true) => Some((
                    rule::CHAIN_STRAY,
                    format!("{at} is a spare bucket that is not used yet"),
                )),
            };
        }
        if let Some(bucket) = self.bucket(at) {
            return Some((
                rule::CHAIN_TWICE,
                format!("{at} is bucket {bucket} of an array itself"),
            ));
        }
        match site.judge.ground(at) {
            Ground::Object { in_use: false, .. } | Ground::Free => {
                Some((rule::CHAIN_FREED, format!("the overflow bucket at {at} is free memory")))
            }
            Ground::Object { value, size, .. } if value == at && size >= self.size => {
                let double = size >= self.size.saturating_mul(2).saturating_add(64);
                double.then(|| {
                    (rule::CHAIN_STRAY, format!("{at} is an object of {size} bytes, no bucket"))
                })
            }
            Ground::Object { value, .. } => {
                Some((rule::CHAIN_STRAY, format!("{at} is in the object that begins at {value}")))
            }
            Ground::Manual | Ground::Outside => {
                Some((rule::CHAIN_STRAY, format!("{at} is no heap object")))
            }
        }
    }

    /// The number of the bucket at `at` in its array, for one that is no overflow bucket.
    fn bucket(&self, at: Addr) -> Option<u64> {
        self.arrays.iter().find_map(|(array, len)| {
            let offset = at.offset_from(*array).filter(|_| !array.is_null())?;
            let number = offset / self.size;
            (offset.is_multiple_of(self.size) && number < *len).then_some(number)
        })
    }

    /// The unused spare buckets: the last one's overflow pointer leads to the first bucket, which
    /// tells `newoverflow` that it is the last; the others have none (`makeBucketArray`).
    pub(super) fn spare(&self, site: &Site<'_>, h: &Header, out: &mut Outcome) {
        let Some(next) = self.next else { return };
        let inside = (self.current.first..self.current.end).contains(&next.0);
        let aligned = inside && (next.0 - self.current.first).is_multiple_of(self.size);
        let detail = || format!("nextOverflow is {next}");
        if !out.expect(aligned, rule::SPARE_NEXT, Place::HEADER, h.extra, detail) {
            return;
        }
        let number = (next.0 - self.current.first) / self.size;
        let last = (self.current.end - self.current.first) / self.size - 1;
        for spare in number..=last {
            let at = self.current.first + spare * self.size + self.size - 8;
            let wanted = if spare == last { h.buckets } else { Addr::NULL };
            match site.reader.memory.addr(Addr(at)) {
                Ok(found) => {
                    let place = Place::of("spare bucket", spare);
                    let detail = || format!("its overflow pointer is {found}, not {wanted}");
                    out.expect(found == wanted, rule::SPARE_SENTINEL, place, Addr(at), detail);
                }
                Err(fault) => return out.fault("the spare buckets", fault),
            }
        }
    }
}

/// Where the last whole bucket of the object that begins with the array at `array` ends.
fn end_of(site: &Site<'_>, array: Addr, size: u64) -> u64 {
    match site.judge.ground(array) {
        Ground::Object { value, size: bytes, .. } if value == array => {
            array.0.wrapping_add(bytes / size * size)
        }
        _ => array.0,
    }
}

/// `hmap.extra`.
struct Extra<'s> {
    shape: &'s Classic,
    memory: &'s dyn Memory,
    at: Addr,
}

impl Extra<'_> {
    fn word(&self, member: u64) -> Result<Addr, Fault> {
        match self.at.is_null() {
            true => Ok(Addr::NULL),
            false => self.memory.addr(Addr(self.at.0.wrapping_add(member))),
        }
    }

    fn next(&self) -> Result<Option<Addr>, Fault> {
        Ok(Some(self.word(self.shape.extra.next_overflow)?).filter(|next| !next.is_null()))
    }

    fn kept(&self) -> Result<FxHashSet<Addr>, Fault> {
        let mut kept = FxHashSet::default();
        for member in [self.shape.extra.overflow, self.shape.extra.oldoverflow] {
            let slice = self.word(member)?;
            if slice.is_null() {
                continue;
            }
            let first = self.memory.addr(slice)?;
            let len = self.memory.u64(Addr(slice.0.wrapping_add(8)))?;
            let list = self.memory.bytes(first, len.saturating_mul(8), MAX_KEPT)?;
            let list = list.as_chunks::<8>().0.iter();
            kept.extend(list.map(|pointer| Addr(u64::from_le_bytes(*pointer))));
        }
        Ok(kept)
    }
}
