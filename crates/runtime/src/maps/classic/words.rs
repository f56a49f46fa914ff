//! The header, explained.

use super::Classic;
use super::header::{
    HASH_WRITING, Header, ITERATOR, OLD_ITERATOR, SAME_SIZE_GROW, SAMPLED_B, threshold,
};
use crate::maps::{Damage, HeaderField, MapAt, Reader, field};

impl Classic {
    pub(super) fn explain_header(
        &self,
        reader: Reader<'_>,
        map: &MapAt,
    ) -> Result<Vec<HeaderField>, Damage> {
        let h = self.header(reader.memory, map.addr)?;
        let l = &self.hmap;
        Ok(vec![
            field("count", l.count, h.count, "live entries: what len returns"),
            field("flags", l.flags, format!("{:#x}", h.flags), flag_words(h.flags)),
            field("B", l.b, h.b, b_words(&h)),
            field("noverflow", l.noverflow, h.noverflow, overflow_words(&h)),
            field("hash0", l.hash0, format!("{:#x}", h.hash0), "seed of the hash"),
            field("buckets", l.buckets, h.buckets, buckets_words(&h)),
            field("oldbuckets", l.oldbuckets, h.oldbuckets, old_words(&h)),
            field("nevacuate", l.nevacuate, h.nevacuate, nevacuate_words(&h)),
            field("extra", l.extra, h.extra, extra_words(&h)),
        ])
    }
}

fn flag_words(flags: u8) -> String {
    let names = [
        (ITERATOR, "iterator: a range over buckets was begun since the last growth"),
        (OLD_ITERATOR, "oldIterator: a range over oldbuckets was begun"),
        (HASH_WRITING, "hashWriting: a goroutine is writing, or died writing"),
        (SAME_SIZE_GROW, "sameSizeGrow: growing into an array of the same size"),
    ];
    let set: Vec<_> = names.iter().filter(|(f, _)| flags & f != 0).map(|(_, n)| *n).collect();
    if set.is_empty() { "none set".into() } else { set.join("; ") }
}

fn b_words(h: &Header) -> String {
    format!("2^{} = {} buckets of 8; grows at {} entries", h.b, h.len(), threshold(h.b) + 1)
}

fn overflow_words(h: &Header) -> String {
    if h.b < SAMPLED_B {
        "overflow buckets, exact below B=16".into()
    } else {
        "overflow buckets, sampled from B=16 on".into()
    }
}

fn buckets_words(h: &Header) -> String {
    match h.spare() {
        _ if h.buckets.is_null() => "none yet: made at the first insert".into(),
        0 => format!("{} buckets, no spare ones", h.len()),
        spare => format!("{} buckets and {spare} spare ones for overflow", h.len()),
    }
}

fn old_words(h: &Header) -> String {
    match h.oldbuckets.is_null() {
        true => "no growth under way".into(),
        false => format!("{} buckets being evacuated", h.old_len()),
    }
}

fn nevacuate_words(h: &Header) -> String {
    match h.oldbuckets.is_null() {
        true => "no meaning without oldbuckets".into(),
        false => format!(
            "old buckets below {} are evacuated; writes and deletes go on, reads never do",
            h.nevacuate
        ),
    }
}

fn extra_words(h: &Header) -> String {
    match h.extra.is_null() {
        true => "none: no overflow bucket has been needed".into(),
        false => {
            "mapextra: spare buckets, and overflow lists where buckets hold no pointers".into()
        }
    }
}
